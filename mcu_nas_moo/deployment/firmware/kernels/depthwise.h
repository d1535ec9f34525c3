/*
 * Depthwise convolutions with one weight plane per channel, of kernels and strides that are known
 * when the code is compiled. Others are mcu_nas_convolution's.
 */
#ifndef MCU_NAS_DEPTHWISE_H
#define MCU_NAS_DEPTHWISE_H

#include "convolution.h"

/*
 * With SIMD, the weights of a row are taken in pairs of int16: weights t and t + 2 together, as a
 * word of four inputs comes apart; a row of 3 is a pair and one, a row of 5 is two pairs and one.
 */
#if MCU_NAS_SIMD

typedef uint32_t mcu_nas_row_weights;
/* How many of them a row of `columns` has. */
#define MCU_NAS_ROW_WEIGHTS(columns) ((columns) / 4 * 2 + (columns) % 4 - (columns) % 4 / 3)

/* Fills `words` with the weights of one channel. */
MCU_NAS_INLINE const mcu_nas_row_weights *mcu_nas_take_weights(mcu_nas_row_weights *words,
                                                               const int8_t *weights, int rows,
                                                               int columns) {
    const mcu_nas_row_weights *const filled = words;
    for (int row = 0; row < rows; ++row) {
        for (int x = 0; x < columns; x += 4) {
            const int left = columns - x;
            *words++ = left > 2 ? mcu_nas_pair(weights[x], weights[x + 2]) : (uint32_t)weights[x];
            if (left > 3) {
                *words++ = mcu_nas_pair(weights[x + 1], weights[x + 3]);
            } else if (left > 1) {
                *words++ = (uint32_t)weights[x + 1];
            }
        }
        weights += columns;
        MCU_NAS_OPAQUE(weights);
    }
    return filled;
}

/* Inputs x and x + 2 as a pair of int16, without a load of inputs behind the last. */
MCU_NAS_INLINE uint32_t mcu_nas_inputs(const int8_t *input, int x, int last) {
    return x & 1 || x + 3 > last ? mcu_nas_odd_bytes(mcu_nas_four(input + x - 1))
                                 : mcu_nas_even_bytes(mcu_nas_four(input + x));
}

/* Weights x and x + 2 of a row times the inputs of four neighbouring outputs. */
MCU_NAS_INLINE void mcu_nas_add_pair(const int8_t *input, uint32_t pair, int32_t sums[4], int x,
                                     int stride, int last) {
    sums[0] = mcu_nas_add_products(sums[0], mcu_nas_inputs(input, x, last), pair);
    sums[1] = mcu_nas_add_products(sums[1], mcu_nas_inputs(input, x + stride, last), pair);
    sums[2] = mcu_nas_add_products(sums[2], mcu_nas_inputs(input, x + 2 * stride, last), pair);
    sums[3] = mcu_nas_add_products(sums[3], mcu_nas_inputs(input, x + 3 * stride, last), pair);
}

/* Weight x alone. Of two outputs whose inputs are 2 apart, the inputs stand in one pair. */
MCU_NAS_INLINE void mcu_nas_add_single(const int8_t *input, uint32_t weight, int32_t sums[4],
                                       int x, int stride, int last) {
    const int second = stride == 1 ? 2 : 1, other = 3 - second;
    const uint32_t inputs = mcu_nas_inputs(input, x, last);
    const uint32_t others = mcu_nas_inputs(input, x + other * stride, last);
    sums[0] = mcu_nas_add_low(sums[0], inputs, weight);
    sums[other] = mcu_nas_add_low(sums[other], others, weight);
    sums[second] = mcu_nas_add_high(sums[second], inputs, weight);
    sums[3] = mcu_nas_add_high(sums[3], others, weight);
}

