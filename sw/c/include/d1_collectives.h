/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Barriers, broadcasts and sums over rectangles of nodes; docs/collectives.md has the contract.
 *
 * Sites of a rectangle without a node are left out where routing tables lead around them.
 *
 * One thread of every node of the rectangle makes the same calls in the same order, with the same arguments. Groups, inboxes and
 * buffers lie at the same addresses in all of them, as static variables of a program that all nodes run do; inboxes and buffers
 * start at a line. The last four semaphores of the node belong to these calls, and v0 to v15 change in them. All return 0, or -1 if
 * their arguments cannot be.
 */
#ifndef D1_COLLECTIVES_H
#define D1_COLLECTIVES_H

#include <stdint.h>

/* What a node knows of a rectangle. */
typedef struct {
    uint64_t words[64];
} d1_group_t;

/* Bytes of the inboxes for sums that take so many lines at a time. */
#define D1_INBOX_BYTES(lines) (2 * (lines) * D1_LINE_BYTES)

/*
 * Describes the rectangle whose north-west corner is column x, row y, to which this node must belong. Sums need an inbox; without
 * one it is NULL and `lines` 0.
 */
int d1_group(d1_group_t *group, unsigned long x, unsigned long y, unsigned long columns, unsigned long rows, void *inbox, long lines);

/* Returns when every node of the group has called it. */
int d1_barrier(d1_group_t *group);

/* Lines of the node in column x, row y get into the same buffer of all others. */
int d1_broadcast(d1_group_t *group, void *buffer, unsigned long lines, unsigned long x, unsigned long y);

/* The sum of all nodes' lines, in all nodes; `to` may be `from`. */
int d1_all_reduce_f32(d1_group_t *group, const void *from, void *to, unsigned long lines);
int d1_all_reduce_bf16(d1_group_t *group, const void *from, void *to, unsigned long lines);

#endif
