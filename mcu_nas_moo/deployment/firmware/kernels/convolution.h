/*
 * Quantised convolutions and dense layers.
 *
 * Numbers are those of QLinearConv and QGemm as onnxruntime computes them: int32 sums, one float32
 * scale per output channel, rounding to nearest with ties to even, saturation to int8. Integer sums
 * may be taken in any order, so the loops are arranged for few instructions. Weights have zero
 * point 0; each output channel's lie together, in the order of the inputs that they belong to.
 */
#ifndef MCU_NAS_CONVOLUTION_H
#define MCU_NAS_CONVOLUTION_H

#include "kernel.h"
#include "simd.h"

/*
 * What turns sums into outputs. Computed before the program is built: `multipliers` are input scale *
 * weight scale / output scale, and biases hold what the input's zero point adds to each sum.
 */
typedef struct {
    const int32_t *biases;    /* one per output channel */
    const float *multipliers; /* one per output channel */
    int32_t input_zero_point; /* what borders are padded with */
    int32_t output_zero_point;
} mcu_nas_quantisation;

static inline int8_t mcu_nas_requantise(int32_t sum, float multiplier, int32_t zero_point) {
    return mcu_nas_quantise((float)sum * multiplier, zero_point);
}

/* Geometry of a convolution; of one dimension if the heights are 1. */
typedef struct {
    int16_t in_height, in_width, out_height, out_width, kernel_height, kernel_width;
    int16_t stride_y, stride_x, dilation_y, dilation_x, top, left; /* top, left: padding */
} mcu_nas_geometry;

static inline int32_t mcu_nas_dot_product(int32_t sum, const int8_t *a, const int8_t *b, int count) {
    const int8_t *const end = a + count;
#if MCU_NAS_SIMD
    const int8_t *const fours = a + (count & ~3);
    while (a != fours) {
        const uint32_t four = mcu_nas_four(a), other = mcu_nas_four(b);
        a += 4;
        b += 4;
        sum = mcu_nas_add_products(sum, mcu_nas_even_bytes(four), mcu_nas_even_bytes(other));
        sum = mcu_nas_add_products(sum, mcu_nas_odd_bytes(four), mcu_nas_odd_bytes(other));
        MCU_NAS_OPAQUE(a);
    }
#endif
    while (a != end) {
        sum += *a++ * *b++;
        MCU_NAS_OPAQUE(a);
    }
    return sum;
}

/* Dense layer. */
static MCU_NAS_ONCE void mcu_nas_dense(const int8_t *input, int8_t *output, const int8_t *weights,
                                  const mcu_nas_quantisation *q, int inputs, int outputs) {
    for (int channel = 0; channel < outputs; ++channel) {
        const int32_t sum = mcu_nas_dot_product(q->biases[channel], weights, input, inputs);
        output[channel] = mcu_nas_requantise(sum, q->multipliers[channel], q->output_zero_point);
        weights += inputs;
    }
}

/*
 * The values that four neighbouring outputs of a convolution are sums of: four columns of `taps`.
 *
 * With SIMD, two of them stand in each word as int16: values t and t + 2 of columns 0 to 3, then
 * values t + 1 and t + 3, for t = 0, 4, ... This is the order in which a word of four weights comes
 * apart. What fills up the last eight words does not matter: it meets weights of 0.
 */
#if MCU_NAS_SIMD

typedef uint32_t mcu_nas_columns;
#define MCU_NAS_COLUMN_BYTES 8 /* for each value */

/* Where columns begin in a scratch of 3 bytes more: pairs of registers are loaded from whole words. */
static inline mcu_nas_columns *mcu_nas_columns_in(int8_t *scratch) {
    return (mcu_nas_columns *)(((uintptr_t)scratch + 3) & ~(uintptr_t)3);
}

