/* SPDX-License-Identifier: Apache-2.0 */
/* The program's side of the host-target interface of Spike; the host's side is sw/console.py. */
#include "host.h"

#include <d1.h>
#include <stdlib.h>

/* System calls, and the exit code of a program that is aborted, as Linux has them. */
enum { WRITE = 64, ABORTED = 128 + 6 };

__attribute__((section(".tohost"), aligned(64))) volatile uint64_t tohost;
__attribute__((section(".tohost"), aligned(64))) volatile uint64_t fromhost;

/*
 * There is one tohost per node, so threads take turns. Memory operations of a thread take effect in order and there are no atomic
 * ones, which is what Lamport's bakery is for: a thread draws a number above all others, and waits for those with lower ones.
 */
static volatile uint32_t tickets[D1_THREADS];
static volatile uint32_t drawing[D1_THREADS];

static void enter(unsigned self)
{
    uint32_t highest = 0;

    drawing[self] = 1;
    for (unsigned other = 0; other < D1_THREADS; other++)
        if (tickets[other] > highest)
            highest = tickets[other];
    tickets[self] = highest + 1;
    drawing[self] = 0;
    for (unsigned other = 0; other < D1_THREADS; other++) {
        while (drawing[other])
            ;
        /* Two threads may have drawn the same number. */
        while (tickets[other] != 0 && (tickets[other] < tickets[self] || (tickets[other] == tickets[self] && other < self)))
            ;
    }
}

static void leave(unsigned self)
{
    tickets[self] = 0;
}

void d1_host_write(int descriptor, const char *text, size_t length)
{
    static volatile uint64_t call[8] D1_ALIGNED;
    unsigned self = d1_thread();

    enter(self);
    call[0] = WRITE;
    call[1] = (uint64_t)descriptor;
    call[2] = (uint64_t)text;
    call[3] = length;
    /* The text is in memory before the host is told of it. */
    __asm__ volatile("" : : : "memory");
    tohost = (uint64_t)call;
    while (fromhost == 0)
        ;
    fromhost = 0;
    leave(self);
}

void exit(int code)
{
    /* What other threads are writing is written. */
    enter(d1_thread());
    tohost = (uint64_t)(uint32_t)code << 1 | 1;
    for (;;)
        ;
}

void abort(void)
{
    exit(ABORTED);
}
