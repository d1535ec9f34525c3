/*
 * Quantised convolutions and dense layers.
 *
 * Numbers are those of QLinearConv and QGemm as onnxruntime computes them: int32 sums, one float32
 * scale per output channel, rounding to nearest with ties to even, saturation to int8. Integer sums
 * may be taken in any order, so the loops are arranged for few instructions. Weights have zero
 * point 0.
 */
#ifndef MCU_NAS_CONVOLUTION_H
#define MCU_NAS_CONVOLUTION_H

#include "kernel.h"

/* What turns the int32 sums of one layer into int8 outputs. */
typedef struct {
    float input_scale;
    const float *weight_scales; /* one per output channel */
    float output_scale;
    int32_t input_zero_point;
    int32_t output_zero_point;
} mcu_nas_quantisation;

static inline float mcu_nas_multiplier(const mcu_nas_quantisation *q, int channel) {
    return q->input_scale * q->weight_scales[channel] / q->output_scale;
}

static inline int8_t mcu_nas_requantise(int32_t sum, float multiplier, int32_t zero_point) {
    int32_t value = mcu_nas_round((float)sum * multiplier);
    const int32_t lowest = INT8_MIN - zero_point, highest = INT8_MAX - zero_point;
    value = value < lowest ? lowest : value;
    value = value > highest ? highest : value;
    return (int8_t)(value + zero_point);
}

static inline int32_t mcu_nas_sum_of_weights(const int8_t *weights, int count) {
    int32_t sum = 0;
    for (int i = 0; i < count; ++i) {
        sum += weights[i];
    }
    return sum;
}

/* Pixels p to p + count (count: 1 or 4, a constant) of one output channel of a 1x1 convolution. */
static inline __attribute__((always_inline)) void mcu_nas_pointwise_pixels(
    const int8_t *input, int8_t *output, const int8_t *weights, int32_t start, float multiplier,
    int32_t output_zero_point, int channels, int pixels, int count) {
    int32_t sums[4] = {start, start, start, start};
    const int8_t *const end = weights + channels;
    while (weights < end) {
        const int32_t weight = *weights++;
        if (count == 4) {
#if defined(__ARM_FEATURE_UNALIGNED)
            uint32_t four; /* in one load, from wherever the plane starts */
            __builtin_memcpy(&four, input, sizeof four);
            sums[0] += weight * (int8_t)four;
            sums[1] += weight * (int8_t)(four >> 8);
            sums[2] += weight * (int8_t)(four >> 16);
            sums[3] += weight * (int8_t)(four >> 24);
#else
            for (int i = 0; i < 4; ++i) {
                sums[i] += weight * input[i];
            }
#endif
        } else {
            sums[0] += weight * *input;
        }
        input += pixels;
    }
    for (int i = 0; i < count; ++i) {
        output[i] = mcu_nas_requantise(sums[i], multiplier, output_zero_point);
    }
}

/* 1x1 convolution, stride 1: a dense layer at every pixel. With one pixel, a dense layer. */
static MCU_NAS_ONCE void mcu_nas_pointwise(
    const int8_t *input, int8_t *output, const int8_t *weights, const int32_t *bias,
    const mcu_nas_quantisation *q, int in_channels, int out_channels, int pixels) {
    for (int channel = 0; channel < out_channels; ++channel) {
        const float multiplier = mcu_nas_multiplier(q, channel);
        const int32_t start =
            bias[channel] - q->input_zero_point * mcu_nas_sum_of_weights(weights, in_channels);
        int pixel = 0;
        for (; pixel + 4 <= pixels; pixel += 4) {
            mcu_nas_pointwise_pixels(input + pixel, output + pixel, weights, start, multiplier,
                                     q->output_zero_point, in_channels, pixels, 4);
        }
        for (; pixel < pixels; ++pixel) {
            mcu_nas_pointwise_pixels(input + pixel, output + pixel, weights, start, multiplier,
                                     q->output_zero_point, in_channels, pixels, 1);
        }
        weights += in_channels;
        output += pixels;
    }
}

/* Geometry of a convolution with square strides and kernels. */
typedef struct {
    int in_height, in_width, out_height, out_width, stride, padding;
} mcu_nas_geometry;

