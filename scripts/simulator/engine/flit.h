// SPDX-License-Identifier: Apache-2.0
// Flits as words, low bit first, laid out by the generated constants of golden.layout.flit_fields.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "d1_config.h"

namespace d1 {

static_assert(std::endian::native == std::endian::little, "lines are copied between flits and memory as bytes");

using Flit = std::array<uint32_t, kFlitWords>;
// What a link carries in a cycle: a flit's next kPhitBits bits.
using Phit = std::array<uint32_t, (kPhitBits + 31) / 32>;

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

// Copies `bits` bits from position `from` of `source` on to position `to` of `target`.
template <size_t N, size_t M>
void copy_bits(std::array<uint32_t, N>& target, unsigned to, const std::array<uint32_t, M>& source, unsigned from, unsigned bits) {
    for (unsigned bit = 0; bit < bits;) {
        // As many as stay within a word on both sides.
        const unsigned into = (to + bit) % 32, out_of = (from + bit) % 32;
        const unsigned count = std::min({32 - into, 32 - out_of, bits - bit});
        const uint32_t mask = uint32_t(((uint64_t(1) << count) - 1) << into);
        const uint32_t value = source[(from + bit) / 32] >> out_of << into;
        uint32_t& word = target[(to + bit) / 32];
        word = (word & ~mask) | (value & mask);
        bit += count;
    }
}

inline unsigned phit_length(unsigned index) { return std::min(kPhitBits, kFlitBits - index * kPhitBits); }

inline void put_phit(Flit& flit, unsigned index, const Phit& phit) {
    copy_bits(flit, index * kPhitBits, phit, 0, phit_length(index));
}

inline Phit phit_of(const Flit& flit, unsigned index) {
    Phit phit{};
    copy_bits(phit, 0, flit, index * kPhitBits, phit_length(index));
    return phit;
}

// What one side of a link drives: the part of a flit that it sends, and the credits that it returns for what it received there.
struct Link {
    Phit flit{};
    uint8_t valid = 0;
    uint8_t credit = 0;
};

}  // namespace d1
