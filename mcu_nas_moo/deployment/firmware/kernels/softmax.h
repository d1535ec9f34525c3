/*
 * Softmax.
 */
#ifndef MCU_NAS_SOFTMAX_H
#define MCU_NAS_SOFTMAX_H

#include "kernel.h"

/*
 * Of `count` numbers that lie `step` bytes apart, for each of `outer` blocks and `step` positions.
 * Exponentials come from a table by distance to the highest number: exponentials[d] stands for
 * exp(-d * input scale) times a common factor, so no libm is needed; sum, product and quotient are
 * float32 as in onnxruntime. A higher number never gets a lower output. May overwrite its input.
 */
static MCU_NAS_ONCE void mcu_nas_softmax(const int8_t *input, int8_t *output, int outer, int count,
                                         int step, const float *exponentials, float steps_of_one,
                                         int32_t output_zero_point) {
    for (int block = 0; block < outer; ++block) {
        for (int position = 0; position < step; ++position) {
            int32_t highest = INT8_MIN;
            for (int i = 0; i < count; ++i) {
                highest = input[i * step + position] > highest ? input[i * step + position] : highest;
            }
            float sum = 0.0f;
            for (int i = 0; i < count; ++i) {
                sum += exponentials[highest - input[i * step + position]];
            }
            for (int i = 0; i < count; ++i) {
                const float share = exponentials[highest - input[i * step + position]];
                output[i * step + position] =
                    mcu_nas_quantise(share * steps_of_one / sum, output_zero_point);
            }
        }
        input += count * step;
        output += count * step;
    }
}

#endif
