// SPDX-License-Identifier: Apache-2.0
// binary32 in integers: IEEE 754 operations on codes with the flags of docs/arithmetic.md, alike on every machine.
//
// Every function ORs into `flags` what it raises, but for kDenormal, which depends on operands only: see denormal_flag().
#ifndef OPEND1_FLOAT32_H
#define OPEND1_FLOAT32_H

#include <cstdint>

namespace opend1 {

enum Flag : unsigned { kInexact = 1, kUnderflow = 2, kOverflow = 4, kDivideByZero = 8, kInvalid = 16, kDenormal = 32 };

constexpr uint32_t kSign = 0x80000000;
constexpr uint32_t kSmallestNormal = 0x00800000;
constexpr uint32_t kInfinity = 0x7F800000;
constexpr uint32_t kCanonicalNan = 0x7FC00000;
constexpr uint32_t kOne = 0x3F800000;

inline uint32_t magnitude(uint32_t code) { return code & ~kSign; }
inline bool is_nan(uint32_t code) { return magnitude(code) > kInfinity; }
inline bool is_signalling(uint32_t code) { return is_nan(code) && (code & 0x400000) == 0; }
inline bool is_denormal(uint32_t code) { return magnitude(code) - 1 < kSmallestNormal - 1; }
inline unsigned denormal_flag(uint32_t code) { return is_denormal(code) ? kDenormal : 0u; }
inline unsigned signalling_flag(uint32_t code) { return is_signalling(code) ? kInvalid : 0u; }

// significand * 2**exponent, rounded to nearest, ties to even. `sticky` stands for more below its last bit, of less than a
// unit; the significand has at least 26 bits then.
uint32_t round_binary32(bool negative, int exponent, uint64_t significand, bool sticky, unsigned& flags);

// a * b + c, rounded once.
uint32_t multiply_add(uint32_t a, uint32_t b, uint32_t c, unsigned& flags);
inline uint32_t add(uint32_t a, uint32_t b, unsigned& flags) { return multiply_add(a, kOne, b, flags); }
// Adding a zero of the product's sign changes nothing.
inline uint32_t multiply(uint32_t a, uint32_t b, unsigned& flags) { return multiply_add(a, b, (a ^ b) & kSign, flags); }

uint32_t reciprocal(uint32_t x, unsigned& flags);
uint32_t reciprocal_square_root(uint32_t x, unsigned& flags);
uint32_t power_of_two(uint32_t x, unsigned& flags);

// Of a number and a NaN the number; -0 < +0.
uint32_t minimum(uint32_t a, uint32_t b, unsigned& flags);
uint32_t maximum(uint32_t a, uint32_t b, unsigned& flags);

bool equal(uint32_t a, uint32_t b, unsigned& flags);
bool less(uint32_t a, uint32_t b, unsigned& flags);
bool less_or_equal(uint32_t a, uint32_t b, unsigned& flags);

// One-hot class, as RISC-V's fclass has it.
uint32_t classify(uint32_t code);

// Saturates; NaN gives 2**31 - 1.
uint32_t to_int32(uint32_t code, bool towards_zero, unsigned& flags);
uint32_t from_int32(uint32_t value, unsigned& flags);

}  // namespace opend1

#endif
