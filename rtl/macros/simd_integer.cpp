// SPDX-License-Identifier: Apache-2.0
#include <type_traits>

#include "simd.h"

#if !defined(__clang__)
#pragma GCC optimize("O3")
#endif

namespace opend1 {
namespace {

enum Binary : unsigned {
    kAdd, kSub, kMul, kMulh, kMulhu, kSll, kSrl, kSra, kMin, kMax, kMinu, kMaxu, kEq, kLt, kLtu,
};
enum Reduction : unsigned { kRedsum = 7, kRedmin = 8, kRedmax = 9, kRedminu = 10, kRedmaxu = 11 };

template <typename Unsigned>
struct Lanes {
    static constexpr int kBits = 8 * sizeof(Unsigned);
    typedef std::make_signed_t<Unsigned> Signed;

    static Unsigned load(const uint8_t* line, int lane) {
        Unsigned value;
        std::memcpy(&value, line + lane * sizeof value, sizeof value);
        return value;
    }

    template <typename Operation>
    static void each(const Operands& operands, Operation operation, Result& result) {
        const int lanes = operands.line_bytes / static_cast<int>(sizeof(Unsigned));
        for (int lane = 0; lane < lanes; lane++) {
            const Unsigned value = static_cast<Unsigned>(operation(load(operands.a, lane), load(operands.b, lane)));
            std::memcpy(result.bytes + lane * sizeof value, &value, sizeof value);
        }
    }

    template <typename Operation>
    static void compare(const Operands& operands, Operation operation, Result& result) {
        const auto is_true = [&](int lane) { return operation(load(operands.a, lane), load(operands.b, lane)); };
        set_predicate(operands, sizeof(Unsigned), is_true, result);
    }

    template <typename Operation>
    static void reduce(const Operands& operands, Operation operation, Result& result) {
        Unsigned reduced = load(operands.a, 0);
        const int lanes = operands.line_bytes / static_cast<int>(sizeof(Unsigned));
        for (int lane = 1; lane < lanes; lane++) reduced = static_cast<Unsigned>(operation(reduced, load(operands.a, lane)));
        fill(operands, reduced, result);
    }

    static Unsigned minimum(Unsigned a, Unsigned b) { return static_cast<Signed>(a) < static_cast<Signed>(b) ? a : b; }
    static Unsigned maximum(Unsigned a, Unsigned b) { return static_cast<Signed>(a) < static_cast<Signed>(b) ? b : a; }
    static Unsigned minimum_unsigned(Unsigned a, Unsigned b) { return a < b ? a : b; }
    static Unsigned maximum_unsigned(Unsigned a, Unsigned b) { return a < b ? b : a; }

    static void execute(const Operands& operands, Result& result) {
        // Products of any two lanes fit; the low bits of sums do not depend on the type.
        const auto wide = [](Unsigned x) { return static_cast<uint64_t>(x); };
        const auto wide_signed = [](Unsigned x) { return static_cast<int64_t>(static_cast<Signed>(x)); };
        const auto distance = [](Unsigned x) { return static_cast<int>(x & (kBits - 1)); };
        const auto sum = [=](Unsigned a, Unsigned b) { return wide(a) + wide(b); };
        switch (operands.operation) {
            case kAdd: return each(operands, sum, result);
            case kSub: return each(operands, [=](Unsigned a, Unsigned b) { return wide(a) - wide(b); }, result);
            case kMul: return each(operands, [=](Unsigned a, Unsigned b) { return wide(a) * wide(b); }, result);
            case kMulh:
                return each(operands, [=](Unsigned a, Unsigned b) { return wide_signed(a) * wide_signed(b) >> kBits; }, result);
            case kMulhu: return each(operands, [=](Unsigned a, Unsigned b) { return wide(a) * wide(b) >> kBits; }, result);
            case kSll: return each(operands, [=](Unsigned a, Unsigned b) { return wide(a) << distance(b); }, result);
            case kSrl: return each(operands, [=](Unsigned a, Unsigned b) { return wide(a) >> distance(b); }, result);
            case kSra: return each(operands, [=](Unsigned a, Unsigned b) { return wide_signed(a) >> distance(b); }, result);
            case kMin: return each(operands, minimum, result);
            case kMax: return each(operands, maximum, result);
            case kMinu: return each(operands, minimum_unsigned, result);
            case kMaxu: return each(operands, maximum_unsigned, result);
            case kEq: return compare(operands, [](Unsigned a, Unsigned b) { return a == b; }, result);
            case kLt:
                return compare(operands, [=](Unsigned a, Unsigned b) { return wide_signed(a) < wide_signed(b); }, result);
            case kLtu: return compare(operands, [](Unsigned a, Unsigned b) { return a < b; }, result);
            default: break;
        }
        switch (operands.sub) {
            case kRedsum: return reduce(operands, sum, result);
            case kRedmin: return reduce(operands, minimum, result);
            case kRedmax: return reduce(operands, maximum, result);
            case kRedminu: return reduce(operands, minimum_unsigned, result);
            case kRedmaxu: return reduce(operands, maximum_unsigned, result);
            default: break;
        }
    }
};

}  // namespace

void integer_operation(const Operands& operands, int lane_bytes, Result& result) {
    switch (lane_bytes) {
        case 4: return Lanes<uint32_t>::execute(operands, result);
        case 2: return Lanes<uint16_t>::execute(operands, result);
        default: return Lanes<uint8_t>::execute(operands, result);
    }
}

}  // namespace opend1
