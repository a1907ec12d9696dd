// SPDX-License-Identifier: Apache-2.0
// Inside of the SIMD unit: operations on one line, by the instruction table of golden/isa.py.
#ifndef OPEND1_SIMD_H
#define OPEND1_SIMD_H

#include <cstdint>
#include <cstring>

namespace opend1 {

constexpr int kMaxLineBytes = 64;
constexpr int kMaxFp32Lanes = kMaxLineBytes / 4;

// Operation of rows with one operand; `sub` tells which.
constexpr unsigned kUnary = 15;

struct Operands {
    int line_bytes;
    // Low four bits of funct7.
    unsigned operation;
    // The rs2 field.
    unsigned sub;
    const uint8_t* a;
    const uint8_t* b;
    const uint8_t* c;
    uint64_t scalar;
    // A bit per byte of the line.
    uint64_t mask;
    unsigned kind;
    int bias;
    // 24 bits for each FP32 lane after one step of the generators, then after two.
    const uint8_t* random;
    // Which pair of the group a and b are, and what earlier pairs have brought into the result.
    unsigned row;
    uint8_t* collected;

    bool is_active(int byte) const { return (mask >> byte & 1) != 0; }
    uint32_t random_bits(int element) const {
        const uint8_t* const bytes = random + 3 * element;
        return bytes[0] | static_cast<uint32_t>(bytes[1]) << 8 | static_cast<uint32_t>(bytes[2]) << 16;
    }
};

struct Result {
    // A vector, or a predicate in as many bits as the line has bytes.
    alignas(kMaxLineBytes) uint8_t bytes[kMaxLineBytes];
    unsigned flags;
    // Whether bytes that are masked off are to be taken from c.
    bool is_merged;
};

enum class FloatType { kFp32, kBf16, kBf16Stochastic };

void float_operation(const Operands& operands, FloatType type, Result& result);
// On lanes of so many bytes: 4, 2 or 1.
void integer_operation(const Operands& operands, int lane_bytes, Result& result);
// funct3 6: bitwise operations, selection, narrowing, shuffles, slides, widening, broadcasts of a scalar.
void move_operation(const Operands& operands, Result& result);
// funct3 7: broadcasts of a lane, transposes.
void lane_operation(const Operands& operands, Result& result);
void convert_operation(const Operands& operands, Result& result);

// A transpose takes its pair of registers.
void collect_pair(const Operands& operands);

// All ones in the lanes for which `is_true(lane)` holds and whose bits of the mask are set.
template <typename Predicate>
inline void set_predicate(const Operands& operands, int lane_bytes, Predicate is_true, Result& result) {
    uint64_t bits = 0;
    const uint64_t lane = (uint64_t{1} << lane_bytes) - 1;
    for (int byte = 0; byte < operands.line_bytes; byte += lane_bytes) {
        if (is_true(byte / lane_bytes)) bits |= lane << byte;
    }
    bits &= operands.mask;
    std::memset(result.bytes, 0, sizeof result.bytes);
    std::memcpy(result.bytes, &bits, sizeof bits);
    result.is_merged = false;
}

// Every lane of the result is this one.
template <typename Lane>
inline void fill(const Operands& operands, Lane lane, Result& result) {
    for (int byte = 0; byte < operands.line_bytes; byte += sizeof lane) std::memcpy(result.bytes + byte, &lane, sizeof lane);
}

}  // namespace opend1

#endif
