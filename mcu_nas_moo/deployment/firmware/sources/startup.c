/* Start-up of a Cortex-M firmware: vector table, FPU, .data and .bss, painted stack.
 *
 * Everything between the end of .bss and the stack pointer is filled with STACK_PAINT before main()
 * runs, so that how deep the stack went can be read from memory afterwards. Handlers are weak: an
 * application defines those that it needs under the same names (those of CMSIS).
 */
#include <stdint.h>

#define STACK_PAINT 0xC5C5C5C5u
/* Coprocessor Access Control Register, Armv7-M and Armv8-M Architecture Reference Manuals. */
#define CPACR (*(volatile uint32_t *)0xE000ED88u)

extern uint32_t _stack_top[], _stack_limit[];
extern uint32_t _sidata[], _sdata[], _edata[], _sbss[], _ebss[];

extern int main(void);
void Reset_Handler(void);

/* An endless loop that a debugger can break into. */
void Default_Handler(void)
{
    for (;;) {
    }
}

#define WEAK __attribute__((weak, alias("Default_Handler")))
WEAK void NMI_Handler(void);
WEAK void HardFault_Handler(void);
WEAK void MemManage_Handler(void);
WEAK void BusFault_Handler(void);
WEAK void UsageFault_Handler(void);
WEAK void SecureFault_Handler(void);
WEAK void SVC_Handler(void);
WEAK void DebugMon_Handler(void);
WEAK void PendSV_Handler(void);
WEAK void SysTick_Handler(void);

/* The sixteen vectors that every Cortex-M has; interrupts of the chip's peripherals stay disabled. */
__attribute__((section(".vectors"), used)) void *const vectors[16] = {
    (void *)_stack_top,
    (void *)Reset_Handler,
    (void *)NMI_Handler,
    (void *)HardFault_Handler,
    (void *)MemManage_Handler,
    (void *)BusFault_Handler,
    (void *)UsageFault_Handler,
    (void *)SecureFault_Handler,
    0,
    0,
    0,
    (void *)SVC_Handler,
    (void *)DebugMon_Handler,
    0,
    (void *)PendSV_Handler,
    (void *)SysTick_Handler,
};

/* No floating point here, and nothing that the compiler could put on the stack: the loop below
 * writes to the very memory under the stack pointer. */
__attribute__((noreturn, used)) void Reset_Handler(void)
{
#if defined(__ARM_FP)
    CPACR |= 0xFu << 20; /* full access to CP10 and CP11, which are the FPU */
    __asm volatile("dsb\n\tisb" ::: "memory");
#endif
    /* volatile: else compilers make calls of memcpy and memset, whose frames lie in painted memory. */
    const volatile uint32_t *source = _sidata;
    for (volatile uint32_t *word = _sdata; word < _edata; word++) {
        *word = *source++;
    }
    for (volatile uint32_t *word = _sbss; word < _ebss; word++) {
        *word = 0;
    }
    uint32_t *stack_pointer;
    __asm volatile("mov %0, sp" : "=r"(stack_pointer));
    for (volatile uint32_t *word = _stack_limit; word < stack_pointer; word++) {
        *word = STACK_PAINT;
    }
    main();
    for (;;) {
    }
}
