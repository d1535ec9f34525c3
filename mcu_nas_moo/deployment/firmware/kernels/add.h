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
static MCU_NAS_ONCE void mcu_nas_add(const int8_t *a, const int8_t *b, int8_t *output, int count,
                                     float a_scale, int32_t a_zero_point, float b_scale,
                                     int32_t b_zero_point, float output_scale,
                                     int32_t output_zero_point) {
    const float ra = a_scale / output_scale, rb = b_scale / output_scale;
    const float zeros = mcu_nas_fma(ra, (float)a_zero_point, rb * (float)b_zero_point);
    const float constant = (float)output_zero_point - zeros;
    for (int i = 0; i < count; ++i) {
        const float sum = mcu_nas_fma((float)a[i], ra, mcu_nas_fma((float)b[i], rb, constant));
        const int32_t rounded = mcu_nas_round(sum);
        output[i] = (int8_t)(rounded < INT8_MIN ? INT8_MIN : rounded > INT8_MAX ? INT8_MAX : rounded);
    }
}

#endif