/* One row of weights added to four neighbouring outputs. */
MCU_NAS_INLINE void mcu_nas_add_row(const int8_t *input, const mcu_nas_row_weights *words, int32_t sums[4],
                                    int columns, int stride) {
    const int last = 3 * stride + columns - 1;
    for (int x = 0; x < columns; x += 4) {
        const int left = columns - x;
        if (left > 2) {
            mcu_nas_add_pair(input, *words++, sums, x, stride, last);
        } else {
            mcu_nas_add_single(input, *words++, sums, x, stride, last);
        }
        if (left > 3) {
            mcu_nas_add_pair(input, *words++, sums, x + 1, stride, last);
        } else if (left > 1) {
            mcu_nas_add_single(input, *words++, sums, x + 1, stride, last);
        }
    }
    /* Nothing of the next row before this one is done: there are few registers. */
    __asm__ volatile("" : "+r"(sums[0]), "+r"(sums[1]), "+r"(sums[2]), "+r"(sums[3]));
}

#else

/* Weights as they are. */
typedef int8_t mcu_nas_row_weights;
#define MCU_NAS_ROW_WEIGHTS(columns) (columns)

MCU_NAS_INLINE const mcu_nas_row_weights *mcu_nas_take_weights(mcu_nas_row_weights *words,
                                                               const int8_t *weights, int rows,
                                                               int columns) {
    (void)words, (void)rows, (void)columns;
    return weights;
}

/* One row of weights added to four neighbouring outputs. */
MCU_NAS_INLINE void mcu_nas_add_row(const int8_t *input, const mcu_nas_row_weights *weights,
                                    int32_t sums[4], int columns, int stride) {
    for (int x = 0; x < columns; ++x) {
        const int32_t weight = weights[x];
        sums[0] += weight * input[x];
        sums[1] += weight * input[x + stride];
        sums[2] += weight * input[x + 2 * stride];
        sums[3] += weight * input[x + 3 * stride];
    }
}

#endif

/* One output. */
MCU_NAS_INLINE int32_t mcu_nas_add_window(const int8_t *input, const int8_t *weights, int32_t sum,
                                          int rows, int columns, int row_step, int step) {
    for (int row = 0; row < rows; ++row) {
        for (int x = 0; x < columns; ++x) {
            sum += *weights++ * input[x * step];
            MCU_NAS_OPAQUE(weights);
        }
        input += row_step;
        MCU_NAS_OPAQUE(input);
    }
    return sum;
}

/* A plane with a border of zero points, (height, width); what no output needs is not in it. */
typedef struct {
    int8_t *values;
    int height, width, copied_height, copied_width;
} mcu_nas_plane;

MCU_NAS_INLINE mcu_nas_plane mcu_nas_plane_of(int8_t *values, const mcu_nas_geometry *g,
                                              int32_t zero_point) {
    mcu_nas_plane plane = {values, 0, 0, g->in_height, g->in_width};
    plane.height =
        (g->out_height - 1) * g->stride_y + (g->kernel_height - 1) * g->dilation_y + 1;
    plane.width = (g->out_width - 1) * g->stride_x + (g->kernel_width - 1) * g->dilation_x + 1;
    if (plane.copied_height > plane.height - g->top) {
        plane.copied_height = plane.height - g->top;
    }
    if (plane.copied_width > plane.width - g->left) {
        plane.copied_width = plane.width - g->left;
    }
    __builtin_memset(values, (int8_t)zero_point, (size_t)(plane.height * plane.width));
    return plane;
}

static inline void mcu_nas_fill_plane(const mcu_nas_plane *plane, const int8_t *input,
                                      const mcu_nas_geometry *g) {
    int8_t *to = plane->values + g->top * plane->width + g->left;
    for (int y = 0; y < plane->copied_height; ++y) {
        mcu_nas_copy(to, input, plane->copied_width);
        to += plane->width;
        input += g->in_width;
    }
}

