// SPDX-License-Identifier: Apache-2.0
#include "float32.h"

#include <cmath>

#include "floating_point_mode.h"

namespace opend1 {
namespace {

__extension__ typedef __int128 Int128;
__extension__ typedef unsigned __int128 Uint128;

constexpr int kSmallestExponent = -149;

// As many bits of a sum are rounded, with a sticky bit for those below.
constexpr int kRoundedBits = 62;

// log2(1 + 2**-k) * 2**36 for k = 1 to 32, rounded.
constexpr uint64_t kLogarithms[] = {
    0x95C01A3A0, 0x5269E12F3, 0x2B803473F, 0x1663F6FAD, 0x0B5D69BAC, 0x05B9E5A17, 0x02DFCA16E, 0x01709C46D,
    0x00B87C200, 0x005C4994E, 0x002E27AC6, 0x0017148EC, 0x000B8A759, 0x0005C5465, 0x0002E2A61, 0x00017153C,
    0x0000B8AA1, 0x00005C551, 0x00002E2A9, 0x000017154, 0x00000B8AA, 0x000005C55, 0x000002E2B, 0x000001715,
    0x000000B8B, 0x0000005C5, 0x0000002E3, 0x000000171, 0x0000000B9, 0x00000005C, 0x00000002E, 0x000000017,
};

struct Number {
    bool negative;
    int exponent;
    uint64_t significand;
};

// A finite number: significand * 2**exponent.
Number unpack(uint32_t code) {
    const int field = static_cast<int>(magnitude(code) >> 23);
    const uint64_t fraction = code & 0x7FFFFF;
    return {(code & kSign) != 0, (field == 0 ? 1 : field) + kSmallestExponent - 1, field == 0 ? fraction : fraction | 0x800000};
}

// The same for a number that is not zero, with bit 23 set.
Number unpack_normalised(uint32_t code) {
    Number number = unpack(code);
    const int shift = __builtin_clzll(number.significand) - 40;
    number.significand <<= shift;
    number.exponent -= shift;
    return number;
}

// Numbers of either sign in their order, -0 below +0.
int32_t ordered(uint32_t code) { return static_cast<int32_t>((code & kSign) != 0 ? ~magnitude(code) : code); }

}  // namespace

uint32_t round_binary32(bool negative, int exponent, uint64_t significand, bool sticky, unsigned& flags) {
    const uint32_t sign = negative ? kSign : 0;
    if (significand == 0) return sign;
    const int top = exponent + 63 - __builtin_clzll(significand);
    const int unit = top - 23 > kSmallestExponent ? top - 23 : kSmallestExponent;
    const int shift = unit - exponent;
    uint64_t kept;
    bool inexact = sticky;
    // Tininess is seen after rounding as if the exponent were unbounded: then a number below 2**-126 may become that.
    bool tiny = top < -126;
    if (shift <= 0) {
        kept = significand << -shift;
    } else if (shift > 63) {
        kept = 0;
        inexact = true;
    } else {
        const uint64_t rest = significand & ((uint64_t{1} << shift) - 1);
        const uint64_t half = uint64_t{1} << (shift - 1);
        kept = significand >> shift;
        inexact |= rest != 0;
        if (rest > half || (rest == half && (sticky || (kept & 1) != 0))) kept++;
        if (top == -127) {
            // Without a bound, the last bit would be worth half of `unit`: 24 ones, and one more at least, round up to 2**-126.
            tiny = significand * 2 < ((uint64_t{1} << 25) - 1) << (shift - 1);
        }
    }
    const uint64_t code = kept + (static_cast<uint64_t>(unit - kSmallestExponent) << 23);
    if (code >= kInfinity) {
        flags |= kOverflow | kInexact;
        return sign | kInfinity;
    }
    if (inexact) flags |= tiny ? kInexact | kUnderflow : kInexact;
    return sign | static_cast<uint32_t>(code);
}

uint32_t multiply_add(uint32_t a, uint32_t b, uint32_t c, unsigned& flags) {
    const uint32_t size_a = magnitude(a), size_b = magnitude(b), size_c = magnitude(c);
    const uint32_t product_sign = (a ^ b) & kSign;
    if (size_a >= kInfinity || size_b >= kInfinity || size_c >= kInfinity) {
        flags |= signalling_flag(a) | signalling_flag(b) | signalling_flag(c);
        const bool no_product = (size_a == kInfinity && size_b == 0) || (size_a == 0 && size_b == kInfinity);
        if (no_product) flags |= kInvalid;
        if (no_product || is_nan(a) || is_nan(b) || is_nan(c)) return kCanonicalNan;
        if (size_a != kInfinity && size_b != kInfinity) return c;
        if (size_c == kInfinity && product_sign != (c & kSign)) {
            flags |= kInvalid;
            return kCanonicalNan;
        }
        return product_sign | kInfinity;
    }
    const Number x = unpack(a), y = unpack(b), z = unpack(c);
    // A term so far below the other's last bit that only its being there matters counts as one unit.
    constexpr int kFar = 72;
    Int128 product = static_cast<Int128>(x.significand * y.significand), addend = static_cast<Int128>(z.significand);
    int exponent = x.exponent + y.exponent;
    const int distance = exponent - z.exponent;
    if (product == 0) {
        exponent = z.exponent;
    } else if (addend != 0 && distance >= 0) {
        if (distance > kFar) addend = 1;
        const int shift = distance > kFar ? kFar : distance;
        product <<= shift;
        exponent -= shift;
    } else if (addend != 0) {
        if (-distance > kFar) product = 1;
        const int shift = -distance > kFar ? kFar : -distance;
        addend <<= shift;
        exponent = z.exponent - shift;
    }
    if (product_sign != 0) product = -product;
    if (z.negative) addend = -addend;
    const Int128 sum = product + addend;
    if (sum == 0) return product == 0 && product_sign == (c & kSign) ? product_sign : 0;
    Uint128 size = static_cast<Uint128>(sum < 0 ? -sum : sum);
    const uint64_t upper = static_cast<uint64_t>(size >> 64), lower = static_cast<uint64_t>(size);
    const int bits = upper != 0 ? 128 - __builtin_clzll(upper) : 64 - __builtin_clzll(lower);
    bool sticky = false;
    if (bits > kRoundedBits) {
        const int shift = bits - kRoundedBits;
        sticky = (size & ((Uint128{1} << shift) - 1)) != 0;
        size >>= shift;
        exponent += shift;
    }
    return round_binary32(sum < 0, exponent, static_cast<uint64_t>(size), sticky, flags);
}

uint32_t reciprocal(uint32_t x, unsigned& flags) {
    const uint32_t sign = x & kSign;
    if (is_nan(x)) {
        flags |= signalling_flag(x);
        return kCanonicalNan;
    }
    if (magnitude(x) == kInfinity) return sign;
    if (magnitude(x) == 0) {
        flags |= kDivideByZero;
        return sign | kInfinity;
    }
    constexpr int kShift = 50;
    const Number number = unpack_normalised(x);
    const uint64_t quotient = (uint64_t{1} << kShift) / number.significand;
    const bool rest = quotient * number.significand != uint64_t{1} << kShift;
    return round_binary32(number.negative, -kShift - number.exponent, quotient, rest, flags);
}

uint32_t reciprocal_square_root(uint32_t x, unsigned& flags) {
    if (is_nan(x)) {
        flags |= signalling_flag(x);
        return kCanonicalNan;
    }
    if (magnitude(x) == 0) {
        flags |= kDivideByZero;
        return x | kInfinity;
    }
    if ((x & kSign) != 0) {
        flags |= kInvalid;
        return kCanonicalNan;
    }
    if (x == kInfinity) return 0;
    constexpr int kShift = 40;
    Number number = unpack_normalised(x);
    if (number.exponent % 2 != 0) {
        number.significand <<= 1;
        number.exponent--;
    }
    // floor(2**40 / sqrt(significand)): an estimate that may be one off either way, and the exact test.
    constexpr Uint128 kSquare = Uint128{1} << (2 * kShift);
    const auto square = [&](uint64_t root) { return static_cast<Uint128>(root) * root * number.significand; };
    uint64_t root = static_cast<uint64_t>(0x1p40 / std::sqrt(static_cast<double>(number.significand)));
    while (square(root) > kSquare) root--;
    while (square(root + 1) <= kSquare) root++;
    return round_binary32(false, -kShift - number.exponent / 2, root, square(root) != kSquare, flags);
}

uint32_t power_of_two(uint32_t x, unsigned& flags) {
    if (is_nan(x)) {
        flags |= signalling_flag(x);
        return kCanonicalNan;
    }
    if (magnitude(x) == kInfinity) return x == kInfinity ? kInfinity : 0;
    // Beyond +-2**9 the result is certain, and what counts of it stays the same.
    constexpr uint32_t kLarge = 0x44000000;
    if (magnitude(x) > kLarge) x = (x & kSign) | kLarge;
    constexpr int kFractionBits = 36, kArgumentBits = 32;
    const Number number = unpack(x);
    // x * 2**32 and whether bits are lost below it; |x| is at most 2**9.
    const int shift = -kArgumentBits - number.exponent;
    bool integer = true;
    int64_t fixed;
    if (shift <= 0) {
        fixed = static_cast<int64_t>(number.significand << -shift);
        if (number.negative) fixed = -fixed;
    } else {
        const int64_t significand = static_cast<int64_t>(number.significand) * (number.negative ? -1 : 1);
        const int bounded = shift < 62 ? shift : 62;
        fixed = significand >> bounded;
        integer = (significand & ((int64_t{1} << bounded) - 1)) == 0;
    }
    const int64_t whole = fixed >> kArgumentBits;
    uint64_t rest = (static_cast<uint64_t>(fixed) & 0xFFFFFFFF) << (kFractionBits - kArgumentBits);
    integer = integer && rest == 0;
    uint64_t y = uint64_t{1} << kFractionBits;
    for (int k = 1; k <= kArgumentBits; k++) {
        if (rest >= kLogarithms[k - 1]) {
            rest -= kLogarithms[k - 1];
            y += y >> k;
        }
    }
    unsigned raised = 0;
    const uint32_t result = round_binary32(false, static_cast<int>(whole) - kFractionBits, y, false, raised);
    // Only the flags know that y itself is not exact.
    if (!integer && raised == 0) raised = result < kSmallestNormal ? kInexact | kUnderflow : kInexact;
    flags |= raised;
    return result;
}

uint32_t minimum(uint32_t a, uint32_t b, unsigned& flags) {
    flags |= signalling_flag(a) | signalling_flag(b);
    if (is_nan(a)) return is_nan(b) ? kCanonicalNan : b;
    if (is_nan(b)) return a;
    return ordered(a) < ordered(b) ? a : b;
}

uint32_t maximum(uint32_t a, uint32_t b, unsigned& flags) {
    flags |= signalling_flag(a) | signalling_flag(b);
    if (is_nan(a)) return is_nan(b) ? kCanonicalNan : b;
    if (is_nan(b)) return a;
    return ordered(a) < ordered(b) ? b : a;
}

bool equal(uint32_t a, uint32_t b, unsigned& flags) {
    flags |= signalling_flag(a) | signalling_flag(b);
    if (is_nan(a) || is_nan(b)) return false;
    return a == b || magnitude(a | b) == 0;
}

bool less(uint32_t a, uint32_t b, unsigned& flags) {
    if (is_nan(a) || is_nan(b)) {
        flags |= kInvalid;
        return false;
    }
    return ordered(a) < ordered(b) && magnitude(a | b) != 0;
}

bool less_or_equal(uint32_t a, uint32_t b, unsigned& flags) {
    if (is_nan(a) || is_nan(b)) {
        flags |= kInvalid;
        return false;
    }
    return ordered(a) <= ordered(b) || magnitude(a | b) == 0;
}

uint32_t classify(uint32_t code) {
    const bool negative = (code & kSign) != 0;
    const uint32_t size = magnitude(code);
    if (is_nan(code)) return is_signalling(code) ? 1u << 8 : 1u << 9;
    if (size == kInfinity) return negative ? 1u << 0 : 1u << 7;
    if (size == 0) return negative ? 1u << 3 : 1u << 4;
    if (is_denormal(code)) return negative ? 1u << 2 : 1u << 5;
    return negative ? 1u << 1 : 1u << 6;
}

uint32_t to_int32(uint32_t code, bool towards_zero, unsigned& flags) {
    constexpr uint64_t kLargest = 0x7FFFFFFF;
    if (is_nan(code)) {
        flags |= kInvalid;
        return kLargest;
    }
    const bool negative = (code & kSign) != 0;
    constexpr uint32_t kTwoTo32 = 0x4F800000;
    uint64_t size = uint64_t{1} << 32;
    bool inexact = false;
    if (magnitude(code) < kTwoTo32) {
        const Number number = unpack(code);
        if (number.exponent >= 0) {
            size = number.significand << number.exponent;
        } else {
            // 25 bits of 24 leave less than half.
            const int shift = -number.exponent < 25 ? -number.exponent : 25;
            const uint64_t rest = number.significand & ((uint64_t{1} << shift) - 1);
            const uint64_t half = uint64_t{1} << (shift - 1);
            size = number.significand >> shift;
            inexact = rest != 0;
            if (!towards_zero && (rest > half || (rest == half && (size & 1) != 0))) size++;
        }
    }
    if (size > kLargest + (negative ? 1 : 0)) {
        flags |= kInvalid;
        return static_cast<uint32_t>(kLargest) + (negative ? 1 : 0);
    }
    if (inexact) flags |= kInexact;
    return negative ? static_cast<uint32_t>(-size) : static_cast<uint32_t>(size);
}

uint32_t from_int32(uint32_t value, unsigned& flags) {
    const bool negative = (value & kSign) != 0;
    return round_binary32(negative, 0, negative ? uint32_t{0} - value : value, false, flags);
}

}  // namespace opend1
