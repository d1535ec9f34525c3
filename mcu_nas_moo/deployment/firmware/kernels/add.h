/*
 * Quantised addition, with the numbers of onnxruntime's QLinearAdd on processors with fused
 * multiply-add.
 */
#ifndef MCU_NAS_ADD_H
#define MCU_NAS_ADD_H

#include "kernel.h"

/*
 * Sum of two tensors, each with a scale and a zero point; the output may overwrite one of them. With
 * r = scale / output scale, it is round(a * ra + (b * rb + constant)), every step fused.
 */
typedef struct {
    float ra, rb, constant;
} mcu_nas_sum;

static inline mcu_nas_sum mcu_nas_sum_of(float a_scale, int32_t a_zero_point, float b_scale,
                                         int32_t b_zero_point, float output_scale,
                                         int32_t output_zero_point) {
    const float ra = a_scale / output_scale, rb = b_scale / output_scale;
    const float zeros = mcu_nas_fma(ra, (float)a_zero_point, rb * (float)b_zero_point);
    const mcu_nas_sum sum = {ra, rb, (float)output_zero_point - zeros};
    return sum;
}

static inline int8_t mcu_nas_saturated(float value) {
    const int32_t rounded = mcu_nas_round(value);
    return (int8_t)(rounded < INT8_MIN ? INT8_MIN : rounded > INT8_MAX ? INT8_MAX : rounded);
}

static MCU_NAS_ONCE void mcu_nas_add(const int8_t *a, const int8_t *b, int8_t *output, int count,
                                     float a_scale, int32_t a_zero_point, float b_scale,
                                     int32_t b_zero_point, float output_scale,
                                     int32_t output_zero_point) {
    const mcu_nas_sum s = mcu_nas_sum_of(a_scale, a_zero_point, b_scale, b_zero_point, output_scale,
                                         output_zero_point);
    for (int i = 0; i < count; ++i) {
        const float rest = mcu_nas_fma((float)b[i], s.rb, s.constant);
        output[i] = mcu_nas_saturated(mcu_nas_fma((float)a[i], s.ra, rest));
    }
}

/* The same with one number of `b` for each channel of `a`; the output may overwrite `a`. */
static MCU_NAS_ONCE void mcu_nas_add_channels(const int8_t *a, const int8_t *b, int8_t *output,
                                              int channels, int pixels, float a_scale,
                                              int32_t a_zero_point, float b_scale,
                                              int32_t b_zero_point, float output_scale,
                                              int32_t output_zero_point) {
    const mcu_nas_sum s = mcu_nas_sum_of(a_scale, a_zero_point, b_scale, b_zero_point, output_scale,
                                         output_zero_point);
    for (int channel = 0; channel < channels; ++channel) {
        const float rest = mcu_nas_fma((float)b[channel], s.rb, s.constant);
        for (int i = 0; i < pixels; ++i) {
            *output++ = mcu_nas_saturated(mcu_nas_fma((float)*a++, s.ra, rest));
        }
    }
}

#endif
