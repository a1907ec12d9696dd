// SPDX-License-Identifier: Apache-2.0
#include "float32.h"
#include "formats.h"
#include "simd.h"

namespace opend1 {
namespace {

enum Convert : unsigned {
    kFromBf16L = 0, kFromBf16H = 1, kToBf16 = 2, kToBf16Stochastic = 3, kFromFormat = 4, kToFormat = 8, kToFormatStochastic = 12,
};
constexpr unsigned kParts = 4;

uint32_t load_code(const uint8_t* line, unsigned code_bytes, unsigned index) {
    uint32_t code = 0;
    std::memcpy(&code, line + index * code_bytes, code_bytes);
    return code;
}

// Codes from number `first` on become FP32 lanes.
void decode_lanes(const Operands& operands, const Format& format, unsigned first, Result& result) {
    for (int lane = 0; lane < operands.line_bytes / 4; lane++) {
        unsigned flags = 0;
        const uint32_t code = load_code(operands.a, format.code_bytes, first + static_cast<unsigned>(lane));
        const uint32_t value = decode(code, format, flags);
        std::memcpy(result.bytes + 4 * lane, &value, sizeof value);
        if (operands.is_active(4 * lane)) result.flags |= flags;
    }
}

// FP32 lanes become codes from number `first` on; `element` counts the random bits.
void encode_lanes(const Operands& operands, const uint8_t* lanes, const Format& format, bool stochastic, unsigned first,
                  int element, Result& result) {
    for (int lane = 0; lane < operands.line_bytes / 4; lane++) {
        unsigned flags = 0;
        const uint32_t value = load_code(lanes, 4, static_cast<unsigned>(lane));
        const uint32_t code = stochastic ? encode_stochastic(value, format, operands.random_bits(element + lane), flags)
                                         : encode(value, format, flags);
        const unsigned byte = (first + static_cast<unsigned>(lane)) * format.code_bytes;
        std::memcpy(result.bytes + byte, &code, format.code_bytes);
        if (operands.is_active(static_cast<int>(byte))) result.flags |= flags;
    }
}

}  // namespace

void convert_operation(const Operands& operands, Result& result) {
    const unsigned lanes = static_cast<unsigned>(operands.line_bytes) / 4;
    switch (operands.operation) {
        case kFromBf16L:
        case kFromBf16H:
            return decode_lanes(operands, format_of(kBf16, 0), operands.operation == kFromBf16H ? lanes : 0, result);
        case kToBf16:
        case kToBf16Stochastic: {
            const Format format = format_of(kBf16, 0);
            const bool stochastic = operands.operation == kToBf16Stochastic;
            encode_lanes(operands, operands.a, format, stochastic, 0, 0, result);
            return encode_lanes(operands, operands.b, format, stochastic, lanes, static_cast<int>(lanes), result);
        }
        default: break;
    }
    const Format format = format_of(operands.kind, operands.bias);
    const unsigned part = operands.operation % kParts % (4 / format.code_bytes);
    if (operands.operation < kToFormat) return decode_lanes(operands, format, part * lanes, result);
    std::memcpy(result.bytes, operands.c, static_cast<size_t>(operands.line_bytes));
    encode_lanes(operands, operands.a, format, operands.operation >= kToFormatStochastic, part * lanes, 0, result);
}

}  // namespace opend1
