// SPDX-License-Identifier: Apache-2.0
// The arithmetic of the matrix array and of the SIMD unit, bit for bit, for simulators: called through DPI-C by the modules of
// verilog.py. Words are 32 bits, the lowest first, as DPI-C passes packed vectors; flags are those of golden/layout.py.
#ifndef OPEND1_ARITHMETIC_H
#define OPEND1_ARITHMETIC_H

#include <cstdint>

extern "C" {

// One matrix step: accumulator = (zero ? +0 : accumulator) + S(a, b). The accumulator comes as its lines, two rows each.
// a is M x 4, b 4 x N, row-major; M = N = 2, 4, 8 for lines of 16, 32, 64 bytes. Formats are kinds of golden/layout.py: BF16, or
// CFP8 in the lower or upper half of the line.
void d1_matrix_step_16(const uint32_t* a, const uint32_t* b, unsigned char format_a, unsigned char format_b,
                       unsigned char bias_a, unsigned char bias_b, unsigned char half, unsigned char zero, uint32_t* line0);
void d1_matrix_step_32(const uint32_t* a, const uint32_t* b, unsigned char format_a, unsigned char format_b,
                       unsigned char bias_a, unsigned char bias_b, unsigned char half, unsigned char zero, uint32_t* line0,
                       uint32_t* line1);
void d1_matrix_step_64(const uint32_t* a, const uint32_t* b, unsigned char format_a, unsigned char format_b,
                       unsigned char bias_a, unsigned char bias_b, unsigned char half, unsigned char zero, uint32_t* line0,
                       uint32_t* line1, uint32_t* line2, uint32_t* line3);

// The FP32 lanes of a line become codes, packed from bit 0 on, with zeros above them. Returns the flags. `random` has 24 bits per lane.
unsigned char d1_matrix_convert(int line_bytes, const uint32_t* line, unsigned char kind, unsigned char bias,
                                unsigned char stochastic, const uint32_t* random, uint32_t* codes);

// One operation of the SIMD unit, with inputs as in docs/architecture.md, "Macro boundaries". Returns the flags. `collected`
// holds what d1_simd_collect has made of the pairs of registers before.
unsigned char d1_simd_operate(int line_bytes, unsigned char op, unsigned char sub, const uint32_t* a, const uint32_t* b,
                              const uint32_t* c, unsigned long long scalar, const uint32_t* mask, unsigned char format,
                              unsigned char bias, const uint32_t* random, unsigned char row,
                              const uint32_t* collected, uint32_t* result);

// A transpose takes a pair of registers that is not the last one: what was collected before, and after. They may be one.
void d1_simd_collect(int line_bytes, unsigned char op, unsigned char sub, const uint32_t* a, const uint32_t* b,
                     unsigned char row, const uint32_t* before, uint32_t* after);

// Name of the variant in use, which is the fastest one that the machine runs: avx512, avx2, sse2; portable elsewhere.
const char* d1_arithmetic_variant();

// Use another variant, for tests; 0 if the machine does not run it. Not while another thread computes.
int d1_arithmetic_select(const char* name);

}  // extern "C"

#endif
