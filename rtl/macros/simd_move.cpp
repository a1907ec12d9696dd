// SPDX-License-Identifier: Apache-2.0
#include <type_traits>

#include "simd.h"

#if !defined(__clang__)
#pragma GCC optimize("O3")
#endif

namespace opend1 {
namespace {

enum Move : unsigned {
    kAnd, kOr, kXor, kAndn, kSel, kNarrowI16, kNarrowU16, kNarrowI8, kNarrowU8, kShuf8, kShuf16, kShuf32, kSlideUp, kSlideDown,
};
// Of kUnary: eight ways to widen, then broadcasts.
enum Unary : unsigned {
    kWidenI16L, kWidenI16H, kWidenU16L, kWidenU16H, kWidenI32L, kWidenI32H, kWidenU32L, kWidenU32H, kBc8, kBc16, kBc32, kBc64,
};
enum LaneOperation : unsigned { kBcl8, kBcl16, kBcl32, kTrn8, kTrn16, kTrn32 };

constexpr int kTransposed = 8;

template <typename Lane>
Lane load(const uint8_t* line, int lane) {
    Lane value;
    std::memcpy(&value, line + lane * sizeof value, sizeof value);
    return value;
}

template <typename Lane>
void store(Lane value, uint8_t* line, int lane) {
    std::memcpy(line + lane * sizeof value, &value, sizeof value);
}

template <typename Operation>
void bitwise(const Operands& operands, Operation operation, Result& result) {
    for (int i = 0; i < operands.line_bytes; i++) {
        result.bytes[i] = static_cast<uint8_t>(operation(operands.a[i], operands.b[i]));
    }
}

// Signed lanes saturate to what Narrow holds.
template <typename Wide, typename Narrow>
void narrow(const Operands& operands, Result& result) {
    constexpr Wide kLeast = std::is_signed_v<Narrow> ? -(Wide{1} << (8 * sizeof(Narrow) - 1)) : 0;
    constexpr Wide kMost = static_cast<Wide>(kLeast + ((int64_t{1} << 8 * sizeof(Narrow)) - 1));
    const int lanes = operands.line_bytes / static_cast<int>(sizeof(Wide));
    for (int half = 0; half < 2; half++) {
        for (int lane = 0; lane < lanes; lane++) {
            const Wide value = load<Wide>(half == 0 ? operands.a : operands.b, lane);
            const Wide limited = value < kLeast ? kLeast : value > kMost ? kMost : value;
            store(static_cast<Narrow>(limited), result.bytes, half * lanes + lane);
        }
    }
}

template <typename Narrow, typename Wide>
void widen(const Operands& operands, int half, Result& result) {
    const int lanes = operands.line_bytes / static_cast<int>(sizeof(Wide));
    for (int lane = 0; lane < lanes; lane++) {
        store(static_cast<Wide>(load<Narrow>(operands.a, half * lanes + lane)), result.bytes, lane);
    }
}

template <typename Lane>
void shuffle(const Operands& operands, Result& result) {
    const int lanes = operands.line_bytes / static_cast<int>(sizeof(Lane));
    for (int lane = 0; lane < lanes; lane++) {
        const Lane index = load<Lane>(operands.b, lane);
        store(load<Lane>(operands.a, static_cast<int>(index % static_cast<unsigned>(lanes))), result.bytes, lane);
    }
}

void slide(const Operands& operands, bool up, Result& result) {
    const uint64_t size = static_cast<uint64_t>(operands.line_bytes);
    const uint64_t distance = operands.scalar < size ? operands.scalar : size;
    std::memset(result.bytes, 0, size);
    if (up) {
        std::memcpy(result.bytes + distance, operands.a, size - distance);
    } else {
        std::memcpy(result.bytes, operands.a + distance, size - distance);
    }
}

template <typename Lane>
void broadcast_lane(const Operands& operands, Result& result) {
    fill(operands, load<Lane>(operands.a, static_cast<int>(operands.scalar % (operands.line_bytes / sizeof(Lane)))), result);
}

// The registers of a pair hold some bytes of the register that is wanted.
template <typename Lane>
void transpose_pair(const Operands& operands) {
    const int lanes = operands.line_bytes / static_cast<int>(sizeof(Lane));
    for (int lane = 0; lane < lanes; lane++) {
        const int element = static_cast<int>(operands.sub) * lanes + lane;
        const int source = element % kTransposed * kTransposed + element / kTransposed;
        const unsigned from = static_cast<unsigned>(source / lanes);
        if (from / 2 == operands.row) {
            store(load<Lane>(from % 2 == 0 ? operands.a : operands.b, source % lanes), operands.collected, lane);
        }
    }
}

}  // namespace

void move_operation(const Operands& operands, Result& result) {
    typedef uint8_t Byte;
    switch (operands.operation) {
        case kAnd: return bitwise(operands, [](Byte a, Byte b) { return a & b; }, result);
        case kOr: return bitwise(operands, [](Byte a, Byte b) { return a | b; }, result);
        case kXor: return bitwise(operands, [](Byte a, Byte b) { return a ^ b; }, result);
        case kAndn: return bitwise(operands, [](Byte a, Byte b) { return a & ~b; }, result);
        case kSel:
            for (int i = 0; i < operands.line_bytes; i++) result.bytes[i] = operands.is_active(i) ? operands.a[i] : operands.b[i];
            result.is_merged = false;
            return;
        case kNarrowI16: return narrow<int32_t, int16_t>(operands, result);
        case kNarrowU16: return narrow<int32_t, uint16_t>(operands, result);
        case kNarrowI8: return narrow<int16_t, int8_t>(operands, result);
        case kNarrowU8: return narrow<int16_t, uint8_t>(operands, result);
        case kShuf8: return shuffle<uint8_t>(operands, result);
        case kShuf16: return shuffle<uint16_t>(operands, result);
        case kShuf32: return shuffle<uint32_t>(operands, result);
        case kSlideUp: return slide(operands, true, result);
        case kSlideDown: return slide(operands, false, result);
        default: break;
    }
    switch (operands.sub) {
        case kWidenI16L: return widen<int8_t, int16_t>(operands, 0, result);
        case kWidenI16H: return widen<int8_t, int16_t>(operands, 1, result);
        case kWidenU16L: return widen<uint8_t, uint16_t>(operands, 0, result);
        case kWidenU16H: return widen<uint8_t, uint16_t>(operands, 1, result);
        case kWidenI32L: return widen<int16_t, int32_t>(operands, 0, result);
        case kWidenI32H: return widen<int16_t, int32_t>(operands, 1, result);
        case kWidenU32L: return widen<uint16_t, uint32_t>(operands, 0, result);
        case kWidenU32H: return widen<uint16_t, uint32_t>(operands, 1, result);
        case kBc8: return fill(operands, static_cast<uint8_t>(operands.scalar), result);
        case kBc16: return fill(operands, static_cast<uint16_t>(operands.scalar), result);
        case kBc32: return fill(operands, static_cast<uint32_t>(operands.scalar), result);
        case kBc64: return fill(operands, operands.scalar, result);
        default: break;
    }
}

void lane_operation(const Operands& operands, Result& result) {
    switch (operands.operation) {
        case kBcl8: return broadcast_lane<uint8_t>(operands, result);
        case kBcl16: return broadcast_lane<uint16_t>(operands, result);
        case kBcl32: return broadcast_lane<uint32_t>(operands, result);
        default: break;
    }
    collect_pair(operands);
    std::memcpy(result.bytes, operands.collected, static_cast<size_t>(operands.line_bytes));
}

void collect_pair(const Operands& operands) {
    switch (operands.operation) {
        case kTrn8: return transpose_pair<uint8_t>(operands);
        case kTrn16: return transpose_pair<uint16_t>(operands);
        case kTrn32: return transpose_pair<uint32_t>(operands);
        default: break;
    }
}

}  // namespace opend1
