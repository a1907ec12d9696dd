// SPDX-License-Identifier: Apache-2.0
// Converts between binary32 and the formats that descriptors name, as docs/arithmetic.md defines them. All flags are raised.
#ifndef OPEND1_FORMATS_H
#define OPEND1_FORMATS_H

#include <cstdint>

namespace opend1 {

// Kinds of golden/layout.py, FormatKind. Others act as BF16.
enum Kind : unsigned { kBf16 = 0, kCfp8_143 = 1, kCfp8_152 = 2, kShp = 3, kUhp = 4, kFp32 = 5 };

struct Format {
    unsigned code_bytes;
    int exponent_bits;
    int mantissa_bits;
    int bias;
    bool is_signed;
    // Whether the largest exponent is that of Inf and NaN.
    bool has_infinity;
};

// The bias counts for CFP8 and SHP only.
Format format_of(unsigned kind, int bias);

// Rounded to nearest, ties to even.
uint32_t encode(uint32_t value, const Format& format, unsigned& flags);
// Rounded by 24 random bits.
uint32_t encode_stochastic(uint32_t value, const Format& format, uint32_t random, unsigned& flags);

uint32_t decode(uint32_t code, const Format& format, unsigned& flags);

}  // namespace opend1

#endif
