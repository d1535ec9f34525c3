/* For compilers without a C library; memory.c has the functions. */
#ifndef MCU_NAS_STRING_H
#define MCU_NAS_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memset(void *to, int value, size_t size);

#endif
