/* SPDX-License-Identifier: Apache-2.0 */
/* What threads do from their start to their end. */
#include <d1.h>
#include <stdlib.h>

int main(int count, char **arguments);

extern char _start[];

/* What threads other than 0 are to run. */
static int (*volatile functions[D1_THREADS])(void);

/*
 * Begins thread 0. Zeros have been loaded with the rest, as an ELF file says: storing them here could destroy what another node,
 * whose main has begun sooner, has written already.
 */
__attribute__((noreturn)) void d1_run_main(void)
{
    exit(main(0, NULL));
}

/* Begins any other thread. */
__attribute__((noreturn)) void d1_run_thread(void)
{
    int (*function)(void) = functions[d1_thread()];

    d1_halt(function ? function() : 0);
}

int d1_start_thread(unsigned thread, int (*function)(void))
{
    uint64_t counter = D1_THREAD_BLOCK + thread * D1_THREAD_STRIDE + D1_THREAD_PC;

    if (thread == 0 || thread >= D1_THREADS)
        return -1;
    functions[thread] = function;
    d1_nsd(_start, d1_window(d1_x(), d1_y(), counter));
    return 0;
}
