/* SPDX-License-Identifier: Apache-2.0 */
/* Where a program runs, how it reaches other nodes, and how it starts threads. Part of d1.h. */
#ifndef D1_NODE_H
#define D1_NODE_H

/* The thread that executes this, 0 to D1_THREADS - 1. */
static inline unsigned d1_thread(void)
{
    return d1_read_csr(D1_CSR_MHARTID) & 3;
}

/* Column of this node in the array. */
static inline unsigned d1_x(void)
{
    return d1_read_csr(D1_CSR_MNODE) >> D1_OFFSET_BITS & ((1 << D1_COORDINATE_BITS) - 1);
}

/* Row of this node in the array. */
static inline unsigned d1_y(void)
{
    return d1_read_csr(D1_CSR_MNODE) >> (D1_OFFSET_BITS + D1_COORDINATE_BITS) & ((1 << D1_COORDINATE_BITS) - 1);
}

/* Global address of an offset in the window of the node in column x, row y. */
static inline uint64_t d1_window(unsigned x, unsigned y, uint64_t offset)
{
    return offset | (uint64_t)x << D1_OFFSET_BITS | (uint64_t)y << (D1_OFFSET_BITS + D1_COORDINATE_BITS);
}

/* Global address of what lies in the SRAM of the node in column x, row y where `here` is in this one. */
static inline uint64_t d1_remote(unsigned x, unsigned y, const volatile void *here)
{
    return d1_window(x, y, (uint64_t)here - D1_SRAM_BASE);
}

/* Cycles since reset. */
static inline uint64_t d1_cycles(void)
{
    return d1_read_csr(D1_CSR_MCYCLE);
}

/*
 * Starts another thread of this node: `function` runs on the thread's own stack, and what it returns is the thread's exit code. A
 * thread that runs is moved there. Returns 0, or -1 if there is no such thread; thread 0 is the one that runs main.
 */
int d1_start_thread(unsigned thread, int (*function)(void));

#endif
