# SPDX-License-Identifier: Apache-2.0
# A lexer, whose states are places in the code: identifiers (a letter, then letters and digits), numbers, spaces, and operators
# of one character each. A byte 0 ends the text.
# Result: from the sum of the identifiers' hashes (h = 31 * h + c) and of the numbers' values, h = 31 * h + x over the counts of
# identifiers, numbers and operators and the sum of the operators' characters, modulo 2**64.
# Data: expected, result, text.

run:
    ld a1, 16(a0)
    li a2, 10
    li a3, 26
    li a4, 0x20
    li s2, 0
    li s3, 0
    li s4, 0
    li s5, 0
    li s6, 0

next:
    lbu t0, 0(a1)
    addi a1, a1, 1
token:
    ori t1, t0, 0x20
    addi t2, t0, -0x30
    addi t1, t1, -0x61
    bltu t2, a2, number
    bltu t1, a3, identifier
    beq t0, a4, next
    beqz t0, finish
    addi s5, s5, 1
    add s6, s6, t0
    j next

identifier:
    addi s3, s3, 1
    mv t5, t0
1:  lbu t0, 0(a1)
    mv t3, t5
    slli t4, t5, 5
    addi a1, a1, 1
    sub t4, t4, t5
    ori t1, t0, 0x20
    addi t2, t0, -0x30
    addi t1, t1, -0x61
    add t5, t4, t0
    bltu t1, a3, 1b
    bltu t2, a2, 1b
    add s2, s2, t3
    j token

number:
    addi s4, s4, 1
    mv t5, t2
1:  lbu t0, 0(a1)
    mv t3, t5
    slli t4, t5, 2
    addi a1, a1, 1
    add t4, t4, t5
    addi t2, t0, -0x30
    slli t4, t4, 1
    add t5, t4, t2
    bltu t2, a2, 1b
    add s2, s2, t3
    j token

finish:
    slli t0, s2, 5
    sub s2, t0, s2
    add s2, s2, s3
    slli t0, s2, 5
    sub s2, t0, s2
    add s2, s2, s4
    slli t0, s2, 5
    sub s2, t0, s2
    add s2, s2, s5
    slli t0, s2, 5
    sub s2, t0, s2
    add s2, s2, s6
    ld t0, 0(a0)
    sd s2, 8(a0)
    xor a0, s2, t0
    snez a0, a0
    ret
