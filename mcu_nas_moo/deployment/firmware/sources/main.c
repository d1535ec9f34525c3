/* Example: classify what a camera sees, for ever. */
#include "mcu_nas.h"

/* Number of the class last seen, for a debugger. */
volatile int seen_class;

/* Yours: put row `y` of the next image into `rgb`, MCU_NAS_INPUT_WIDTH pixels of R, G, B. */
__attribute__((weak)) void camera_read_row(int y, uint8_t *rgb) {
    for (int i = 0; i < MCU_NAS_INPUT_WIDTH * MCU_NAS_INPUT_CHANNELS; ++i) {
        rgb[i] = (uint8_t)(y + i); /* a test pattern */
    }
}

int main(void) {
    static uint8_t row[MCU_NAS_INPUT_WIDTH * MCU_NAS_INPUT_CHANNELS];
    mcu_nas_init();
    for (;;) {
        for (int y = 0; y < MCU_NAS_INPUT_HEIGHT; ++y) {
            camera_read_row(y, row);
            mcu_nas_set_row(y, row);
        }
        seen_class = mcu_nas_class(mcu_nas_run());
    }
}
