// SPDX-License-Identifier: Apache-2.0
#include "formats.h"

#include "float32.h"

namespace opend1 {
namespace {

constexpr int kRandomBits = 24;

// Codes without the sign.
uint32_t infinity(const Format& format) { return ((1u << format.exponent_bits) - 1) << format.mantissa_bits; }
uint32_t quiet_nan(const Format& format) { return infinity(format) | 1u << (format.mantissa_bits - 1); }
uint32_t largest(const Format& format) {
    return format.has_infinity ? infinity(format) : (1u << (format.exponent_bits + format.mantissa_bits)) - 1;
}

// The sum of n and the exponent's code, after `sh` bits were discarded: n is the quotient that rounding has made.
template <typename Round>
uint32_t encode_with(uint32_t value, const Format& format, unsigned& flags, Round round) {
    const uint32_t size = magnitude(value);
    const bool negative = (value & kSign) != 0;
    const uint32_t sign = negative && format.is_signed ? 1u << (format.exponent_bits + format.mantissa_bits) : 0;
    flags |= denormal_flag(value);
    if (is_nan(value)) {
        if (!format.has_infinity) {
            flags |= kInvalid;
            return sign | largest(format);
        }
        flags |= signalling_flag(value);
        return quiet_nan(format);
    }
    if (negative && size != 0 && !format.is_signed) {
        flags |= kInvalid;
        return 0;
    }
    if (size == kInfinity) {
        if (!format.has_infinity) flags |= kOverflow | kInexact;
        return sign | largest(format);
    }
    const uint32_t field = size >> 23;
    const int exponent = static_cast<int>(field == 0 ? 1 : field) - 127;
    const uint64_t significand = field == 0 ? size : (size & 0x7FFFFF) | 0x800000;
    const int above = exponent - (1 - format.bias);
    // As many bits leave nothing of a significand and its random bits.
    constexpr int kAll = 24 + kRandomBits + 1;
    const int wanted = 23 - format.mantissa_bits + (above < 0 ? -above : 0);
    const int shift = wanted < kAll ? wanted : kAll;
    bool inexact = (significand & ((uint64_t{1} << shift) - 1)) != 0;
    const uint64_t code = round(significand, shift) + (static_cast<uint64_t>(above > 0 ? above : 0) << format.mantissa_bits);
    if (code > largest(format) || (format.has_infinity && code == infinity(format))) {
        flags |= kOverflow | kInexact;
        return sign | largest(format);
    }
    const bool low = code >> format.mantissa_bits == 0;
    const bool flushed = low && !format.is_signed;
    if (flushed) inexact = size != 0;
    if (inexact) flags |= low ? kInexact | kUnderflow : kInexact;
    return sign | (flushed ? 0 : static_cast<uint32_t>(code));
}

}  // namespace

Format format_of(unsigned kind, int bias) {
    switch (kind) {
        case kCfp8_143: return {1, 4, 3, bias, true, false};
        case kCfp8_152: return {1, 5, 2, bias, true, false};
        case kShp: return {2, 5, 10, bias, true, false};
        case kUhp: return {2, 6, 10, 31, false, true};
        case kFp32: return {4, 8, 23, 127, true, true};
        default: return {2, 8, 7, 127, true, true};
    }
}

uint32_t encode(uint32_t value, const Format& format, unsigned& flags) {
    return encode_with(value, format, flags, [](uint64_t significand, int shift) {
        if (shift == 0) return significand;
        const uint64_t rest = significand & ((uint64_t{1} << shift) - 1), half = uint64_t{1} << (shift - 1);
        const uint64_t kept = significand >> shift;
        return rest > half || (rest == half && (kept & 1) != 0) ? kept + 1 : kept;
    });
}

uint32_t encode_stochastic(uint32_t value, const Format& format, uint32_t random, unsigned& flags) {
    // To BF16, as many random bits are added as are discarded.
    const uint64_t added = format.exponent_bits == 8 ? (random & 0xFFFF) << (kRandomBits - 16) : random;
    return encode_with(value, format, flags, [added](uint64_t significand, int shift) {
        return ((significand << kRandomBits >> shift) + added) >> kRandomBits;
    });
}

uint32_t decode(uint32_t code, const Format& format, unsigned& flags) {
    const int bits = format.exponent_bits + format.mantissa_bits;
    const uint32_t sign = format.is_signed ? (code >> bits & 1) << 31 : 0;
    const uint32_t size = code & ((uint32_t{1} << bits) - 1);
    if (format.has_infinity && size >= infinity(format)) {
        if (size == infinity(format)) return sign | kInfinity;
        if ((size & (1u << (format.mantissa_bits - 1))) == 0) flags |= kInvalid;
        return kCanonicalNan;
    }
    const uint32_t field = size >> format.mantissa_bits;
    const uint32_t fraction = size & ((1u << format.mantissa_bits) - 1);
    if (field == 0 && fraction != 0) flags |= kDenormal;
    if (field == 0 && !format.is_signed) return 0;
    const uint32_t significand = field == 0 ? fraction : fraction | 1u << format.mantissa_bits;
    const int exponent = static_cast<int>(field == 0 ? 1 : field) - format.bias - format.mantissa_bits;
    // Every format is a part of binary32: nothing is rounded.
    return round_binary32(sign != 0, exponent, significand, false, flags);
}

}  // namespace opend1
