# SPDX-License-Identifier: Apache-2.0
# What all scalar benchmarks begin with: runs `run` on RUN_THREADS threads, each on its own data, and ends with exit code 0 if all
# results are right, else 1. Thread t's data lies at DATA + t * DATA_STRIDE: expected result, result, and what the benchmark needs.
# `run` gets its address in a0, returns with 0 in a0 if the result is right, and leaves s0 and s1 as they are.

    .equ DONE, 0
    .equ THREAD_0_PC, CONTROL_PAGE + 0x100
    .equ THREAD_STRIDE, 0x40

    .globl _start
_start:
    li s1, RUN_THREADS - 1
    csrr t0, mnode
    li t1, THREAD_0_PC
    add t0, t0, t1
    la t1, other
    mv t2, s1
    beqz t2, 2f
1:  addi t0, t0, THREAD_STRIDE
    nsd t1, (t0)
    addi t2, t2, -1
    bnez t2, 1b
2:  li a0, DATA
    jal run
    swait DONE, s1
    # The others' verdicts; those of threads that do not run are 0.
    la t0, verdicts
    ld t1, 8(t0)
    ld t2, 16(t0)
    ld t3, 24(t0)
    or a0, a0, t1
    or t2, t2, t3
    or a0, a0, t2
    halt a0

other:
    csrr s1, mhartid
    li t1, DATA_STRIDE
    andi s1, s1, 3
    li a0, DATA
    mul t1, t1, s1
    la s0, verdicts
    slli s1, s1, 3
    add a0, a0, t1
    add s0, s0, s1
    jal run
    sd a0, 0(s0)
    li t0, 1
    spost DONE, t0
    halt zero

    .data
    .balign 8
verdicts:
    .zero 32
    .text
    .balign 32
