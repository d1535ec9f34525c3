/*
 * Two products at a time, on cores with the DSP extension (Cortex-M4, M7, M33, M55).
 *
 * MCU_NAS_SIMD is 1 where the compiler says that the core has it. The same steps in plain C let a
 * host run the code that is meant for these cores.
 */
#ifndef MCU_NAS_SIMD_H
#define MCU_NAS_SIMD_H

#include <stdint.h>

#if !defined(MCU_NAS_SIMD)
#if defined(__ARM_FEATURE_SIMD32) && defined(__ARM_FEATURE_UNALIGNED)
#define MCU_NAS_SIMD 1
#else
#define MCU_NAS_SIMD 0
#endif
#endif

#if MCU_NAS_SIMD

/* Four neighbouring int8, in one load from any address. */
static inline uint32_t mcu_nas_four(const int8_t *from) {
    uint32_t four;
    __builtin_memcpy(&four, from, sizeof four);
    return four;
}

static inline uint32_t mcu_nas_pair(int32_t low, int32_t high) {
    return (uint32_t)(uint16_t)low | (uint32_t)high << 16;
}

static inline int32_t mcu_nas_low(uint32_t pair) { return (int16_t)pair; }
static inline int32_t mcu_nas_high(uint32_t pair) { return (int32_t)pair >> 16; }

/* Bytes 0 and 2 as a pair of int16. */
static inline uint32_t mcu_nas_even_bytes(uint32_t four) {
#if defined(__ARM_FEATURE_SIMD32)
    uint32_t pair;
    __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(four));
    return pair;
#else
    return mcu_nas_pair((int8_t)four, (int8_t)(four >> 16));
#endif
}

/* Bytes 1 and 3 as a pair of int16. */
static inline uint32_t mcu_nas_odd_bytes(uint32_t four) {
#if defined(__ARM_FEATURE_SIMD32)
    uint32_t pair;
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(four));
    return pair;
#else
    return mcu_nas_pair((int8_t)(four >> 8), (int8_t)(four >> 24));
#endif
}

/* Bytes 0 and 1 of both words, those of `a` first. */
static inline uint32_t mcu_nas_low_halves(uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_SIMD32)
    uint32_t halves;
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(halves) : "r"(a), "r"(b));
    return halves;
#else
    return (a & 0xFFFFu) | b << 16;
#endif
}

/* Bytes 2 and 3 of both words, those of `a` first. */
static inline uint32_t mcu_nas_high_halves(uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_SIMD32)
    uint32_t halves;
    __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(halves) : "r"(b), "r"(a));
    return halves;
#else
    return a >> 16 | (b & 0xFFFF0000u);
#endif
}

/* The sum and both products of two pairs. */
static inline int32_t mcu_nas_add_products(int32_t sum, uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_SIMD32)
    int32_t total;
    __asm__("smlad %0, %1, %2, %3" : "=r"(total) : "r"(a), "r"(b), "r"(sum));
    return total;
#else
    return sum + mcu_nas_low(a) * mcu_nas_low(b) + mcu_nas_high(a) * mcu_nas_high(b);
#endif
}

/* The sum and one product: of the low half of `a`, or the high half, and the low half of `b`. */
static inline int32_t mcu_nas_add_low(int32_t sum, uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_SIMD32)
    int32_t total;
    __asm__("smlabb %0, %1, %2, %3" : "=r"(total) : "r"(a), "r"(b), "r"(sum));
    return total;
#else
    return sum + mcu_nas_low(a) * mcu_nas_low(b);
#endif
}

static inline int32_t mcu_nas_add_high(int32_t sum, uint32_t a, uint32_t b) {
#if defined(__ARM_FEATURE_SIMD32)
    int32_t total;
    __asm__("smlatb %0, %1, %2, %3" : "=r"(total) : "r"(a), "r"(b), "r"(sum));
    return total;
#else
    return sum + mcu_nas_high(a) * mcu_nas_low(b);
#endif
}

#endif
#endif
