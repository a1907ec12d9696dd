// SPDX-License-Identifier: Apache-2.0
// Flits as words, low bit first, laid out by the generated constants of golden.layout.flit_fields.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "d1_config.h"

namespace d1 {

static_assert(std::endian::native == std::endian::little, "lines are copied between flits and memory as bytes");

using Flit = std::array<uint32_t, kFlitWords>;

// A field of at most 32 bits.
inline uint32_t get(const Flit& flit, Field field) {
    const unsigned word = field.offset / 32;
    uint64_t value = flit[word];
    if (word + 1 < kFlitWords) value |= uint64_t(flit[word + 1]) << 32;
    return uint32_t(value >> field.offset % 32 & ((uint64_t(1) << field.bits) - 1));
}

inline void set(Flit& flit, Field field, uint32_t value) {
    const unsigned word = field.offset / 32;
    const uint64_t mask = ((uint64_t(1) << field.bits) - 1) << field.offset % 32;
    const uint64_t bits = (uint64_t(value) << field.offset % 32) & mask;
    flit[word] = uint32_t((flit[word] & ~mask) | bits);
    if (mask >> 32) flit[word + 1] = uint32_t((flit[word + 1] & ~(mask >> 32)) | bits >> 32);
}

// Mask and data start at whole bytes, which the generator of d1_config.h asserts.
inline uint64_t get_mask(const Flit& flit) {
    uint64_t mask = 0;
    std::memcpy(&mask, reinterpret_cast<const char*>(flit.data()) + kMaskByte, kLineBytes / 8);
    return mask;
}

inline void set_mask(Flit& flit, uint64_t mask) {
    std::memcpy(reinterpret_cast<char*>(flit.data()) + kMaskByte, &mask, kLineBytes / 8);
}

inline const uint8_t* line_of(const Flit& flit) { return reinterpret_cast<const uint8_t*>(flit.data()) + kDataByte; }
inline uint8_t* line_of(Flit& flit) { return reinterpret_cast<uint8_t*>(flit.data()) + kDataByte; }

// What one side of a link drives: the flit that it sends, and the credits that it returns for what it received there.
struct Link {
    Flit flit{};
    uint8_t valid = 0;
    uint8_t credit = 0;
};

}  // namespace d1
