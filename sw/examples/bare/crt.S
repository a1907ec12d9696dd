# SPDX-License-Identifier: Apache-2.0
# Start-up of a program that knows nothing of this project, in the manner of riscv-tests.

    .section .text.init
    .globl _start
_start:
    la t0, trap_entry
    csrw mtvec, t0
    la sp, stack_top
    csrr a0, mhartid
    call main
    call tohost_exit
1:  j 1b

    # Any trap ends the program with its cause as exit code, behind 1000.
    .align 2
trap_entry:
    csrr a0, mcause
    addi a0, a0, 1000
    call tohost_exit
1:  j 1b

    .section .tohost, "aw", @progbits
    .align 6
    .globl tohost
tohost:
    .dword 0
    .align 6
    .globl fromhost
fromhost:
    .dword 0
