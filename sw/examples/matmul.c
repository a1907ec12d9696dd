/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A matrix product C = A.B on one node: BF16 operands, FP32 result, with the matrix unit.
 *
 * d1 cc sw/examples/matmul.c --config tiny && d1 run sw/examples/matmul.elf --config tiny
 *
 * Another shape: d1 cc sw/examples/matmul.c -- -DROWS=64 -DCOLUMNS=64 -DDEPTH=64
 *
 * A tile of C is made of a row of tiles of A and a column of tiles of B. A step of the matrix unit takes one tile of each, which
 * is one line, so operands are first put in the order in which steps need them: panels.
 */
#include <d1.h>
#include <stdio.h>

#ifndef ROWS
#define ROWS 16
#define COLUMNS 16
#define DEPTH 32
#endif

enum { STEP_DEPTH = 4, STEPS = DEPTH / STEP_DEPTH, UNROLLED = 8 };
enum { M = D1_MATRIX_M, N = D1_MATRIX_N, TILE_ROWS = ROWS / M, TILE_COLUMNS = COLUMNS / N };
enum { DONE = 0 }; /* semaphore */

_Static_assert(ROWS % M == 0 && COLUMNS % N == 0, "C must be one of whole tiles");
_Static_assert(STEPS % UNROLLED == 0, "DEPTH must be a multiple of 32");

typedef uint16_t Bf16;
typedef uint32_t Fp32;

Bf16 a[ROWS][DEPTH], b[DEPTH][COLUMNS];
Fp32 c[ROWS][COLUMNS];

/* Neighbouring lines lie in different banks. With a line between A and B, so do the two lines of a step, as a rule. */
static struct {
    Bf16 a[TILE_ROWS][STEPS][M][STEP_DEPTH];
    uint8_t gap[D1_LINE_BYTES];
    Bf16 b[TILE_COLUMNS][STEPS][STEP_DEPTH][N];
} panels D1_ALIGNED;
static Fp32 c_tiles[TILE_ROWS][TILE_COLUMNS][M][N] D1_ALIGNED;

/* Operands between 1/4 and 4 of both signs, by shifts and xors (Marsaglia's generator). */
static Bf16 next_operand(void)
{
    static uint32_t state = 1;

    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return (Bf16)(((state & 0x81ff) | 125 << 7) + ((state >> 16 & 1) << 7));
}

static void make_operands(void)
{
    for (unsigned row = 0; row < ROWS; row++)
        for (unsigned k = 0; k < DEPTH; k++)
            a[row][k] = next_operand();
    for (unsigned k = 0; k < DEPTH; k++)
        for (unsigned column = 0; column < COLUMNS; column++)
            b[k][column] = next_operand();
}

static void pack(void)
{
    for (unsigned row = 0; row < ROWS; row++)
        for (unsigned k = 0; k < DEPTH; k++)
            panels.a[row / M][k / STEP_DEPTH][row % M][k % STEP_DEPTH] = a[row][k];
    for (unsigned k = 0; k < DEPTH; k++)
        for (unsigned column = 0; column < COLUMNS; column++)
            panels.b[column / N][k / STEP_DEPTH][k % STEP_DEPTH][column % N] = b[k][column];
}

/* Every thread computes its share of the tiles. A step waits for the pointers of the one before, while other threads step. */
static int multiply(void)
{
    for (unsigned tile = d1_thread(); tile < TILE_ROWS * TILE_COLUMNS; tile += D1_THREADS) {
        unsigned i = tile / TILE_COLUMNS, j = tile % TILE_COLUMNS;
        const void *left = panels.a[i], *right = panels.b[j];

        d1_mzero(0);
        for (unsigned step = 0; step < STEPS; step += UNROLLED) {
            d1_mstep_bf16_pp(0, left, right);
            d1_mstep_bf16_pp(0, left, right);
            d1_mstep_bf16_pp(0, left, right);
            d1_mstep_bf16_pp(0, left, right);
            d1_mstep_bf16_pp(0, left, right);
            d1_mstep_bf16_pp(0, left, right);
            d1_mstep_bf16_pp(0, left, right);
            d1_mstep_bf16_pp(0, left, right);
        }
        d1_mst_f32(0, c_tiles[i][j]);
    }
    d1_spost(DONE, 1);
    return 0;
}

static void unpack(void)
{
    for (unsigned row = 0; row < ROWS; row++)
        for (unsigned column = 0; column < COLUMNS; column++)
            c[row][column] = c_tiles[row / M][column / N][row % M][column % N];
}

int main(void)
{
    uint64_t start, end;
    Fp32 check = 0;

    make_operands();
    pack();
    start = d1_cycles();
    for (unsigned thread = 1; thread < D1_THREADS; thread++)
        d1_start_thread(thread, multiply);
    multiply();
    d1_swait(DONE, D1_THREADS);
    end = d1_cycles();
    unpack();
    for (unsigned row = 0; row < ROWS; row++)
        for (unsigned column = 0; column < COLUMNS; column++)
            check ^= c[row][column];
    printf("%d x %d x %d: %lu cycles for %d steps, xor of the results %#010x\n", ROWS, COLUMNS, DEPTH, end - start,
           TILE_ROWS * TILE_COLUMNS * STEPS, check);
    return 0;
}
