# SPDX-License-Identifier: Apache-2.0
# Softmax of a row of BF16 numbers: exp(x - maximum) over the sum of these, computed in FP32 and rounded stochastically to BF16.
# Ends with exit code 0 if the results add up to nearly 1 and nothing overflowed on the way, else 1. Works on every configuration.

    .equ ROW, 42
    .equ LINES, (2 * ROW + LINE_BYTES - 1) / LINE_BYTES
    .equ LAST_BYTES, 2 * ROW - (LINES - 1) * LINE_BYTES
    .equ SEED, 1
    .equ MINUS_INFINITY, 0xFF80
    .equ ERRORS, 4 | 8 | 16    # overflow, divide by zero, invalid

    .globl _start
_start:
    csrw mflags, zero
    li t0, SEED
    csrw mseed, t0

    # What lies behind the row in its last line becomes -inf, which is no maximum and whose power is 0. p1 masks the row's own bytes.
    la a0, row + (LINES - 1) * LINE_BYTES
    li t0, (1 << LAST_BYTES) - 1
    pmv.p.x p1, t0
    li t0, MINUS_INFINITY
    vbc.e16 v1, t0
    vmv v2, v1
    vld v0, 0(a0)
    vmv v2, v0, p1
    vst v2, 0(a0)

    # v1: the maximum, in every lane.
    la a0, row
    li t0, LINES
1:  vld.p v0, (a0), LINE_BYTES
    vmax.bf16 v1, v1, v0
    addi t0, t0, -1
    bnez t0, 1b
    vredmax.bf16 v1, v1
    vcvt.f32.bf16l v1, v1

    # A line of BF16 makes two of FP32. v3: sums of powers, one in every lane.
    la a0, row
    la a1, powers
    la t1, log2_e
    lwu t1, 0(t1)
    vbc.e32 v2, t1
    vbc.e32 v3, zero
    li t0, LINES
2:  vld.p v0, (a0), LINE_BYTES
    vcvt.f32.bf16l v4, v0
    vcvt.f32.bf16h v5, v0
    vsub.f32 v4, v4, v1
    vsub.f32 v5, v5, v1
    vmul.f32 v4, v4, v2
    vmul.f32 v5, v5, v2
    vexp2.f32 v4, v4
    vexp2.f32 v5, v5
    vst.p v4, (a1), LINE_BYTES
    vst.p v5, (a1), LINE_BYTES
    vadd.f32 v3, v3, v4
    vadd.f32 v3, v3, v5
    addi t0, t0, -1
    bnez t0, 2b
    vredsum.f32 v3, v3
    vrcp.f32 v3, v3

    # v6: sums of what is stored.
    la a1, powers
    la a2, result
    vbc.e32 v6, zero
    li t0, LINES
3:  vld.p v4, (a1), LINE_BYTES
    vld.p v5, (a1), LINE_BYTES
    vmul.f32 v4, v4, v3
    vmul.f32 v5, v5, v3
    vcvt.bf16.f32.s v0, v4, v5
    vst.p v0, (a2), LINE_BYTES
    vcvt.f32.bf16l v4, v0
    vcvt.f32.bf16h v5, v0
    vadd.f32 v6, v6, v4
    vadd.f32 v6, v6, v5
    addi t0, t0, -1
    bnez t0, 3b

    # Every lane of v6 becomes the distance of the sum from 1, and p2 the lanes in which it is small.
    vredsum.f32 v6, v6
    la t1, one
    lwu t0, 0(t1)
    lwu t1, 4(t1)
    vbc.e32 v7, t0
    vbc.e32 v8, t1
    vsub.f32 v6, v6, v7
    vabs.f32 v6, v6
    vlt.f32 p2, v6, v8
    pmv.x.p t0, p2
    beqz t0, 4f
    csrr t0, mflags
    andi t0, t0, ERRORS
    bnez t0, 4f
    halt zero
4:  li a0, 1
    halt a0

    .data
    .balign LINE_BYTES
row:
    .bf16 0.5, -1, 3.25, 2, -0.125, 7, 1.5, -6, 0, 4.75, 5, -2.5, 6.5, 1, 3, -3
    .bf16 2.25, -0.5, 6, 0.0625, -9, 4, 1.25, 5.5, -4, 2.5, 0.25, 3.5, -1.5, 6.75, 0.75, -7
    .bf16 4.5, 1.75, -0.25, 5.25, 2.75, -2, 3.75, -5, 0.125, 6.25
    .balign LINE_BYTES
log2_e:
    .float 1.4426950408889634
one:
    .float 1
tolerance:
    .float 0.02
    .bss
    .balign LINE_BYTES
powers:
    .zero 2 * LINES * LINE_BYTES
result:
    .zero LINES * LINE_BYTES
