/*
 * Quantised pooling.
 */
#ifndef MCU_NAS_POOL_H
#define MCU_NAS_POOL_H

#include "kernel.h"

/*
 * Mean of each channel, with the numbers of onnxruntime's QLinearGlobalAveragePool: the int32 sum of
 * q - zero point, times one float32 factor, rounded to nearest with ties to even.
 */
static MCU_NAS_ONCE void mcu_nas_global_average_pool(const int8_t *input, int8_t *output,
                                                     int channels, int pixels, float input_scale,
                                                     int32_t input_zero_point, float output_scale,
                                                     int32_t output_zero_point) {
    const float multiplier = input_scale / (output_scale * (float)pixels);
    for (int channel = 0; channel < channels; ++channel) {
        int32_t sum = -input_zero_point * pixels;
        for (int pixel = 0; pixel < pixels; ++pixel) {
            sum += *input++;
        }
        *output++ = mcu_nas_quantise((float)sum * multiplier, output_zero_point);
    }
}

#endif
