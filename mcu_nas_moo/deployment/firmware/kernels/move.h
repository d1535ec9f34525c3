/*
 * Another order of axes.
 */
#ifndef MCU_NAS_MOVE_H
#define MCU_NAS_MOVE_H

#include "kernel.h"

/* Of each axis of the output, from the first on: its size, and the distance of two in the input. */
typedef struct {
    int size[4], step[4];
} mcu_nas_axes;

static MCU_NAS_ONCE void mcu_nas_transpose(const int8_t *input, int8_t *output,
                                           const mcu_nas_axes *axes) {
    for (int a = 0; a < axes->size[0]; ++a) {
        for (int b = 0; b < axes->size[1]; ++b) {
            for (int c = 0; c < axes->size[2]; ++c) {
                const int8_t *from =
                    input + a * axes->step[0] + b * axes->step[1] + c * axes->step[2];
                for (int d = 0; d < axes->size[3]; ++d) {
                    *output++ = *from;
                    from += axes->step[3];
                }
            }
        }
    }
}

#endif
