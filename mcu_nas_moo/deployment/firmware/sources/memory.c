/* The memory functions that compilers call, for images without a C library. */
#include <stddef.h>
#include <stdint.h>

/* Compilers would turn the loops into calls of these very functions. */
#if defined(__clang__)
#define PLAIN_LOOPS __attribute__((weak, no_builtin("memcpy", "memset")))
#else
#define PLAIN_LOOPS __attribute__((weak, optimize("no-tree-loop-distribute-patterns")))
#endif

PLAIN_LOOPS void *memcpy(void *restrict to, const void *restrict from, size_t size) {
    uint8_t *t = to;
    const uint8_t *f = from;
    while (size--) {
        *t++ = *f++;
    }
    return to;
}

PLAIN_LOOPS void *memset(void *to, int value, size_t size) {
    uint8_t *t = to;
    while (size--) {
        *t++ = (uint8_t)value;
    }
    return to;
}
