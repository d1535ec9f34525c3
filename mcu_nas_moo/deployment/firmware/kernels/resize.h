/*
 * Resizing, with the numbers of onnxruntime's Resize of int8 tensors.
 */
#ifndef MCU_NAS_RESIZE_H
#define MCU_NAS_RESIZE_H

#include "kernel.h"

/* `rows` and `columns` are the places in the input that each row and column is a copy of. */
static MCU_NAS_ONCE void mcu_nas_resize_nearest(const int8_t *input, int8_t *output, int channels,
                                                int in_height, int in_width, int out_height,
                                                int out_width, const int16_t *rows,
                                                const int16_t *columns) {
    for (int channel = 0; channel < channels; ++channel) {
        for (int y = 0; y < out_height; ++y) {
            const int8_t *row = input + rows[y] * in_width;
            for (int x = 0; x < out_width; ++x) {
                *output++ = row[columns[x]];
            }
        }
        input += in_height * in_width;
    }
}

/*
 * Between two rows and two columns. For each row, and for each column, `rows` and `columns` have the
 * two places and `row_shares` and `column_shares` what they count. Rounds towards zero.
 */
static MCU_NAS_ONCE void mcu_nas_resize_linear(const int8_t *input, int8_t *output, int channels,
                                               int in_height, int in_width, int out_height,
                                               int out_width, const int16_t *rows,
                                               const float *row_shares, const int16_t *columns,
                                               const float *column_shares) {
    for (int channel = 0; channel < channels; ++channel) {
        for (int y = 0; y < out_height; ++y) {
            const int8_t *upper = input + rows[2 * y] * in_width;
            const int8_t *lower = input + rows[2 * y + 1] * in_width;
            const float above = row_shares[2 * y], below = row_shares[2 * y + 1];
            for (int x = 0; x < out_width; ++x) {
                const int16_t first = columns[2 * x], second = columns[2 * x + 1];
                const float left = column_shares[2 * x], right = column_shares[2 * x + 1];
                float value = left * above * (float)upper[first];
                value += right * above * (float)upper[second];
                value += left * below * (float)lower[first];
                value += right * below * (float)lower[second];
                *output++ = (int8_t)(int32_t)value;
            }
        }
        input += in_height * in_width;
    }
}

#endif
