/*
 * The few functions of math.h that generated code calls, without a library. Rounding is to nearest
 * with ties to even, the mode that processors start in.
 */
#ifndef MCU_NAS_MATH_H
#define MCU_NAS_MATH_H

#include <stdint.h>

/* Nearest integer; of values beyond +-2^22 only the sign and that they are large is kept. */
static inline int32_t mcu_nas_round(float value) {
#if defined(__ARM_FP) && (__ARM_FP & 4)
    /* Rounds in the current mode and saturates, in one instruction. */
    float rounded;
    int32_t integer;
    __asm__("vcvtr.s32.f32 %0, %1" : "=t"(rounded) : "t"(value));
    __builtin_memcpy(&integer, &rounded, sizeof integer);
    return integer;
#else
    /* Adding 1.5 * 2^23 leaves no bits for the fraction. */
    const float shift = 12582912.0f;
    if (value > 4194304.0f) {
        return 4194304;
    }
    if (value < -4194304.0f) {
        return -4194304;
    }
    return (int32_t)((value + shift) - shift);
#endif
}

/* a * b + c, rounded once. */
static inline float mcu_nas_fma(float a, float b, float c) {
#if defined(__ARM_FP) && (__ARM_FP & 4)
    return __builtin_fmaf(a, b, c);
#else
    /* The product is exact in double. The sum is rounded to odd, so that rounding it again to float
       does no harm: Boldo and Melquiond, IEEE Transactions on Computers 57 (2008). */
    const double product = (double)a * (double)b;
    double sum = product + (double)c;
    const double back = sum - product;
    const double lost = (product - (sum - back)) + ((double)c - back);
    if (lost != 0.0) {
        uint64_t bits;
        __builtin_memcpy(&bits, &sum, sizeof bits);
        if ((bits & 1u) == 0) {
            bits += (lost > 0.0) == (sum > 0.0) ? 1u : UINT64_MAX;
        }
        __builtin_memcpy(&sum, &bits, sizeof sum);
    }
    return (float)sum;
#endif
}

static inline float fmaxf(float a, float b) { return a > b ? a : b; }
static inline float fminf(float a, float b) { return a < b ? a : b; }

/* For values within the range of int32. */
static inline float nearbyintf(float value) { return (float)mcu_nas_round(value); }

static inline double nearbyint(double value) {
    const double shift = 6755399441055744.0; /* 1.5 * 2^52 */
    return value > 2251799813685248.0 || value < -2251799813685248.0 ? value
                                                                     : (value + shift) - shift;
}

static inline long long llrint(double value) { return (long long)nearbyint(value); }

#endif