/* Eight words of columns times four weights, added to the sums of the columns. */
MCU_NAS_INLINE void mcu_nas_add_columns(const mcu_nas_columns *x, uint32_t weights,
                                        int32_t sums[4]) {
    uint32_t even = mcu_nas_even_bytes(weights), odd = mcu_nas_odd_bytes(weights);
#if defined(__ARM_FEATURE_SIMD32)
    uint32_t a, b;
    __asm__("ldrd %[a], %[b], [%[x]]\n\t"
            "smlad %[s0], %[a], %[even], %[s0]\n\t"
            "smlad %[s1], %[b], %[even], %[s1]\n\t"
            "ldrd %[a], %[b], [%[x], #8]\n\t"
            "smlad %[s2], %[a], %[even], %[s2]\n\t"
            "smlad %[s3], %[b], %[even], %[s3]\n\t"
            "ldrd %[a], %[b], [%[x], #16]\n\t"
            "smlad %[s0], %[a], %[odd], %[s0]\n\t"
            "smlad %[s1], %[b], %[odd], %[s1]\n\t"
            "ldrd %[a], %[b], [%[x], #24]\n\t"
            "smlad %[s2], %[a], %[odd], %[s2]\n\t"
            "smlad %[s3], %[b], %[odd], %[s3]"
            : [s0] "+r"(sums[0]), [s1] "+r"(sums[1]), [s2] "+r"(sums[2]), [s3] "+r"(sums[3]),
              [a] "=&r"(a), [b] "=&r"(b)
            : [x] "r"(x), [even] "r"(even), [odd] "r"(odd), "m"(*(const uint32_t(*)[8])x));
#else
    for (int i = 0; i < 4; ++i) {
        sums[i] = mcu_nas_add_products(sums[i], x[i], even);
        sums[i] = mcu_nas_add_products(sums[i], x[4 + i], odd);
    }
#endif
}

/* `count` outputs, 1 or 4, of each channel. */
static MCU_NAS_ONCE void mcu_nas_multiply_columns(const mcu_nas_columns *columns, int8_t *output,
                                             int output_stride, const int8_t *weights,
                                             const mcu_nas_quantisation *q, int first, int end,
                                             int taps, int count) {
    const int32_t zero_point = q->output_zero_point;
    const int32_t *bias = q->biases + first, *const last = q->biases + end;
    const float *multipliers = q->multipliers + first;
    while (bias != last) {
        const int32_t start = *bias++;
        int32_t sums[4] = {start, start, start, start};
        const int8_t *const fours = weights + (taps & ~3);
        const mcu_nas_columns *x = columns;
        while (weights != fours) {
            mcu_nas_add_columns(x, mcu_nas_four(weights), sums);
            weights += 4;
            x += 8;
            MCU_NAS_OPAQUE(weights);
            MCU_NAS_OPAQUE(x);
        }
        if (taps & 3) {
            uint32_t few = (uint8_t)*weights++;
            if (taps & 2) {
                few |= (uint32_t)(uint8_t)*weights++ << 8;
                if (taps & 1) {
                    few |= (uint32_t)(uint8_t)*weights++ << 16;
                }
            }
            mcu_nas_add_columns(x, few, sums);
        }
        const float multiplier = *multipliers++;
        output[0] = mcu_nas_requantise(sums[0], multiplier, zero_point);
        if (count == 4) {
            output[1] = mcu_nas_requantise(sums[1], multiplier, zero_point);
            output[2] = mcu_nas_requantise(sums[2], multiplier, zero_point);
            output[3] = mcu_nas_requantise(sums[3], multiplier, zero_point);
        }
        output += output_stride;
    }
}

MCU_NAS_INLINE void mcu_nas_set_columns(mcu_nas_columns *x, uint32_t a, uint32_t b, uint32_t c,
                                        uint32_t d) {
    const uint32_t ac01 = mcu_nas_low_halves(a, c), ac23 = mcu_nas_high_halves(a, c);
    const uint32_t bd01 = mcu_nas_low_halves(b, d), bd23 = mcu_nas_high_halves(b, d);
    x[0] = mcu_nas_even_bytes(ac01);
    x[1] = mcu_nas_odd_bytes(ac01);
    x[2] = mcu_nas_even_bytes(ac23);
    x[3] = mcu_nas_odd_bytes(ac23);
    x[4] = mcu_nas_even_bytes(bd01);
    x[5] = mcu_nas_odd_bytes(bd01);
    x[6] = mcu_nas_even_bytes(bd23);
    x[7] = mcu_nas_odd_bytes(bd23);
}

