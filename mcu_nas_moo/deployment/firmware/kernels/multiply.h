/*
 * Quantised products, with the numbers of onnxruntime's QLinearMul: the product of both numbers less
 * their zero points, times ratio = a scale * b scale / output scale, plus the output's zero point, in
 * float32, rounded to nearest with ties to even.
 */
#ifndef MCU_NAS_MULTIPLY_H
#define MCU_NAS_MULTIPLY_H

#include "kernel.h"

static inline int8_t mcu_nas_product(int32_t a, int32_t b, float ratio, int32_t zero_point) {
    const int32_t rounded = mcu_nas_round((float)(a * b) * ratio + (float)zero_point);
    return (int8_t)(rounded < INT8_MIN ? INT8_MIN : rounded > INT8_MAX ? INT8_MAX : rounded);
}

/* The output may overwrite one of the inputs. */
static MCU_NAS_ONCE void mcu_nas_multiply(const int8_t *a, const int8_t *b, int8_t *output,
                                          int count, int32_t a_zero_point, int32_t b_zero_point,
                                          float ratio, int32_t zero_point) {
    for (int i = 0; i < count; ++i) {
        output[i] = mcu_nas_product(a[i] - a_zero_point, b[i] - b_zero_point, ratio, zero_point);
    }
}

/* Each channel of `a` times one number of `b`; the output may overwrite `a`. */
static MCU_NAS_ONCE void mcu_nas_multiply_channels(const int8_t *a, const int8_t *b, int8_t *output,
                                                   int channels, int pixels, int32_t a_zero_point,
                                                   int32_t b_zero_point, float ratio,
                                                   int32_t zero_point) {
    for (int channel = 0; channel < channels; ++channel) {
        const int32_t factor = b[channel] - b_zero_point;
        for (int i = 0; i < pixels; ++i) {
            *output++ = mcu_nas_product(*a++ - a_zero_point, factor, ratio, zero_point);
        }
    }
}

#endif
