/* Runs a network of mcu_nas.h on many images under an emulator, with files of the host.
 *
 * Files, by Arm semihosting (BKPT 0xAB), in the emulator's current folder:
 *   in.bin     images one after the other, each MCU_NAS_INPUT_SIZE bytes: rows of RGB, uint8
 *   out.bin    for each image, MCU_NAS_OUTPUT_SIZE bytes: the int8 outputs
 *   stats.bin  struct statistics below, little-endian
 * Exit codes: 0 done, 2 in.bin cannot be read, 3 it ends within an image, 4 a file cannot be
 * written, 5 the stack reached .bss, 99 a fault of the processor (its registers are said on the console before).
 *
 * Time is told by SysTick. QEMU with -icount shift=0 lets every instruction take 1 ns, so ticks count
 * instructions, the same ones in every run. An emulator without SysTick leaves the ticks at 0.
 *
 * Semihosting: https://github.com/ARM-software/abi-aa/blob/main/semihosting/semihosting.rst
 */
#include <stddef.h>
#include <stdint.h>

#include "mcu_nas.h"

#define STACK_PAINT 0xC5C5C5C5u
#define CALIBRATION_LOOPS 4000000u
#define INSTRUCTIONS_PER_LOOP 2u

enum { SYS_OPEN = 0x01, SYS_CLOSE = 0x02, SYS_WRITE0 = 0x04, SYS_WRITE = 0x05, SYS_READ = 0x06,
       SYS_EXIT_EXTENDED = 0x20 };
enum { MODE_READ = 1, MODE_WRITE = 5 }; /* "rb" and "wb" of fopen */
enum { NO_INPUT = 2, INCOMPLETE_IMAGE = 3, NOT_WRITTEN = 4, STACK_OVERFLOW = 5, FAULT = 99 };
#define ADP_STOPPED_APPLICATION_EXIT 0x20026u

/* Configuration and Control Register; its bit makes a core trap unaligned accesses. */
#define CCR (*(volatile uint32_t *)0xE000ED14u)
#define CCR_UNALIGN_TRP 8u
#define SYST_CSR (*(volatile uint32_t *)0xE000E010u)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014u)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018u)
#define SYST_PERIOD 0x1000000u /* 24 bits */
#define SYST_RUN 7u            /* processor clock, interrupt at 0, enabled */

/* Fields of 8 bytes come first, so that there are no gaps. */
struct statistics {
    uint64_t first_ticks;   /* of mcu_nas_run on the first image */
    uint64_t total_ticks;   /* of mcu_nas_run on all images */
    uint64_t most_ticks;    /* of mcu_nas_run on one image */
    uint32_t magic;         /* "MNV1" */
    uint32_t images;        /* done */
    uint32_t input_size;    /* bytes per image */
    uint32_t output_size;   /* bytes per output */
    uint32_t stack_bytes;   /* deepest, by painting; main and start-up included */
    uint32_t stack_room;    /* bytes between .bss and the top of the stack */
    uint32_t calibration_instructions;
    uint32_t calibration_ticks;
    uint32_t wraps;         /* of SysTick during mcu_nas_run, over all images */
    uint32_t reserved;
};

extern uint32_t _stack_top[], _stack_limit[];

static struct statistics statistics = {.magic = 0x31564E4Du};
/* A row at a time, so that this program needs hardly more memory than an application. */
static uint8_t row[MCU_NAS_INPUT_WIDTH * MCU_NAS_INPUT_CHANNELS];
static volatile uint32_t wraps;

/* mcu_nas.h declares what runs; everything below serves the emulator only. */

static __attribute__((noinline)) int32_t semihosting(uint32_t operation, const void *argument) {
    register uint32_t r0 __asm("r0") = operation;
    register const void *r1 __asm("r1") = argument;
    __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return (int32_t)r0;
}

static void leave(uint32_t code) {
    const uint32_t arguments[] = {ADP_STOPPED_APPLICATION_EXIT, code};
    semihosting(SYS_EXIT_EXTENDED, arguments);
    for (;;) {
    }
}

static int32_t open_file(const char *name, uint32_t length, uint32_t mode) {
    const uint32_t arguments[] = {(uint32_t)(uintptr_t)name, mode, length};
    return semihosting(SYS_OPEN, arguments);
}

/* Bytes that were not read. */
static uint32_t read_file(int32_t file, void *to, uint32_t size) {
    const uint32_t arguments[] = {(uint32_t)file, (uint32_t)(uintptr_t)to, size};
    return (uint32_t)semihosting(SYS_READ, arguments);
}

static void write_file(int32_t file, const void *from, uint32_t size) {
    const uint32_t arguments[] = {(uint32_t)file, (uint32_t)(uintptr_t)from, size};
    if (semihosting(SYS_WRITE, arguments) != 0) {
        leave(NOT_WRITTEN);
    }
}

/* Whether there is one; a part of one is an error. */
static int32_t read_image(int32_t file) {
    for (int y = 0; y < MCU_NAS_INPUT_HEIGHT; y++) {
        const uint32_t missing = read_file(file, row, sizeof row);
        if (y == 0 && missing == sizeof row) {
            return 0;
        }
        if (missing != 0) {
            leave(INCOMPLETE_IMAGE);
        }
        mcu_nas_set_row(y, row);
    }
    return 1;
}

static void close_file(int32_t file) {
    const uint32_t arguments[] = {(uint32_t)file};
    semihosting(SYS_CLOSE, arguments);
}

