/* SPDX-License-Identifier: Apache-2.0 */
/* Every thread of a node adds up its share of an array; thread 0 waits for the others, and compares with what it gets alone. */
#include <d1.h>
#include <stdio.h>

enum { NUMBERS = 1000, DONE = 0 /* semaphore */ };

static unsigned numbers[NUMBERS];
static volatile unsigned sums[D1_THREADS];

static unsigned sum_of(unsigned first, unsigned step)
{
    unsigned sum = 0;

    for (unsigned place = first; place < NUMBERS; place += step)
        sum += numbers[place];
    return sum;
}

static int add_up(void)
{
    unsigned self = d1_thread();

    sums[self] = sum_of(self, D1_THREADS);
    printf("thread %u: %u\n", self, sums[self]);
    d1_spost(DONE, 1);
    return 0;
}

int main(void)
{
    unsigned sum = 0;

    for (unsigned place = 0; place < NUMBERS; place++)
        numbers[place] = place ^ place >> 1;
    for (unsigned thread = 1; thread < D1_THREADS; thread++)
        d1_start_thread(thread, add_up);
    add_up();
    d1_swait(DONE, D1_THREADS);
    for (unsigned thread = 0; thread < D1_THREADS; thread++)
        sum += sums[thread];
    printf("sum: %u\n", sum);
    return sum != sum_of(0, 1);
}
