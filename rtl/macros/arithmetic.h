// SPDX-License-Identifier: Apache-2.0
// The arithmetic of the matrix unit and of the SIMD lanes, bit for bit, for simulators: called through DPI-C by the modules of
// verilog.py. Words are 32 bits, the lowest first, as DPI-C passes packed vectors.
#ifndef OPEND1_ARITHMETIC_H
#define OPEND1_ARITHMETIC_H

#include <cstdint>

extern "C" {

// One matrix step: accumulator = (zero ? +0 : accumulator) + S(a, b). The accumulator comes as its lines, two rows each.
// a is M x 4 BF16, b 4 x N BF16, row-major; M = N = 2, 4, 8 for lines of 16, 32, 64 bytes.
void d1_matrix_step_16(const uint32_t* a, const uint32_t* b, unsigned char zero, uint32_t* line0);
void d1_matrix_step_32(const uint32_t* a, const uint32_t* b, unsigned char zero, uint32_t* line0, uint32_t* line1);
void d1_matrix_step_64(const uint32_t* a, const uint32_t* b, unsigned char zero, uint32_t* line0, uint32_t* line1,
                       uint32_t* line2, uint32_t* line3);

// One operation of the SIMD lanes, numbered as in docs/architecture.md.
void d1_simd_op_16(unsigned char op, const uint32_t* a, const uint32_t* b, uint32_t* result);
void d1_simd_op_32(unsigned char op, const uint32_t* a, const uint32_t* b, uint32_t* result);
void d1_simd_op_64(unsigned char op, const uint32_t* a, const uint32_t* b, uint32_t* result);

// Name of the variant in use, which is the fastest one that the machine runs: avx512, avx2, sse2; portable elsewhere.
const char* d1_arithmetic_variant();

// Use another variant, for tests; 0 if the machine does not run it. Not while another thread computes.
int d1_arithmetic_select(const char* name);

}  // extern "C"

#endif
