# SPDX-License-Identifier: Apache-2.0
# The product of two n x n matrices of 32-bit integers, with sums of 64 bits; n is even and at least 4.
# Result: h = 31 * h + c over all elements of the product, two rows side by side, from h = 0, modulo 2**64.
# Data: expected, result, A row by row, B row by row, n.
# Two rows of A meet two columns of B at a time, so that every element that is loaded is used twice. The inner loop multiplies
# what has been loaded while it loads what comes next.

run:
    addi sp, a0, 0
    ld a1, 16(a0)
    ld s11, 24(a0)
    ld a2, 32(a0)
    slli a3, a2, 2
    mul t6, a3, a2
    add t6, t6, a1
    li s10, 0

rows:
    mv a4, s11
    add a5, s11, a3
columns:
    mv a6, a1
    add a7, a1, a3
    addi s9, a7, -4
    mv s8, a4
    lw t0, 0(a6)
    lw t1, 0(a7)
    lw t2, 0(s8)
    lw t3, 4(s8)
    add s8, s8, a3
    li s2, 0
    li s3, 0
    li s4, 0
    li s5, 0
inner:
    mul t4, t0, t2
    addi a6, a6, 4
    mul t5, t0, t3
    lw t0, 0(a6)
    mul s6, t1, t2
    addi a7, a7, 4
    mul s7, t1, t3
    lw t1, 0(a7)
    add s2, s2, t4
    lw t2, 0(s8)
    add s3, s3, t5
    lw t3, 4(s8)
    add s4, s4, s6
    add s8, s8, a3
    add s5, s5, s7
    bne a6, s9, inner

    mul t4, t0, t2
    slli s6, s10, 5
    mul t5, t0, t3
    sub s10, s6, s10
    mul t2, t1, t2
    mul t3, t1, t3
    add s2, s2, t4
    add s10, s10, s2
    slli s6, s10, 5
    add s3, s3, t5
    sub s10, s6, s10
    add s10, s10, s3
    add s4, s4, t2
    slli s6, s10, 5
    add s5, s5, t3
    sub s10, s6, s10
    add s10, s10, s4
    slli s6, s10, 5
    addi a4, a4, 8
    sub s10, s6, s10
    add s10, s10, s5
    bne a4, a5, columns

    add a1, a1, a3
    add a1, a1, a3
    bne a1, t6, rows

    ld t0, 0(sp)
    sd s10, 8(sp)
    xor a0, s10, t0
    snez a0, a0
    ret