/* Columns of four neighbouring pixels of all channels. */
static inline void mcu_nas_pixel_columns(const int8_t *input, int pixels, int channels,
                                         mcu_nas_columns *x) {
    for (int left = channels >> 2; left > 0; --left) {
        const uint32_t a = mcu_nas_four(input), b = mcu_nas_four(input + pixels);
        input += 2 * pixels;
        const uint32_t c = mcu_nas_four(input), d = mcu_nas_four(input + pixels);
        input += 2 * pixels;
        mcu_nas_set_columns(x, a, b, c, d);
        x += 8;
        MCU_NAS_OPAQUE(input);
        MCU_NAS_OPAQUE(x);
    }
    if (channels & 3) {
        const uint32_t a = mcu_nas_four(input);
        const uint32_t b = channels & 2 ? mcu_nas_four(input + pixels) : 0;
        const uint32_t c = (channels & 3) == 3 ? mcu_nas_four(input + 2 * pixels) : 0;
        mcu_nas_set_columns(x, a, b, c, 0);
    }
}

/* Puts one column of int8 into its place among the four. */
static inline void mcu_nas_set_column(mcu_nas_columns *x, int column, const int8_t *taps,
                                      int count) {
    x += column;
    for (int left = (count + 3) >> 2; left > 0; --left) {
        const uint32_t four = mcu_nas_four(taps);
        x[0] = mcu_nas_even_bytes(four);
        x[4] = mcu_nas_odd_bytes(four);
        taps += 4;
        x += 8;
        MCU_NAS_OPAQUE(taps);
        MCU_NAS_OPAQUE(x);
    }
}

/*
 * 1x1 convolution of four pixels or more, stride 1. `scratch` has 3 bytes, and 32 for every four
 * channels.
 */
static MCU_NAS_ONCE void mcu_nas_pointwise(const int8_t *input, int8_t *output, const int8_t *weights,
                                      const mcu_nas_quantisation *q, int channels, int outputs,
                                      int pixels, int8_t *scratch) {
    mcu_nas_columns *const columns = mcu_nas_columns_in(scratch);
    int pixel = 0;
    while (pixel < pixels) {
        pixel = pixel > pixels - 4 ? pixels - 4 : pixel; /* the last may be computed twice */
        mcu_nas_pixel_columns(input + pixel, pixels, channels, columns);
        mcu_nas_multiply_columns(columns, output + pixel, pixels, weights, q, 0, outputs, channels,
                                 4);
        pixel += 4;
    }
}

#else

/* Value t of column i stands at 4 t + i. */
typedef int8_t mcu_nas_columns;
#define MCU_NAS_COLUMN_BYTES 4

static inline mcu_nas_columns *mcu_nas_columns_in(int8_t *scratch) { return scratch; }

/* `count` neighbouring pixels, 1 or 4, of one channel; `stride` from one value to the next. */
MCU_NAS_INLINE void mcu_nas_pixels(const int8_t *input, int stride, int8_t *output,
                                   const int8_t *weights, int32_t start, float multiplier,
                                   int32_t zero_point, int taps, int count) {
    int32_t sums[4] = {start, start, start, start};
    const int8_t *const end = weights + taps;
    while (weights != end) {
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
        input += stride;
    }
    for (int i = 0; i < count; ++i) {
        output[i] = mcu_nas_requantise(sums[i], multiplier, zero_point);
    }
}

static MCU_NAS_ONCE void mcu_nas_multiply_columns(const mcu_nas_columns *columns, int8_t *output,
                                             int output_stride, const int8_t *weights,
                                             const mcu_nas_quantisation *q, int first, int end,
                                             int taps, int count) {
    for (int channel = first; channel < end; ++channel) {
        const int32_t bias = q->biases[channel];
        const float multiplier = q->multipliers[channel];
        if (count == 4) {
            mcu_nas_pixels(columns, 4, output, weights, bias, multiplier, q->output_zero_point,
                           taps, 4);
        } else {
            mcu_nas_pixels(columns, 4, output, weights, bias, multiplier, q->output_zero_point,
                           taps, 1);
        }
        weights += taps;
        output += output_stride;
    }
}

