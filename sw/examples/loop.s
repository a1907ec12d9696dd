# SPDX-License-Identifier: Apache-2.0
# A scalar loop: adds 1 to 100 and ends with exit code 0 if the sum is right, else 1.

    .globl _start
_start:
    li a0, 0
    li t0, 100
1:  add a0, a0, t0
    addi t0, t0, -1
    bnez t0, 1b

    li t1, 100 * 101 / 2
    xor a0, a0, t1
    snez a0, a0
    halt a0
