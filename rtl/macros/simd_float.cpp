// SPDX-License-Identifier: Apache-2.0
// Float lanes. Sums, products and multiply-adds of numbers use the machine's binary32 where it has all of IEEE 754's flags and
// finds tininess after rounding, and give the same bits as float32.cpp.
#include "float32.h"
#include "floating_point_mode.h"
#include "simd.h"
#include "variant.h"

#if !defined(__clang__)
#pragma GCC optimize("O3")
#endif

namespace opend1 {
namespace {

enum Operation : unsigned {
    kAdd, kSub, kMul, kMadd, kMsub, kNmsub, kNmadd, kMin, kMax, kSgnj, kSgnjn, kSgnjx, kEq, kLt, kLe,
};
// Of kUnary.
enum Unary : unsigned {
    kClass, kRcp, kRsqrt, kExp2, kToInt, kToIntZero, kFromInt, kRedsum, kRedmin, kRedmax,
};

constexpr int kLanes = kMaxFp32Lanes;

// What lanes hold whose lowest byte is masked off, and those that the line does not have: with ones, no operation raises a flag.
constexpr uint32_t kIdle = kOne;

// binary32 codes.
struct alignas(4 * kLanes) Lanes {
    uint32_t codes[kLanes];
};

template <typename Element>
uint32_t widen(Element code) {
    return static_cast<uint32_t>(code) << (32 - 8 * sizeof(Element));
}

// Elements from number `first` on.
template <typename Element>
Lanes load(const Operands& operands, const uint8_t* line, int first) {
    Element elements[kLanes];
    std::memcpy(elements, line + first * sizeof(Element), sizeof elements);
    const uint64_t mask = operands.mask >> (first * sizeof(Element));
    Lanes lanes;
    for (int lane = 0; lane < kLanes; lane++) {
        lanes.codes[lane] = (mask >> (lane * sizeof(Element)) & 1) != 0 ? widen(elements[lane]) : kIdle;
    }
    return lanes;
}

// Upper bits of codes, which is all that there is to a BF16 number.
template <typename Element>
void store_upper(const Lanes& lanes, int first, Result& result) {
    Element elements[kLanes];
    for (int lane = 0; lane < kLanes; lane++) {
        elements[lane] = static_cast<Element>(lanes.codes[lane] >> (32 - 8 * sizeof(Element)));
    }
    std::memcpy(result.bytes + first * sizeof(Element), elements, sizeof elements);
}

// Lower bits, where lanes are integers.
template <typename Element>
void store_lower(const Lanes& lanes, int first, Result& result) {
    Element elements[kLanes];
    for (int lane = 0; lane < kLanes; lane++) elements[lane] = static_cast<Element>(lanes.codes[lane]);
    std::memcpy(result.bytes + first * sizeof(Element), elements, sizeof elements);
}

// The second step of BF16 operations; NaN is canonical.
void store_rounded(const Lanes& lanes, const uint32_t* random, int first, Result& result) {
    uint16_t elements[kLanes];
    uint32_t flags = 0;
    for (int lane = 0; lane < kLanes; lane++) {
        const uint32_t code = lanes.codes[lane], size = magnitude(code);
        const uint32_t added = random == nullptr ? 0x7FFF + (code >> 16 & 1) : random[lane];
        const bool nan = size > kInfinity, finite = size < kInfinity;
        const uint32_t rounded = nan ? code >> 16 : (code + added) >> 16;
        const uint32_t field = rounded & 0x7F80;
        const bool inexact = finite & ((code & 0xFFFF) != 0), over = finite & (field == 0x7F80);
        flags |= (inexact ? kInexact : 0u) | (inexact & (field == 0) ? kUnderflow : 0u) | (over ? kOverflow : 0u);
        elements[lane] = static_cast<uint16_t>(rounded);
    }
    result.flags |= flags;
    std::memcpy(result.bytes + first * sizeof(uint16_t), elements, sizeof elements);
}

enum class Arithmetic { kSum, kProduct, kMultiplyAdd };

#if defined(__x86_64__)
constexpr bool kMachineHasFlags = true;

unsigned flags_of(unsigned control) {
    constexpr unsigned kMachineInvalid = 1, kMachineOverflow = 8, kMachineUnderflow = 16, kMachineInexact = 32;
    return ((control & kMachineInvalid) != 0 ? kInvalid : 0u) | ((control & kMachineOverflow) != 0 ? kOverflow : 0u) |
           ((control & kMachineUnderflow) != 0 ? kUnderflow : 0u) | ((control & kMachineInexact) != 0 ? kInexact : 0u);
}

// x + y, x * y or x * y + z without NaN among them.
__attribute__((target("avx2,fma"))) unsigned machine_arithmetic(Arithmetic operation, const Lanes& x, const Lanes& y,
                                                                const Lanes& z, Lanes& result) {
    const FloatingPointMode mode;
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before & ~0x3Fu);
    float a[kLanes], b[kLanes], c[kLanes], sums[kLanes];
    // The compiler does not know of flags; nothing may be computed before these operands are loaded, nor after the sums are there.
    asm volatile("" : : "r"(&x), "r"(&y), "r"(&z) : "memory");
    std::memcpy(a, &x, sizeof a);
    std::memcpy(b, &y, sizeof b);
    std::memcpy(c, &z, sizeof c);
    switch (operation) {
        case Arithmetic::kSum:
            for (int lane = 0; lane < kLanes; lane++) sums[lane] = a[lane] + b[lane];
            break;
        case Arithmetic::kProduct:
            for (int lane = 0; lane < kLanes; lane++) sums[lane] = a[lane] * b[lane];
            break;
        case Arithmetic::kMultiplyAdd:
            for (int lane = 0; lane < kLanes; lane++) sums[lane] = __builtin_fmaf(a[lane], b[lane], c[lane]);
            break;
    }
    std::memcpy(&result, sums, sizeof sums);
    asm volatile("" : : "r"(&result) : "memory");
    const unsigned after = _mm_getcsr();
    _mm_setcsr(before);
    for (uint32_t& code : result.codes) code = is_nan(code) ? kCanonicalNan : code;
    return flags_of(after);
}
#else
constexpr bool kMachineHasFlags = false;

unsigned machine_arithmetic(Arithmetic, const Lanes&, const Lanes&, const Lanes&, Lanes&) { return 0; }
#endif

// vadd to vnmadd.
Lanes arithmetic(unsigned operation, const Lanes& a_lanes, const Lanes& b_lanes, const Lanes& c_lanes, Result& result) {
    Lanes x = a_lanes, y = b_lanes, z = c_lanes;
    const bool adds = operation == kAdd || operation == kSub;
    const bool multiplies_only = operation == kMul;
    if (operation == kSub) {
        for (uint32_t& code : y.codes) code ^= kSign;
    }
    if (operation == kNmsub || operation == kNmadd) {
        for (uint32_t& code : x.codes) code ^= kSign;
    }
    if (operation == kMsub || operation == kNmadd) {
        for (uint32_t& code : z.codes) code ^= kSign;
    }
    if (adds || multiplies_only) {
        for (uint32_t& code : z.codes) code = kIdle;
    }
    bool any_nan = false, any_denormal = false;
    for (int lane = 0; lane < kLanes; lane++) {
        const uint32_t a = x.codes[lane], b = y.codes[lane], c = z.codes[lane];
        any_nan |= is_nan(a) | is_nan(b) | is_nan(c);
        any_denormal |= is_denormal(a) | is_denormal(b) | is_denormal(c);
    }
    if (any_denormal) result.flags |= kDenormal;
    Lanes sums;
    if (kMachineHasFlags && variant != kBasic && !any_nan) {
        const auto kind = adds ? Arithmetic::kSum : multiplies_only ? Arithmetic::kProduct : Arithmetic::kMultiplyAdd;
        result.flags |= machine_arithmetic(kind, x, y, z, sums);
        return sums;
    }
    for (int lane = 0; lane < kLanes; lane++) {
        const uint32_t a = x.codes[lane], b = y.codes[lane], c = z.codes[lane];
        sums.codes[lane] = adds              ? add(a, b, result.flags)
                           : multiplies_only ? multiply(a, b, result.flags)
                                             : multiply_add(a, b, c, result.flags);
    }
    return sums;
}

// What the operations do that do not round: their results are operands, but for the sign.
uint32_t selected(unsigned operation, uint32_t a, uint32_t b, unsigned& flags) {
    switch (operation) {
        case kMin: return minimum(a, b, flags);
        case kMax: return maximum(a, b, flags);
        case kSgnj: return magnitude(a) | (b & kSign);
        case kSgnjn: return magnitude(a) | (~b & kSign);
        default: return a ^ (b & kSign);
    }
}

bool compared(unsigned operation, uint32_t a, uint32_t b, unsigned& flags) {
    switch (operation) {
        case kEq: return equal(a, b, flags);
        case kLt: return less(a, b, flags);
        default: return less_or_equal(a, b, flags);
    }
}

uint32_t computed(unsigned unary, uint32_t a, unsigned& flags) {
    if (unary == kFromInt) return from_int32(a, flags);
    flags |= denormal_flag(a);
    switch (unary) {
        case kRcp: return reciprocal(a, flags);
        case kRsqrt: return reciprocal_square_root(a, flags);
        case kExp2: return power_of_two(a, flags);
        default: return to_int32(a, unary == kToIntZero, flags);
    }
}

uint32_t combined(unsigned reduction, uint32_t a, uint32_t b, unsigned& flags) {
    switch (reduction) {
        case kRedsum: flags |= denormal_flag(a) | denormal_flag(b); return add(a, b, flags);
        case kRedmin: return minimum(a, b, flags);
        default: return maximum(a, b, flags);
    }
}

// A mask does not keep lanes out of a reduction.
template <typename Element>
uint32_t reduced(const Operands& operands, Result& result) {
    constexpr int kElements = kMaxLineBytes / static_cast<int>(sizeof(Element));
    Element elements[kElements];
    std::memcpy(elements, operands.a, sizeof elements);
    uint32_t codes[kElements];
    for (int i = 0; i < kElements; i++) codes[i] = widen(elements[i]);
    for (int left = operands.line_bytes / static_cast<int>(sizeof(Element)) / 2; left > 0; left /= 2) {
        for (int i = 0; i < left; i++) codes[i] = combined(operands.sub, codes[2 * i], codes[2 * i + 1], result.flags);
    }
    return codes[0];
}

template <typename Element>
class FloatLanes {
    static constexpr bool kIsBf16 = sizeof(Element) == 2;

public:
    FloatLanes(const Operands& operands, bool stochastic, Result& result)
        : operands_{operands}, stochastic_{stochastic}, result_{result} {}

