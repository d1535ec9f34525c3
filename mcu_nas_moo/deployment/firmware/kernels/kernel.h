/*
 * What the kernels share. All of them work on int8 tensors in NCHW layout, for one image. Rounding is
 * to nearest with ties to even, the mode that processors start in.
 */
#ifndef MCU_NAS_KERNEL_H
#define MCU_NAS_KERNEL_H

#include <stddef.h>
#include <stdint.h>

/*
 * One copy of a function that knows nothing of its callers: it takes the same instructions in every
 * network. clang has no word for it; of a function that is `used`, it does not know all callers.
 */
#if defined(__clang__)
#define MCU_NAS_ONCE __attribute__((noinline, noduplicate, used))
#else
#define MCU_NAS_ONCE __attribute__((noipa, unused))
#endif

#define MCU_NAS_INLINE static inline __attribute__((always_inline))

/* Hides from the optimiser what becomes of a pointer in a loop. It would keep more pointers than
   there are registers, add a copy of the loop for strides of 1, or unroll it. */
#define MCU_NAS_OPAQUE(pointer) __asm__("" : "+r"(pointer))

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
    /* clang would call a function for the builtin. */
    __asm__("vfma.f32 %0, %1, %2" : "+t"(c) : "t"(a), "t"(b));
    return c;
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

/* The int8 number of a value that is in steps of its scale, zero point not yet added. */
static inline int8_t mcu_nas_quantise(float value, int32_t zero_point) {
    int32_t rounded = mcu_nas_round(value);
#if defined(__ARM_FEATURE_DSP)
    /* A sum that saturates at int32, then at int8. */
    __asm__("qadd %0, %1, %2" : "=r"(rounded) : "r"(rounded), "r"(zero_point));
    __asm__("ssat %0, #8, %1" : "=r"(rounded) : "r"(rounded));
    return (int8_t)rounded;
#else
    const int32_t lowest = INT8_MIN - zero_point, highest = INT8_MAX - zero_point;
    rounded = rounded < lowest ? lowest : rounded;
    rounded = rounded > highest ? highest : rounded;
    return (int8_t)(rounded + zero_point);
#endif
}

static inline void mcu_nas_copy(int8_t *to, const int8_t *from, int count) {
    int i = 0;
#if defined(__ARM_FEATURE_UNALIGNED)
    for (; i + 4 <= count; i += 4) {
        __builtin_memcpy(to + i, from + i, 4); /* one load and one store */
    }
#endif
    for (; i < count; ++i) {
        to[i] = from[i];
    }
}

#endif
