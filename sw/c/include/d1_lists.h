/* SPDX-License-Identifier: Apache-2.0 */
/*
 * List transfers: descriptors in memory, which d1_nlist(&list) starts. What they mean: docs/lists.md.
 *
 *     D1List list = {
 *         .control = D1_LIST(8, 1) | D1_LIST_POST_DESTINATION(0),
 *         .source = d1_remote(d1_x(), d1_y(), from), .destination = d1_remote(x, y, to),
 *         .stride = {{8, 8}}, .index = {{.count = 100, .end = 100}},
 *     };
 */
#ifndef D1_LISTS_H
#define D1_LISTS_H

#include <d1.h>

#if D1_LISTS == 0
#error "this node has no list transfers (lists = 0); d1 config shows which presets have them"
#endif

#define D1_LIST_DIMENSIONS 4

typedef struct {
    uint64_t control;             /* D1_LIST, and what of the following it has */
    uint64_t source, destination; /* global addresses */
    uint64_t following;           /* with D1_LIST_CHAIN: offset of the next descriptor, d1_list_offset(&next) */
    struct {
        int32_t source, destination; /* bytes */
    } stride[D1_LIST_DIMENSIONS];
    struct {
        uint16_t count, first, end, unused; /* granules; those from first to before end are valid, and all others zeros */
    } index[D1_LIST_DIMENSIONS];
    uint64_t unused[4];
} __attribute__((aligned(D1_LIST_DESCRIPTOR_BYTES))) D1List;

_Static_assert(sizeof(D1List) == D1_LIST_DESCRIPTOR_BYTES, "a descriptor has no gaps");

/* Granules of so many bytes: 8, 16, 32 or 64, at most a line; and how many dimensions are used. Both are constants. */
#define D1_LIST(granule_bytes, dimensions) \
    (D1_LIST_MAGIC | (uint64_t)(__builtin_ctz(granule_bytes) - 3) << D1_LIST_FIELD_GRANULE | \
     (uint64_t)((dimensions) - 1) << D1_LIST_FIELD_DIMENSIONS)
#define D1_LIST_CHAIN ((uint64_t)1 << D1_LIST_FIELD_CHAIN)
#define D1_LIST_POST_SOURCE(semaphore) \
    ((uint64_t)1 << D1_LIST_FIELD_POST_SOURCE | (uint64_t)(semaphore) << D1_LIST_FIELD_SOURCE_SEMAPHORE)
#define D1_LIST_POST_DESTINATION(semaphore) \
    ((uint64_t)1 << D1_LIST_FIELD_POST_DESTINATION | (uint64_t)(semaphore) << D1_LIST_FIELD_DESTINATION_SEMAPHORE)

/* Where a descriptor lies, as D1List's `following` and the register LIST_START take it. */
static inline uint64_t d1_list_offset(const D1List *list)
{
    return (uint64_t)list - D1_SRAM_BASE;
}

/* Forget why the last list failed in a place of this node: a failure that is left there makes the run fail. */
static inline void d1_list_forget_failure(unsigned place)
{
    d1_nsd((uint64_t)0, d1_window(d1_x(), d1_y(), D1_LIST_BLOCK + place * D1_LIST_STRIDE + D1_LIST_FAILURE));
}

#endif
