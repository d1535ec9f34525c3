/*
 * What the kernels share. All of them work on int8 tensors in NCHW layout, for one image.
 */
#ifndef MCU_NAS_KERNEL_H
#define MCU_NAS_KERNEL_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

/* One copy of a function, whatever it is called with. */
#if defined(__clang__)
#define MCU_NAS_ONCE __attribute__((noinline, unused))
#else
#define MCU_NAS_ONCE __attribute__((noinline, noclone, unused))
#endif

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
