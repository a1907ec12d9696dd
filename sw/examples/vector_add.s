# SPDX-License-Identifier: Apache-2.0
# Adds two FP32 vectors of 8 lines, line by line, and ends with exit code 0 if every sum is right, else 1.

    .equ LINES, 8

    .globl _start
_start:
    la a0, left
    la a1, right
    la a2, sum
    li t0, LINES
1:  vld.p v0, (a0), LINE_BYTES
    vld.p v1, (a1), LINE_BYTES
    vadd.f32 v2, v0, v1
    vst.p v2, (a2), LINE_BYTES
    addi t0, t0, -1
    bnez t0, 1b

    la a2, sum
    la a3, sum_end
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
left:
    .fill LINES * LINE_BYTES / 4, 4, 0x3FC00000    # 1.5
right:
    .fill LINES * LINE_BYTES / 4, 4, 0x40100000    # 2.25
expected:
    .float 3.75
    .bss
    .balign LINE_BYTES
sum:
    .zero LINES * LINE_BYTES
sum_end:
