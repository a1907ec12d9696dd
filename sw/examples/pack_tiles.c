/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list transfer puts a row-major BF16 matrix into the tiles that steps of the matrix unit take, then the thread does the same by
 * loads and stores, and they are compared. Needs a node with lists:
 *
 * d1 cc sw/examples/pack_tiles.c --config tiny && d1 run sw/examples/pack_tiles.elf --config tiny
 */
#include <d1.h>
#include <d1_lists.h>
#include <stdio.h>
#include <string.h>

enum { ROWS = 32, COLUMNS = 32, M = D1_MATRIX_M, STEP_DEPTH = 4 };
enum { TILE_BYTES = D1_LINE_BYTES, TILE_ROWS = ROWS / M, TILE_COLUMNS = COLUMNS / STEP_DEPTH };
enum { PITCH = COLUMNS * sizeof(uint16_t), ROW_OF_TILE = STEP_DEPTH * sizeof(uint16_t) };
enum { ARRIVED = 0 }; /* semaphore */

static uint16_t matrix[ROWS][COLUMNS] D1_ALIGNED;
static uint16_t packed[TILE_ROWS][TILE_COLUMNS][M][STEP_DEPTH] D1_ALIGNED;
static uint16_t by_stores[TILE_ROWS][TILE_COLUMNS][M][STEP_DEPTH] D1_ALIGNED;

int main(void)
{
    /* A granule is a row of a tile: along the rows of a tile, along the tiles of a panel, along the panels. */
    static D1List list = {
        .control = D1_LIST(ROW_OF_TILE, 3) | D1_LIST_POST_DESTINATION(ARRIVED),
        .stride = {{PITCH, ROW_OF_TILE}, {ROW_OF_TILE, TILE_BYTES}, {M * PITCH, TILE_COLUMNS * TILE_BYTES}},
        .index = {{M, 0, M, 0}, {TILE_COLUMNS, 0, TILE_COLUMNS, 0}, {TILE_ROWS, 0, TILE_ROWS, 0}},
    };
    uint64_t start, stored, arrived;

    for (unsigned row = 0; row < ROWS; row++)
        for (unsigned column = 0; column < COLUMNS; column++)
            matrix[row][column] = (uint16_t)(row << 8 | column);
    list.source = d1_remote(d1_x(), d1_y(), matrix);
    list.destination = d1_remote(d1_x(), d1_y(), packed);

    start = d1_cycles();
    d1_nlist(&list);
    d1_swait(ARRIVED, 1);
    arrived = d1_cycles();
    for (unsigned row = 0; row < ROWS; row++)
        for (unsigned column = 0; column < COLUMNS; column++)
            by_stores[row / M][column / STEP_DEPTH][row % M][column % STEP_DEPTH] = matrix[row][column];
    stored = d1_cycles();
    printf("%d x %d: %lu cycles by a list, %lu by loads and stores\n", ROWS, COLUMNS, arrived - start, stored - arrived);
    return memcmp(packed, by_stores, sizeof packed) != 0;
}
