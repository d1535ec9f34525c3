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

/* Windows of a pooling; those that reach over a border are cut off there. */
typedef struct {
    int channels, in_height, in_width, out_height, out_width;
    int height, width, stride_y, stride_x, top, left;
} mcu_nas_windows;

typedef struct {
    int first, end;
} mcu_nas_range;

static inline mcu_nas_range mcu_nas_inside(int start, int size, int limit) {
    const int end = start + size;
    const mcu_nas_range range = {start < 0 ? 0 : start, end > limit ? limit : end};
    return range;
}

static MCU_NAS_ONCE void mcu_nas_max_pool(const int8_t *input, int8_t *output,
                                          const mcu_nas_windows *w) {
    for (int channel = 0; channel < w->channels; ++channel) {
        for (int y = 0; y < w->out_height; ++y) {
            const mcu_nas_range rows = mcu_nas_inside(y * w->stride_y - w->top, w->height, w->in_height);
            for (int x = 0; x < w->out_width; ++x) {
                const mcu_nas_range columns =
                    mcu_nas_inside(x * w->stride_x - w->left, w->width, w->in_width);
                int32_t highest = INT8_MIN;
                for (int row = rows.first; row < rows.end; ++row) {
                    const int8_t *from = input + row * w->in_width;
                    for (int column = columns.first; column < columns.end; ++column) {
                        highest = from[column] > highest ? from[column] : highest;
                    }
                }
                *output++ = (int8_t)highest;
            }
        }
        input += w->in_height * w->in_width;
    }
}

/*
 * Means of windows, with the numbers of onnxruntime's QLinearAveragePool: values are summed in
 * float32, row by row. `area` is the number of elements that a sum is divided by, 0 for those inside.
 */
static MCU_NAS_ONCE void mcu_nas_average_pool(const int8_t *input, int8_t *output,
                                              const mcu_nas_windows *w, int area,
                                              float input_scale, int32_t input_zero_point,
                                              float output_scale, int32_t output_zero_point) {
    for (int channel = 0; channel < w->channels; ++channel) {
        for (int y = 0; y < w->out_height; ++y) {
            const mcu_nas_range rows = mcu_nas_inside(y * w->stride_y - w->top, w->height, w->in_height);
            for (int x = 0; x < w->out_width; ++x) {
                const mcu_nas_range columns =
                    mcu_nas_inside(x * w->stride_x - w->left, w->width, w->in_width);
                float sum = 0.0f;
                for (int row = rows.first; row < rows.end; ++row) {
                    const int8_t *from = input + row * w->in_width;
                    for (int column = columns.first; column < columns.end; ++column) {
                        sum += input_scale * (float)(from[column] - input_zero_point);
                    }
                }
                const int inside = (rows.end - rows.first) * (columns.end - columns.first);
                const float mean = sum / (float)(area ? area : inside);
                const int32_t rounded = mcu_nas_round(mean / output_scale + (float)output_zero_point);
                *output++ =
                    (int8_t)(rounded < INT8_MIN ? INT8_MIN : rounded > INT8_MAX ? INT8_MAX : rounded);
            }
        }
        input += w->in_height * w->in_width;
    }
}

#endif