MCU_NAS_INLINE void mcu_nas_depthwise(const int8_t *input, int8_t *output, const int8_t *weights,
                                      const mcu_nas_quantisation *q, int channels,
                                      const mcu_nas_geometry *g, int8_t *scratch,
                                      mcu_nas_row_weights *words, int rows, int columns,
                                      int stride) {
    const mcu_nas_plane plane = mcu_nas_plane_of(scratch, g, q->input_zero_point);
    const int32_t zero_point = q->output_zero_point;
    const int out_width = g->out_width, row_step = g->stride_y * plane.width;
    for (int channel = 0; channel < channels; ++channel) {
        mcu_nas_fill_plane(&plane, input, g);
        input += g->in_height * g->in_width;
        const float multiplier = q->multipliers[channel];
        const int32_t bias = q->biases[channel];
        const mcu_nas_row_weights *const taken = mcu_nas_take_weights(words, weights, rows, columns);
        const int8_t *top = plane.values;
        for (int y = 0; y < g->out_height; ++y) {
            for (int x = 0; x < out_width && out_width < 4; ++x) {
                const int32_t sum = mcu_nas_add_window(top + x * stride, weights, bias, rows,
                                                       columns, plane.width, 1);
                output[x] = mcu_nas_requantise(sum, multiplier, zero_point);
            }
            for (int x = 0; x < out_width && out_width >= 4; x += 4) {
                x = x > out_width - 4 ? out_width - 4 : x; /* the last may be computed twice */
                const int8_t *from = top + x * stride;
                int32_t sums[4] = {bias, bias, bias, bias};
                for (int row = 0; row < rows; ++row) {
                    mcu_nas_add_row(from, taken + row * MCU_NAS_ROW_WEIGHTS(columns), sums,
                                    columns, stride);
                    from += plane.width;
                    MCU_NAS_OPAQUE(from);
                }
                for (int i = 0; i < 4; ++i) {
                    output[x + i] = mcu_nas_requantise(sums[i], multiplier, zero_point);
                }
            }
            output += out_width;
            top += row_step;
        }
        weights += rows * columns;
    }
}

/*
 * Depthwise convolution, one weight plane per channel. Each input plane is first copied into `plane`,
 * with its border: there are none to test for, and the output may overwrite the input (both may
 * start at the same address).
 */
#define MCU_NAS_DEPTHWISE(rows, columns, stride)                                                   \
    static MCU_NAS_ONCE void mcu_nas_depthwise_##rows##x##columns##s##stride(                           \
        const int8_t *input, int8_t *output, const int8_t *weights, const mcu_nas_quantisation *q, \
        int channels, const mcu_nas_geometry *g, int8_t *plane) {                                  \
        mcu_nas_row_weights words[(rows) * MCU_NAS_ROW_WEIGHTS(columns)];                          \
        mcu_nas_depthwise(input, output, weights, q, channels, g, plane, words, rows, columns,     \
                          stride);                                                                 \
    }

/* The same for any kernel, strides and dilations. */
static MCU_NAS_ONCE void mcu_nas_depthwise_any(const int8_t *input, int8_t *output,
                                          const int8_t *weights, const mcu_nas_quantisation *q,
                                          int channels, const mcu_nas_geometry *g,
                                          int8_t *scratch) {
    const mcu_nas_plane plane = mcu_nas_plane_of(scratch, g, q->input_zero_point);
    const int32_t zero_point = q->output_zero_point;
    const int row_step = g->dilation_y * plane.width;
    for (int channel = 0; channel < channels; ++channel) {
        mcu_nas_fill_plane(&plane, input, g);
        input += g->in_height * g->in_width;
        const int8_t *top = plane.values;
        for (int y = 0; y < g->out_height; ++y) {
            const int8_t *from = top;
            for (int x = 0; x < g->out_width; ++x) {
                const int32_t sum =
                    mcu_nas_add_window(from, weights, q->biases[channel], g->kernel_height,
                                       g->kernel_width, row_step, g->dilation_x);
                *output++ = mcu_nas_requantise(sum, q->multipliers[channel], zero_point);
                from += g->stride_x;
            }
            top += g->stride_y * plane.width;
        }
        weights += g->kernel_height * g->kernel_width;
    }
}

#endif
