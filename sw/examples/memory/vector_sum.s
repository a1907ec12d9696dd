# SPDX-License-Identifier: Apache-2.0
# z = x + y for INT32 vectors that lie in the memory at the edge and are as large as SRAM each, so that no node could hold them.
# Eight lines of x and of y are under way at any time. Needs a memory at the east link of its node:
# d1 run sw/examples/memory/vector_sum.s --config tiny --array sw/examples/memory/array.json
# With FILL, x and y are written first: 1 and 2 times the number of the line. Ends with exit code 0 if every sum is right, else 1.
# Without, they are what the host has put there, and z is for the host to look at.

    .equ FILL, 1
    .equ LINES, SRAM_BYTES / LINE_BYTES

    # Addresses in a memory at an edge: bits 0 to 20, and from bit 50 on the bits above them. So each vector has a window of 2 MiB.
    .equ EAST, 2
    .equ EXIT_SHIFT, 47
    .equ UPPER_SHIFT, 50

    .globl _start
_start:
    csrr s0, mnode
    li t0, EAST << EXIT_SHIFT
    or s0, s0, t0                   # x
    li t0, 1 << UPPER_SHIFT
    add s1, s0, t0                  # y
    add s2, s1, t0                  # z
    la t0, ones
    vld v24, 0(t0)
    vsub.i32 v27, v27, v27
    li t0, FILL
    beqz t0, sum

    mv a0, s0
    mv a1, s1
    vmv v25, v27
    vmv v26, v27
    li t0, LINES
1:  nwrite.p v25, (a0)+
    nwrite.p v26, (a1)+
    vadd.i32 v25, v25, v24
    vadd.i32 v26, v26, v24
    vadd.i32 v26, v26, v24
    addi t0, t0, -1
    bnez t0, 1b

sum:
    mv a0, s0
    mv a1, s1
    mv a2, s2
    nread v0, (a0)
    addi a0, a0, LINE_BYTES
    nread v8, (a1)
    addi a1, a1, LINE_BYTES
    nread v1, (a0)
    addi a0, a0, LINE_BYTES
    nread v9, (a1)
    addi a1, a1, LINE_BYTES
    nread v2, (a0)
    addi a0, a0, LINE_BYTES
    nread v10, (a1)
    addi a1, a1, LINE_BYTES
    nread v3, (a0)
    addi a0, a0, LINE_BYTES
    nread v11, (a1)
    addi a1, a1, LINE_BYTES
    nread v4, (a0)
    addi a0, a0, LINE_BYTES
    nread v12, (a1)
    addi a1, a1, LINE_BYTES
    nread v5, (a0)
    addi a0, a0, LINE_BYTES
    nread v13, (a1)
    addi a1, a1, LINE_BYTES
    nread v6, (a0)
    addi a0, a0, LINE_BYTES
    nread v14, (a1)
    addi a1, a1, LINE_BYTES
    nread v7, (a0)
    addi a0, a0, LINE_BYTES
    nread v15, (a1)
    addi a1, a1, LINE_BYTES
    li t0, LINES / 8 - 1
2:
    vadd.i32 v16, v0, v8
    nwrite.p v16, (a2)+
    nread v0, (a0)
    addi a0, a0, LINE_BYTES
    nread v8, (a1)
    addi a1, a1, LINE_BYTES
    vadd.i32 v17, v1, v9
    nwrite.p v17, (a2)+
    nread v1, (a0)
    addi a0, a0, LINE_BYTES
    nread v9, (a1)
    addi a1, a1, LINE_BYTES
    vadd.i32 v18, v2, v10
    nwrite.p v18, (a2)+
    nread v2, (a0)
    addi a0, a0, LINE_BYTES
    nread v10, (a1)
    addi a1, a1, LINE_BYTES
    vadd.i32 v19, v3, v11
    nwrite.p v19, (a2)+
    nread v3, (a0)
    addi a0, a0, LINE_BYTES
    nread v11, (a1)
    addi a1, a1, LINE_BYTES
    vadd.i32 v20, v4, v12
    nwrite.p v20, (a2)+
    nread v4, (a0)
    addi a0, a0, LINE_BYTES
    nread v12, (a1)
    addi a1, a1, LINE_BYTES
    vadd.i32 v21, v5, v13
    nwrite.p v21, (a2)+
    nread v5, (a0)
    addi a0, a0, LINE_BYTES
    nread v13, (a1)
    addi a1, a1, LINE_BYTES
    vadd.i32 v22, v6, v14
    nwrite.p v22, (a2)+
    nread v6, (a0)
    addi a0, a0, LINE_BYTES
    nread v14, (a1)
    addi a1, a1, LINE_BYTES
    vadd.i32 v23, v7, v15
    nwrite.p v23, (a2)+
    nread v7, (a0)
    addi a0, a0, LINE_BYTES
    nread v15, (a1)
    addi a1, a1, LINE_BYTES
    addi t0, t0, -1
    bnez t0, 2b
    vadd.i32 v16, v0, v8
    nwrite.p v16, (a2)+
    vadd.i32 v17, v1, v9
    nwrite.p v17, (a2)+
    vadd.i32 v18, v2, v10
    nwrite.p v18, (a2)+
    vadd.i32 v19, v3, v11
    nwrite.p v19, (a2)+
    vadd.i32 v20, v4, v12
    nwrite.p v20, (a2)+
    vadd.i32 v21, v5, v13
    nwrite.p v21, (a2)+
    vadd.i32 v22, v6, v14
    nwrite.p v22, (a2)+
    vadd.i32 v23, v7, v15
    nwrite.p v23, (a2)+
    li t0, FILL
    beqz t0, 4f

    # Packets to the same place keep their order: what is read here has been written.
    mv a2, s2
    vmv v25, v27
    vmv v28, v27
    li t0, LINES
3:  nread v0, (a2)
    addi a2, a2, LINE_BYTES
    vsub.i32 v1, v0, v25
    vor v28, v28, v1
    vadd.i32 v25, v25, v24
    vadd.i32 v25, v25, v24
    vadd.i32 v25, v25, v24
    addi t0, t0, -1
    bnez t0, 3b
    la t0, differences
    vst v28, 0(t0)
    addi t1, t0, LINE_BYTES
3:  ld t2, 0(t0)
    bnez t2, 5f
    addi t0, t0, 8
    bne t0, t1, 3b
4:  halt zero
5:  li a0, 1
    halt a0

    .data
    .balign LINE_BYTES
ones:
    .fill LINE_BYTES / 4, 4, 1
    .bss
    .balign LINE_BYTES
differences:
    .zero LINE_BYTES