/* Takes over from the weak handler of startup.c. */
void SysTick_Handler(void) {
    wraps++;
}

static __attribute__((noinline)) void spin(uint32_t loops) {
    /* Written out, because a compiler may choose another number of instructions. */
    __asm volatile(".syntax unified\n\t.balign 4\n1:\n\tsubs %0, #1\n\tbne 1b" : "+l"(loops) : : "cc");
}

/* Start counting down from the full period. */
static uint32_t start_ticks(void) {
    SYST_CSR = 0;
    SYST_RVR = SYST_PERIOD - 1u;
    SYST_CVR = 0;
    wraps = 0;
    SYST_CSR = SYST_RUN;
    spin(200); /* the counter takes up its period at the next tick */
    return SYST_CVR;
}

static uint64_t ticks_since(uint32_t start) {
    uint32_t wraps_before, now;
    do { /* again if the counter went through 0 between the two readings */
        wraps_before = wraps;
        now = SYST_CVR;
        __asm volatile("isb" ::: "memory"); /* an exception that is pending comes now */
    } while (wraps_before != wraps);
    SYST_CSR = 0;
    return (uint64_t)wraps_before * SYST_PERIOD + start - now;
}

/* Bytes of the stack that were used at some time. */
static uint32_t deepest_stack(void) {
    const volatile uint32_t *word = _stack_limit;
    while (word < _stack_top && *word == STACK_PAINT) {
        word++;
    }
    return (uint32_t)((uintptr_t)_stack_top - (uintptr_t)word);
}

static void paint_unused_stack(void) {
    uint32_t *stack_pointer;
    __asm volatile("mov %0, sp" : "=r"(stack_pointer));
    for (volatile uint32_t *word = _stack_limit; word < stack_pointer; word++) {
        *word = STACK_PAINT;
    }
}

int main(void) {
#if defined(__ARM_ARCH_6M__)
    CCR |= CCR_UNALIGN_TRP; /* as every Armv6-M core does, also on the larger one that stands in */
#endif
    uint32_t start = start_ticks();
    spin(CALIBRATION_LOOPS);
    statistics.calibration_ticks = (uint32_t)ticks_since(start);
    statistics.calibration_instructions = CALIBRATION_LOOPS * INSTRUCTIONS_PER_LOOP;
    statistics.input_size = MCU_NAS_INPUT_SIZE;
    statistics.output_size = MCU_NAS_OUTPUT_SIZE;

    const int32_t input = open_file("in.bin", 6, MODE_READ);
    if (input < 0) {
        leave(NO_INPUT);
    }
    const int32_t output = open_file("out.bin", 7, MODE_WRITE);
    if (output < 0) {
        leave(NOT_WRITTEN);
    }
    mcu_nas_init();
    while (read_image(input)) {
        start = start_ticks();
        const int8_t *logits = mcu_nas_run();
        const uint64_t ticks = ticks_since(start);
        if (*(volatile uint32_t *)_stack_limit != STACK_PAINT) {
            leave(STACK_OVERFLOW);
        }
        statistics.wraps += wraps;
        statistics.total_ticks += ticks;
        if (statistics.images == 0) {
            statistics.first_ticks = ticks;
        }
        if (ticks > statistics.most_ticks) {
            statistics.most_ticks = ticks;
        }
        statistics.images++;
        write_file(output, logits, MCU_NAS_OUTPUT_SIZE);
    }
    close_file(input);
    close_file(output);
    if (statistics.wraps != 0) {
        /* Exceptions left their frames on the stack: look again, without any. */
        paint_unused_stack();
        mcu_nas_run();
    }
    statistics.stack_bytes = deepest_stack();
    statistics.stack_room = (uint32_t)((uintptr_t)_stack_top - (uintptr_t)_stack_limit);
    const int32_t facts = open_file("stats.bin", 9, MODE_WRITE);
    if (facts < 0) {
        leave(NOT_WRITTEN);
    }
    write_file(facts, &statistics, sizeof statistics);
    close_file(facts);
    leave(0);
    return 0;
}

static char *hexadecimal(char *to, const char *label, uint32_t value) {
    while (*label) {
        *to++ = *label++;
    }
    for (int32_t shift = 28; shift >= 0; shift -= 4) {
        *to++ = "0123456789abcdef"[(value >> shift) & 15u];
    }
    return to;
}

/* What the processor stacked when it faulted: r0-r3, r12, lr, pc, xPSR. */
__attribute__((used)) void report_fault(const uint32_t *frame) {
    static char text[128];
    uint32_t status = 0, address = 0;
    status = *(volatile uint32_t *)0xE000ED28u; /* CFSR; 0 on Armv6-M, which has none */
    if (status & 0x80u) {
        address = *(volatile uint32_t *)0xE000ED34u; /* MMFAR holds an address */
    } else if (status & 0x8000u) {
        address = *(volatile uint32_t *)0xE000ED38u; /* BFAR holds an address */
    }
    char *end = hexadecimal(text, "fault pc=0x", frame[6]);
    end = hexadecimal(end, " lr=0x", frame[5]);
    end = hexadecimal(end, " status=0x", status);
    end = hexadecimal(end, " address=0x", address);
    *end++ = '\n';
    *end = 0;
    semihosting(SYS_WRITE0, text);
    leave(FAULT);
}

/* Armv6-M instructions only: "movs", "bl" and "mrs" exist on every Cortex-M. */
__attribute__((naked)) void HardFault_Handler(void) {
    __asm volatile("mrs r0, msp\n\tbl report_fault");
}
