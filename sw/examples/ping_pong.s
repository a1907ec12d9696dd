# SPDX-License-Identifier: Apache-2.0
# Neighbours in a row send a line to and fro, 16 times: the node in an even column serves, the one in the odd column to its
# east returns, and each adds 1 to every FP32 lane before it sends. Needs an array with an even number of columns:
# d1 run sw/examples/ping_pong.s --config tiny --array 1x2
# A node ends with exit code 0 if the last line that it got is right, else 1.

    .equ ARRIVED, 0
    .equ ROUNDS, 16
    .equ X_SHIFT, 21

    .globl _start
_start:
    li s0, 1
    # The partner's address of `ball` is the own one with the lowest bit of x turned over.
    csrr s1, mnode
    li t0, 1 << X_SHIFT
    xor s1, s1, t0
    la s2, ball
    li t1, SRAM_BASE
    sub t1, s2, t1
    add s1, s1, t1

    la t0, one
    vld v1, 0(t0)
    li s3, ROUNDS
    csrr t0, mnode
    srli t0, t0, X_SHIFT
    andi s4, t0, 1
    bnez s4, return

serve:
    vld v0, 0(s2)
    vadd.f32 v0, v0, v1
    nwrite.s v0, (s1), ARRIVED
    swait ARRIVED, s0
    addi s3, s3, -1
    bnez s3, serve
    li t1, 2 * ROUNDS
    j check

return:
    swait ARRIVED, s0
    vld v0, 0(s2)
    vadd.f32 v0, v0, v1
    nwrite.s v0, (s1), ARRIVED
    addi s3, s3, -1
    bnez s3, return
    li t1, 2 * ROUNDS - 1

check:
    # Whole numbers below 2**24 in FP32, for t1 > 0: shift the highest bit away, which the exponent stands for.
    li t2, 127 + 24
    slli t1, t1, 39
1:  addi t2, t2, -1
    slli t1, t1, 1
    bgez t1, 1b
    slli t1, t1, 1
    srli t1, t1, 41
    slli t2, t2, 23
    add t2, t2, t1
    addi t3, s2, LINE_BYTES
    li a0, 0
2:  lwu t0, 0(s2)
    beq t0, t2, 3f
    li a0, 1
3:  addi s2, s2, 4
    bne s2, t3, 2b
    halt a0

    .data
    .balign LINE_BYTES
ball:
    .zero LINE_BYTES
one:
    .fill LINE_BYTES / 4, 4, 0x3F800000
