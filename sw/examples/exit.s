# SPDX-License-Identifier: Apache-2.0
# The smallest program: ends the node's program with exit code 0 by storing to `tohost`.
# The value is exit code << 1 | 1. Run it: d1 run sw/examples/exit.s --config tiny

    .globl _start
_start:
    li t0, 0 << 1 | 1
    la t1, tohost
    sd t0, 0(t1)
1:  j 1b

    .data
    .balign 8
tohost:
    .dword 0
