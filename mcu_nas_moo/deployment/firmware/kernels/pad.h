/*
 * Borders of a constant.
 */
#ifndef MCU_NAS_PAD_H
#define MCU_NAS_PAD_H

#include "kernel.h"

static MCU_NAS_ONCE void mcu_nas_pad(const int8_t *input, int8_t *output, int channels, int height,
                                     int width, int top, int left, int bottom, int right,
                                     int8_t value) {
    const int wide = left + width + right;
    for (int channel = 0; channel < channels; ++channel) {
        __builtin_memset(output, value, (size_t)((top + height + bottom) * wide));
        output += top * wide;
        for (int y = 0; y < height; ++y) {
            mcu_nas_copy(output + left, input, width);
            input += width;
            output += wide;
        }
        output += bottom * wide;
    }
}

#endif
