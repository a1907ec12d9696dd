# SPDX-License-Identifier: Apache-2.0
# Where threads of C programs begin: each gets the global pointer and a stack of its own, then thread 0 goes to main, and others
# to what d1_start_thread has named.

    .section .text.start, "ax"
    .globl _start
_start:
    .option push
    .option norelax
    la gp, __global_pointer$
    .option pop
    csrr t0, mhartid
    andi t0, t0, 3

    # Stacks lie one after the other and grow down. Nodes may lack a multiplication.
    la sp, d1_stacks
    lui t1, %hi(D1_STACK_BYTES)
    addi t1, t1, %lo(D1_STACK_BYTES)
    mv t2, t0
1:  add sp, sp, t1
    addi t2, t2, -1
    bgez t2, 1b

    bnez t0, 2f
    call d1_run_main
2:  call d1_run_thread
