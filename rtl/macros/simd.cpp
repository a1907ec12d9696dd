// SPDX-License-Identifier: Apache-2.0
#include "simd.h"

#include "arithmetic.h"

#if !defined(__clang__)
// Simulators compile everything alike, mostly for size.
#pragma GCC optimize("O3")
#endif

namespace opend1 {
namespace {

// Bit 7 of the number of an operation tells custom-0, bits 4 to 6 are funct3.
enum Group : unsigned {
    kFloat32 = 0x0, kConvert = 0x1, kBfloat16 = 0x2, kInteger32 = 0x3, kInteger16 = 0x4, kInteger8 = 0x5, kMove = 0x6, kLane = 0x7,
    kBfloat16Stochastic = 0xF,
};

// A line with room behind it, so that loops need not depend on its size.
struct Line {
    alignas(kMaxLineBytes) uint8_t bytes[kMaxLineBytes];

    Line(const uint32_t* words, int line_bytes) : bytes{} { std::memcpy(bytes, words, static_cast<size_t>(line_bytes)); }
};

void execute(unsigned group, const Operands& operands, Result& result) {
    switch (group) {
        case kFloat32: return float_operation(operands, FloatType::kFp32, result);
        case kConvert: return convert_operation(operands, result);
        case kBfloat16: return float_operation(operands, FloatType::kBf16, result);
        case kBfloat16Stochastic: return float_operation(operands, FloatType::kBf16Stochastic, result);
        case kInteger32: return integer_operation(operands, 4, result);
        case kInteger16: return integer_operation(operands, 2, result);
        case kInteger8: return integer_operation(operands, 1, result);
        case kMove: return move_operation(operands, result);
        case kLane: return lane_operation(operands, result);
        default: return;
    }
}

// Bytes that are masked off come from c.
void merge(const Operands& operands, Result& result) {
    const uint64_t full = ~uint64_t{0} >> (kMaxLineBytes - operands.line_bytes);
    if ((operands.mask & full) == full) return;
    for (int byte = 0; byte < kMaxLineBytes; byte++) {
        result.bytes[byte] = operands.is_active(byte) ? result.bytes[byte] : operands.c[byte];
    }
}

}  // namespace
}  // namespace opend1

unsigned char d1_simd_operate(int line_bytes, unsigned char op, unsigned char sub, const uint32_t* a, const uint32_t* b,
                              const uint32_t* c, unsigned long long scalar, const uint32_t* mask, unsigned char format,
                              unsigned char bias, const uint32_t* random, unsigned char row,
                              const uint32_t* collected, uint32_t* result) {
    const opend1::Line line_a{a, line_bytes}, line_b{b, line_bytes}, line_c{c, line_bytes};
    opend1::Line line_collected{collected, line_bytes};
    opend1::Operands operands{};
    operands.line_bytes = line_bytes;
    operands.operation = op & 0xF;
    operands.sub = sub;
    operands.a = line_a.bytes;
    operands.b = line_b.bytes;
    operands.c = line_c.bytes;
    operands.scalar = scalar;
    std::memcpy(&operands.mask, mask, static_cast<size_t>(line_bytes / 8));
    operands.kind = format;
    operands.bias = bias;
    operands.random = reinterpret_cast<const uint8_t*>(random);
    operands.row = row;
    operands.collected = line_collected.bytes;
    opend1::Result made;
    made.flags = 0;
    made.is_merged = true;
    opend1::execute(op >> 4, operands, made);
    if (made.is_merged) opend1::merge(operands, made);
    std::memcpy(result, made.bytes, static_cast<size_t>(line_bytes));
    return static_cast<unsigned char>(made.flags);
}

void d1_simd_collect(int line_bytes, unsigned char op, unsigned char sub, const uint32_t* a, const uint32_t* b,
                     unsigned char row, const uint32_t* before, uint32_t* after) {
    opend1::Operands operands{};
    operands.line_bytes = line_bytes;
    operands.operation = op & 0xF;
    operands.sub = sub;
    operands.a = reinterpret_cast<const uint8_t*>(a);
    operands.b = reinterpret_cast<const uint8_t*>(b);
    operands.row = row;
    operands.collected = reinterpret_cast<uint8_t*>(after);
    std::memmove(after, before, static_cast<size_t>(line_bytes));
    opend1::collect_pair(operands);
}
