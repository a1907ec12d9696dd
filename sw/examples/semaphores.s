# SPDX-License-Identifier: Apache-2.0
# Two threads of a node pass 100 numbers through one double word. Semaphore 0 says that it is full, semaphore 1 that it is empty.
# Thread 0 adds the numbers up and ends with exit code 0 if the sum is right, else 1.

    .equ FULL, 0
    .equ EMPTY, 1
    .equ COUNT, 100
    # A write to the PC register of a thread starts it; thread 1's lies at 0x140 of the control page.
    .equ THREAD_1_PC, CONTROL_PAGE + 0x140

    .globl _start
_start:
    li s0, 1
    spost EMPTY, s0
    csrr t0, mnode
    li t1, THREAD_1_PC
    add t0, t0, t1
    la t1, producer
    nsd t1, (t0)

    la s1, box
    li s2, COUNT
    li a0, 0
1:  swait FULL, s0
    ld t0, 0(s1)
    spost EMPTY, s0
    add a0, a0, t0
    addi s2, s2, -1
    bnez s2, 1b

    # Leaves the semaphores as they were.
    swait EMPTY, s0
    li t1, COUNT * (COUNT + 1) / 2
    xor a0, a0, t1
    snez a0, a0
    halt a0

producer:
    li s0, 1
    la s1, box
    li s2, COUNT
1:  swait EMPTY, s0
    sd s2, 0(s1)
    spost FULL, s0
    addi s2, s2, -1
    bnez s2, 1b
    halt zero

    .data
    .balign 8
box:
    .dword 0