/* `count` neighbouring outputs of one row of a depthwise convolution; kernel and count constant. */
static inline __attribute__((always_inline)) void mcu_nas_depthwise_outputs(
    const int8_t *input, int8_t *output, const int8_t *weights, int32_t start, float multiplier,
    int32_t output_zero_point, int width, int stride, int kernel, int count) {
    int32_t sums[4] = {start, start, start, start};
    for (int ky = 0; ky < kernel; ++ky) {
        for (int kx = 0; kx < kernel; ++kx) {
            const int32_t weight = weights[ky * kernel + kx];
            for (int i = 0; i < count; ++i) {
                sums[i] += weight * input[i * stride + kx];
            }
        }
        input += width;
    }
    for (int i = 0; i < count; ++i) {
        output[i] = mcu_nas_requantise(sums[i], multiplier, output_zero_point);
    }
}

static inline __attribute__((always_inline)) void mcu_nas_depthwise_planes(
    const int8_t *input, int8_t *output, const int8_t *weights, const int32_t *bias,
    const mcu_nas_quantisation *q, int channels, const mcu_nas_geometry *g, int8_t *plane,
    int kernel, int stride) {
    const int width = g->in_width + 2 * g->padding;
    const int height = g->in_height + 2 * g->padding;
    __builtin_memset(plane, (int8_t)q->input_zero_point, (size_t)(width * height));
    for (int channel = 0; channel < channels; ++channel) {
        for (int y = 0; y < g->in_height; ++y) {
            mcu_nas_copy(plane + (y + g->padding) * width + g->padding, input, g->in_width);
            input += g->in_width;
        }
        const float multiplier = mcu_nas_multiplier(q, channel);
        const int32_t start = bias[channel] - q->input_zero_point *
                                                  mcu_nas_sum_of_weights(weights, kernel * kernel);
        for (int y = 0; y < g->out_height; ++y) {
            const int8_t *row = plane + y * stride * width;
            int x = 0;
            for (; x + 4 <= g->out_width; x += 4) {
                mcu_nas_depthwise_outputs(row + x * stride, output + x, weights, start, multiplier,
                                          q->output_zero_point, width, stride, kernel, 4);
            }
            for (; x < g->out_width; ++x) {
                mcu_nas_depthwise_outputs(row + x * stride, output + x, weights, start, multiplier,
                                          q->output_zero_point, width, stride, kernel, 1);
            }
            output += g->out_width;
        }
        weights += kernel * kernel;
    }
}

/*
 * Depthwise convolution, one weight plane per channel. Each input plane is first copied into `plane`,
 * with a border of zero points, (in_height + 2 padding) x (in_width + 2 padding) bytes: there are no
 * borders to test for, and the output may overwrite the input (both may start at the same address).
 */
#define MCU_NAS_DEPTHWISE(kernel, stride)                                                          \
    static MCU_NAS_ONCE void mcu_nas_depthwise_##kernel##x##kernel##s##stride( \
        const int8_t *input, int8_t *output, const int8_t *weights, const int32_t *bias,           \
        const mcu_nas_quantisation *q, int channels, const mcu_nas_geometry *g, int8_t *plane) {   \
        mcu_nas_depthwise_planes(input, output, weights, bias, q, channels, g, plane, kernel,      \
                                 stride);                                                          \
    }

/* Convolution of any kernel, over all input channels. */
static MCU_NAS_ONCE void mcu_nas_convolution(
    const int8_t *input, int8_t *output, const int8_t *weights, const int32_t *bias,
    const mcu_nas_quantisation *q, int in_channels, int out_channels, int kernel,
    const mcu_nas_geometry *g) {
    for (int channel = 0; channel < out_channels; ++channel) {
        const float multiplier = mcu_nas_multiplier(q, channel);
        for (int y = 0; y < g->out_height; ++y) {
            const int top = y * g->stride - g->padding;
            const int first_row = top < 0 ? -top : 0;
            const int end_row = top + kernel > g->in_height ? g->in_height - top : kernel;
            for (int x = 0; x < g->out_width; ++x) {
                const int left = x * g->stride - g->padding;
                const int first = left < 0 ? -left : 0;
                const int end = left + kernel > g->in_width ? g->in_width - left : kernel;
                int32_t sum = bias[channel];
                for (int c = 0; c < in_channels; ++c) {
                    for (int ky = first_row; ky < end_row; ++ky) {
                        const int8_t *row = input + (c * g->in_height + top + ky) * g->in_width;
                        const int8_t *weight = weights + (c * kernel + ky) * kernel;
                        for (int kx = first; kx < end; ++kx) {
                            sum += (row[left + kx] - q->input_zero_point) * weight[kx];
                        }
                    }
                }
                *output++ = mcu_nas_requantise(sum, multiplier, q->output_zero_point);
            }
        }
        weights += in_channels * kernel * kernel;
    }
}

#endif
