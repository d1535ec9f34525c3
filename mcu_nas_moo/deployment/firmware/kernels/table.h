/*
 * Functions of one tensor, element by element.
 */
#ifndef MCU_NAS_TABLE_H
#define MCU_NAS_TABLE_H

#include "kernel.h"

/* What `table` has for each byte q, at place (uint8_t)q; the output may overwrite the input. */
static MCU_NAS_ONCE void mcu_nas_look_up(const int8_t *input, int8_t *output, int count,
                                         const int8_t *table) {
    for (int i = 0; i < count; ++i) {
        output[i] = table[(uint8_t)input[i]];
    }
}

#endif