    void execute() {
        const unsigned operation = operands_.operation;
        if (operation == kEq || operation == kLt || operation == kLe) return compare();
        if (operation == kUnary && operands_.sub >= kRedsum) return reduce();
        for (int first = 0; first * static_cast<int>(sizeof(Element)) < operands_.line_bytes; first += kLanes) {
            if (operation == kUnary) {
                execute_unary(first);
            } else {
                execute_binary(first);
            }
        }
        // Lanes of which only upper bytes are written raise no flags, but their results count.
        const uint64_t rest = rest_of_mask();
        if (rest != 0) execute_rest(rest);
    }

private:
    // The lowest bytes of lanes of which other bytes are written and these are not.
    uint64_t rest_of_mask() const {
        uint64_t others = operands_.mask >> 1;
        for (unsigned byte = 2; byte < sizeof(Element); byte++) others |= operands_.mask >> byte;
        constexpr uint64_t kLowest = ~uint64_t{0} / ((uint64_t{1} << sizeof(Element)) - 1);
        return others & ~operands_.mask & kLowest;
    }

    void execute_rest(uint64_t rest) {
        Operands operands = operands_;
        operands.mask = rest;
        Result result;
        result.flags = 0;
        FloatLanes(operands, stochastic_, result).execute();
        for (int byte = 0; byte < operands.line_bytes; byte += sizeof(Element)) {
            if (operands.is_active(byte)) std::memcpy(result_.bytes + byte, result.bytes + byte, sizeof(Element));
        }
    }

