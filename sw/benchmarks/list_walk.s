# SPDX-License-Identifier: Apache-2.0
# A singly linked list whose elements (next, value) lie in random order is reversed in place and walked along, several times.
# Result: h = 31 * h + value over all elements of all walks, from h = 0, modulo 2**64.
# Data: expected, result, first element, rounds.
# Each loop lies in one window of fetch: of four threads, only one fetches in a cycle.

run:
    ld a1, 16(a0)
    ld a2, 24(a0)
    li a3, 0

round:
    mv t0, a1
    li a1, 0
    .balign 32
reverse:
    ld t1, 0(t0)
    sd a1, 0(t0)
    mv a1, t0
    mv t0, t1
    bnez t1, reverse

    mv t0, a1
    .balign 32
walk:
    ld t1, 8(t0)
    slli t2, a3, 5
    ld t0, 0(t0)
    sub t2, t2, a3
    add a3, t2, t1
    bnez t0, walk

    addi a2, a2, -1
    bnez a2, round

    ld t0, 0(a0)
    sd a3, 8(a0)
    xor a0, a3, t0
    snez a0, a0
    ret
