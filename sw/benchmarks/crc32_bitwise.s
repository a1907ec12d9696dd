# SPDX-License-Identifier: Apache-2.0
# CRC-32 as in IEEE 802.3, reflected, bit by bit.
# Data: expected, result, bytes, length.

run:
    ld a1, 16(a0)
    ld a2, 24(a0)
    add a2, a2, a1
    li a3, 0xFFFFFFFF
    li a4, 0xEDB88320
    mv t0, a3

byte:
    lbu t1, 0(a1)
    addi a1, a1, 1
    li t3, 4
    xor t0, t0, t1
two_bits:
    andi t1, t0, 1
    srli t0, t0, 1
    neg t1, t1
    and t1, t1, a4
    xor t0, t0, t1
    andi t1, t0, 1
    srli t0, t0, 1
    neg t1, t1
    addi t3, t3, -1
    and t1, t1, a4
    xor t0, t0, t1
    bnez t3, two_bits
    bne a1, a2, byte

    xor t0, t0, a3
    ld t1, 0(a0)
    sd t0, 8(a0)
    xor a0, t0, t1
    snez a0, a0
    ret