    void execute_binary(int first) {
        const Lanes x = load<Element>(operands_, operands_.a, first), y = load<Element>(operands_, operands_.b, first);
        if (operands_.operation <= kNmadd) {
            const Lanes z = load<Element>(operands_, operands_.c, first);
            return store_results(arithmetic(operands_.operation, x, y, z, result_), first);
        }
        Lanes lanes;
        for (int lane = 0; lane < kLanes; lane++) {
            lanes.codes[lane] = selected(operands_.operation, x.codes[lane], y.codes[lane], result_.flags);
        }
        store_upper<Element>(lanes, first, result_);
    }

    void execute_unary(int first) {
        Lanes lanes = load<Element>(operands_, operands_.a, first);
        if (operands_.sub == kClass) {
            for (uint32_t& code : lanes.codes) code = classify(code);
            return store_lower<Element>(lanes, first, result_);
        }
        for (uint32_t& code : lanes.codes) code = computed(operands_.sub, code, result_.flags);
        store_results(lanes, first);
    }

    void compare() {
        const auto is_true = [this](int lane) {
            const int byte = lane * static_cast<int>(sizeof(Element));
            Element a, b;
            std::memcpy(&a, operands_.a + byte, sizeof a);
            std::memcpy(&b, operands_.b + byte, sizeof b);
            unsigned flags = 0;
            const bool truth = compared(operands_.operation, widen(a), widen(b), flags);
            if (operands_.is_active(byte)) result_.flags |= flags;
            return truth;
        };
        set_predicate(operands_, sizeof(Element), is_true, result_);
    }

    void reduce() {
        Lanes lanes;
        for (uint32_t& code : lanes.codes) code = kIdle;
        lanes.codes[0] = reduced<Element>(operands_, result_);
        if (operands_.sub == kRedsum) {
            store_results(lanes, 0);
        } else {
            store_upper<Element>(lanes, 0, result_);
        }
        Element element;
        std::memcpy(&element, result_.bytes, sizeof element);
        fill(operands_, element, result_);
    }

    // Results of arithmetic.
    void store_results(const Lanes& lanes, int first) {
        if constexpr (kIsBf16) {
            uint32_t random[kLanes] = {};
            if (stochastic_) {
                const int elements = operands_.line_bytes / 2;
                for (int lane = 0; lane < kLanes && first + lane < elements; lane++) {
                    random[lane] = operands_.random_bits(first + lane) & 0xFFFF;
                }
            }
            store_rounded(lanes, stochastic_ ? random : nullptr, first, result_);
        } else {
            store_upper<Element>(lanes, first, result_);
        }
    }

    const Operands& operands_;
    const bool stochastic_;
    Result& result_;
};

}  // namespace

void float_operation(const Operands& operands, FloatType type, Result& result) {
    if (type == FloatType::kFp32) {
        FloatLanes<uint32_t>(operands, false, result).execute();
    } else {
        FloatLanes<uint16_t>(operands, type == FloatType::kBf16Stochastic, result).execute();
    }
}

}  // namespace opend1
