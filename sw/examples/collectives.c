/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All nodes of an array of 2x2 add up vectors, and the first one tells the others what it thinks of it.
 * d1 cc sw/examples/collectives.c -o collectives.elf --config tiny && d1 run collectives.elf --config tiny --array 2x2
 */
#include <d1.h>
#include <d1_collectives.h>

enum { COLUMNS = 2, ROWS = 2, LINES = 3, INBOX_LINES = 2, LANES = LINES * D1_LINE_BYTES / 4 };

static d1_group_t group;
static uint8_t inbox[D1_INBOX_BYTES(INBOX_LINES)] D1_ALIGNED;
static uint32_t own[LANES] D1_ALIGNED, sum[LANES] D1_ALIGNED;
static uint8_t verdict[D1_LINE_BYTES] D1_ALIGNED;

/* 1, 2, 4 and 8 in FP32; their sum is 15. */
static uint32_t power_of_two(unsigned exponent)
{
    return (127 + exponent) << 23;
}

int main(void)
{
    if (d1_group(&group, 0, 0, COLUMNS, ROWS, inbox, INBOX_LINES) != 0)
        return 2;
    for (unsigned lane = 0; lane < LANES; lane++)
        own[lane] = power_of_two(d1_y() * COLUMNS + d1_x());
    if (d1_all_reduce_f32(&group, own, sum, LINES) != 0)
        return 3;
    if (d1_x() == 0 && d1_y() == 0) {
        verdict[0] = 1;
        for (unsigned lane = 0; lane < LANES; lane++)
            if (sum[lane] != 0x41700000)
                verdict[0] = 2;
    }
    d1_broadcast(&group, verdict, 1, 0, 0);
    d1_barrier(&group);
    return verdict[0] == 1 ? 0 : 1;
}
