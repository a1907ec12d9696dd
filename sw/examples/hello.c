/* SPDX-License-Identifier: Apache-2.0 */
/* Says where it runs. Compile and run it: d1 cc sw/examples/hello.c --config tiny && d1 run sw/examples/hello.elf --config tiny */
#include <d1.h>
#include <stdio.h>

int main(void)
{
    printf("Hello from row %u, column %u: %d threads, %d KiB of SRAM.\n", d1_y(), d1_x(), D1_THREADS, D1_SRAM_BYTES >> 10);
    return 0;
}
