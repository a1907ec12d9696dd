# SPDX-License-Identifier: Apache-2.0
# One tile of a matrix product, C = A.B with K = 32: A is all 0.5, B is all -3, so every element of C is 32 * -1.5 = -48.
# Ends with exit code 0 if that is so, else 1. Works on every configuration: a step is one line of A and one of B.

    .equ STEPS, 32 / 4

    .globl _start
_start:
    # A step that advances both addresses takes one from an even and one from an odd register.
    la a0, tile_a
    la a1, tile_b
    mzero m0
    li t0, STEPS
1:  mstep.bf16.pp m0, (a0)+, (a1)+
    addi t0, t0, -1
    bnez t0, 1b
    la a2, tile_c
    mst.f32 m0, (a2)

    la a3, tile_c_end
    la t1, expected
    lwu t1, 0(t1)
2:  lwu t0, 0(a2)
    bne t0, t1, 3f
    addi a2, a2, 4
    bne a2, a3, 2b
    halt zero
3:  li a0, 1
    halt a0

    .data
    .balign LINE_BYTES
tile_a:
    .fill STEPS * LINE_BYTES / 2, 2, 0x3F00    # 0.5 in BF16
tile_b:
    .fill STEPS * LINE_BYTES / 2, 2, 0xC040    # -3 in BF16
expected:
    .float -48
    .bss
    .balign LINE_BYTES
tile_c:
    .zero ACC_BYTES
tile_c_end:
