# SPDX-License-Identifier: Apache-2.0
# CRC-32 as in IEEE 802.3, reflected, by a table of 256 words, a byte at a time; the length is a multiple of 4.
# Data: expected, result, bytes, length, table.

run:
    ld a1, 16(a0)
    ld a2, 24(a0)
    ld a3, 32(a0)
    add a2, a2, a1
    li a4, 0xFFFFFFFF
    mv t0, a4
    lbu t1, 0(a1)

four:
    xor t1, t1, t0
    lbu t2, 1(a1)
    andi t1, t1, 0xFF
    slli t1, t1, 2
    add t1, t1, a3
    lwu t1, 0(t1)
    srli t0, t0, 8
    xor t0, t0, t1

    xor t2, t2, t0
    lbu t1, 2(a1)
    andi t2, t2, 0xFF
    slli t2, t2, 2
    add t2, t2, a3
    lwu t2, 0(t2)
    srli t0, t0, 8
    xor t0, t0, t2

    xor t1, t1, t0
    lbu t2, 3(a1)
    andi t1, t1, 0xFF
    slli t1, t1, 2
    add t1, t1, a3
    lwu t1, 0(t1)
    addi a1, a1, 4
    srli t0, t0, 8
    xor t0, t0, t1

    xor t2, t2, t0
    lbu t1, 0(a1)
    andi t2, t2, 0xFF
    slli t2, t2, 2
    add t2, t2, a3
    lwu t2, 0(t2)
    srli t0, t0, 8
    xor t0, t0, t2
    bne a1, a2, four

    xor t0, t0, a4
    ld t1, 0(a0)
    sd t0, 8(a0)
    xor a0, t0, t1
    snez a0, a0
    ret