static inline void mcu_nas_set_column(mcu_nas_columns *x, int column, const int8_t *taps,
                                      int count) {
    x += column;
    for (int i = 0; i < count; ++i) {
        x[4 * i] = taps[i];
    }
}

/* 1x1 convolution of four pixels or more, stride 1. No scratch is needed. */
static MCU_NAS_ONCE void mcu_nas_pointwise(const int8_t *input, int8_t *output, const int8_t *weights,
                                      const mcu_nas_quantisation *q, int channels, int outputs,
                                      int pixels, int8_t *scratch) {
    (void)scratch;
    for (int channel = 0; channel < outputs; ++channel) {
        int pixel = 0;
        while (pixel < pixels) {
            pixel = pixel > pixels - 4 ? pixels - 4 : pixel; /* the last may be computed twice */
            mcu_nas_pixels(input + pixel, pixels, output + pixel, weights, q->biases[channel],
                           q->multipliers[channel], q->output_zero_point, channels, 4);
            pixel += 4;
        }
        weights += channels;
        output += pixels;
    }
}

#endif

/*
 * The values that one output is a sum of, over `channels` planes, in the order of the weights; what
 * lies outside a plane is `zero_point`. The kernel begins at (top, left), maybe outside.
 */
static inline void mcu_nas_gather(const int8_t *input, int8_t *values,
                                     const mcu_nas_geometry *g, int channels, int top, int left,
                                     int8_t zero_point) {
    const int right = left + (g->kernel_width - 1) * g->dilation_x;
    const int whole_rows = left >= 0 && right < g->in_width;
    for (int channel = 0; channel < channels; ++channel) {
        int y = top;
        for (int ky = 0; ky < g->kernel_height; ++ky) {
            const int8_t *const row = input + y * g->in_width;
            if (y < 0 || y >= g->in_height) {
                for (int kx = 0; kx < g->kernel_width; ++kx) {
                    *values++ = zero_point;
                    MCU_NAS_OPAQUE(values);
                }
            } else if (whole_rows) {
                for (int x = left; x <= right; x += g->dilation_x) {
                    *values++ = row[x];
                    MCU_NAS_OPAQUE(values);
                }
            } else {
                for (int x = left; x <= right; x += g->dilation_x) {
                    *values++ = x >= 0 && x < g->in_width ? row[x] : zero_point;
                    MCU_NAS_OPAQUE(values);
                }
            }
            y += g->dilation_y;
        }
        input += g->in_height * g->in_width;
    }
}

/*
 * Convolution of any kernel, stride, dilation, padding and number of groups, of `channels` inputs
 * and `outputs` outputs each. `scratch` has 3 bytes, and 36 for every four values of a sum.
 */
static MCU_NAS_ONCE void mcu_nas_convolution(const int8_t *input, int8_t *output, const int8_t *weights,
                                        const mcu_nas_quantisation *q, int groups, int channels,
                                        int outputs, const mcu_nas_geometry *g, int8_t *scratch) {
    const int pixels = g->out_height * g->out_width;
    const int taps = channels * g->kernel_height * g->kernel_width;
    mcu_nas_columns *const columns = mcu_nas_columns_in(scratch);
    int8_t *const column = (int8_t *)columns + ((taps + 3) & ~3) * MCU_NAS_COLUMN_BYTES;
    for (int group = 0; group < groups; ++group) {
        int top = -g->top, left = -g->left, row_end = g->out_width;
        for (int pixel = 0; pixel < pixels;) {
            const int count = pixels - pixel < 4 ? 1 : 4;
            for (int i = 0; i < count; ++i) {
                mcu_nas_gather(input, column, g, channels, top, left, (int8_t)q->input_zero_point);
                mcu_nas_set_column(columns, i, column, taps);
                left += g->stride_x;
                if (pixel + i + 1 == row_end) {
                    row_end += g->out_width;
                    left = -g->left;
                    top += g->stride_y;
                }
            }
            mcu_nas_multiply_columns(columns, output + pixel, pixels, weights, q, group * outputs,
                                     (group + 1) * outputs, taps, count);
            pixel += count;
        }
        input += channels * g->in_height * g->in_width;
        weights += outputs * taps;
        output += outputs * pixels;
    }
}

#endif
