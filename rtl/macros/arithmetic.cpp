// SPDX-License-Identifier: Apache-2.0
// The arithmetic of the matrix array on the machine's own floating point, and what the macros call.
//
// binary64 holds every intermediate value of a matrix step exactly: products have 16 bits, sums in the window 39, exponents
// stay within -266 to 256. So the seven steps of the definition become: multiply; find the window from products of the
// operands' powers of two; scale it to 2**34, truncate to integers, add; scale back, round once to binary32, add once.
// Infinities and NaN follow IEEE 754 by themselves; only NaN results have to be made canonical.
//
// The code below is compiled once per instruction set and chosen when the program starts.
#include "arithmetic.h"

#include <cstring>

#include "float32.h"
#include "floating_point_mode.h"
#include "formats.h"
#include "variant.h"

#if !defined(__clang__)
// Simulators compile everything alike, mostly for size.
#pragma GCC optimize("O3")
// Vectors only pass between functions that are inlined.
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

#define OPEND1_INLINE static inline __attribute__((always_inline))

namespace opend1 {
namespace {

constexpr int kProducts = 4;
constexpr double kLowestWindow = 0x1p-126;
constexpr double kWindowUnit = 0x1p-34;
constexpr uint64_t kExponentMask = 0x7FF0000000000000;
constexpr uint64_t kSignMask = 0x8000000000000000;
// Field of the exponent of 2**34 / x, plus that of x, for a power of two x.
constexpr uint64_t kReciprocalFields = uint64_t{2 * 1023 + 34} << 52;

// One side of a step: where its codes start, and what they are.
struct Side {
    const char* codes;
    unsigned kind;
    int bias;
};

template <int kLanes>
struct Vectors {
    typedef double F64 __attribute__((vector_size(8 * kLanes)));
    typedef uint64_t U64 __attribute__((vector_size(8 * kLanes)));
    typedef float F32 __attribute__((vector_size(4 * kLanes)));
    typedef uint32_t U32 __attribute__((vector_size(4 * kLanes)));
    typedef uint16_t U16 __attribute__((vector_size(2 * kLanes)));
    typedef uint8_t U8 __attribute__((vector_size(kLanes)));
};

template <typename V>
OPEND1_INLINE V load(const void* from) {
    V value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

// Towards zero. |x| is below 2**38 and has at most 16 significant bits, so x -+ (1/2 - 2**-17) is exact, never half-way between
// integers, and rounds to the integer that truncation gives; adding and subtracting 1.5 * 2**52 rounds. Infinities and NaN stay.
template <int kLanes>
OPEND1_INLINE typename Vectors<kLanes>::F64 truncate(const typename Vectors<kLanes>::F64& x) {
    using U64 = typename Vectors<kLanes>::U64;
    using F64 = typename Vectors<kLanes>::F64;
    const F64 almost_half = F64{} + (0.5 - 0x1p-17);
    const F64 towards = (F64)(((U64)x & kSignMask) | (U64)almost_half);
    return ((x - towards) + 0x1.8p52) - 0x1.8p52;
}

template <int kLanes>
OPEND1_INLINE typename Vectors<kLanes>::U32 canonical(const typename Vectors<kLanes>::F32& x) {
    using U32 = typename Vectors<kLanes>::U32;
    const U32 code = (U32)x;
    const U32 is_nan = (U32)((code << 1) > (uint32_t{0xFF} << 24));
    return (code & ~is_nan) | (kCanonicalNan & is_nan);
}

template <int kLanes>
OPEND1_INLINE typename Vectors<kLanes>::F64 decode_bf16(const Side& side, int from) {
    using U16 = typename Vectors<kLanes>::U16;
    using U32 = typename Vectors<kLanes>::U32;
    using F32 = typename Vectors<kLanes>::F32;
    const U32 wide = __builtin_convertvector(load<U16>(side.codes + 2 * from), U32) << 16;
    return __builtin_convertvector((F32)wide, typename Vectors<kLanes>::F64);
}

// Exponent and mantissa of a code are put where binary64 has them. With exponent field 0 that reads 1.m instead of 2 * 0.m.
template <int kLanes>
OPEND1_INLINE typename Vectors<kLanes>::F64 decode_cfp8(const Side& side, int from) {
    using U8 = typename Vectors<kLanes>::U8;
    using U64 = typename Vectors<kLanes>::U64;
    using F64 = typename Vectors<kLanes>::F64;
    const int mantissa_bits = side.kind == kCfp8_143 ? 3 : 2;
    const uint64_t base = static_cast<uint64_t>(1023 - side.bias) << 52;
    const U64 code = __builtin_convertvector(load<U8>(side.codes + from), U64);
    const U64 size = code & 0x7F;
    const F64 normal = (F64)((size << (52 - mantissa_bits)) + base);
    const F64 one = (F64)(U64{} + base);
    const F64 denormal = (normal - one) + (normal - one);
    const F64 number = size < (uint64_t{1} << mantissa_bits) ? denormal : normal;
    return (F64)((U64)number | (code & 0x80) << 56);
}

template <int kLanes>
OPEND1_INLINE typename Vectors<kLanes>::F64 decode(const Side& side, int from) {
    return side.kind == kBf16 ? decode_bf16<kLanes>(side, from) : decode_cfp8<kLanes>(side, from);
}

// kLanes columns at a time: what the machine's registers hold.
template <int kSize, int kLanes>
OPEND1_INLINE void step(const Side& a, const Side& b, bool zero, uint32_t* const* lines) {
    using F64 = typename Vectors<kLanes>::F64;
    using U64 = typename Vectors<kLanes>::U64;
    using F32 = typename Vectors<kLanes>::F32;
    using U32 = typename Vectors<kLanes>::U32;

    double a_values[kSize * kProducts], a_powers[kSize * kProducts];
    for (int from = 0; from < kSize * kProducts; from += kLanes) {
        const F64 values = decode<kLanes>(a, from);
        const F64 powers = (F64)((U64)values & kExponentMask);
        std::memcpy(a_values + from, &values, sizeof values);
        std::memcpy(a_powers + from, &powers, sizeof powers);
    }
    for (int column = 0; column < kSize; column += kLanes) {
        F64 b_values[kProducts], b_powers[kProducts];
        for (int k = 0; k < kProducts; k++) {
            b_values[k] = decode<kLanes>(b, kSize * k + column);
            b_powers[k] = (F64)((U64)b_values[k] & kExponentMask);
        }
        for (int row = 0; row < kSize; row++) {
            F64 window = F64{} + kLowestWindow;
            for (int k = 0; k < kProducts; k++) {
                const F64 power = b_powers[k] * a_powers[row * kProducts + k];
                window = power > window ? power : window;
            }
            const F64 scale = (F64)(kReciprocalFields - (U64)window);
            F64 sum = F64{};
            for (int k = 0; k < kProducts; k++) {
                // From +0 on, a sum that is zero is +0.
                sum += truncate<kLanes>(b_values[k] * a_values[row * kProducts + k] * scale);
            }
            const F32 rounded = __builtin_convertvector(sum * (window * kWindowUnit), F32);
            uint32_t* const element = lines[row / 2] + row % 2 * kSize + column;
            const F32 before = zero ? F32{} : load<F32>(element);
            const U32 after = canonical<kLanes>(before + rounded);
            std::memcpy(element, &after, sizeof after);
        }
    }
}

typedef void (*Step)(const Side& a, const Side& b, bool zero, uint32_t* const* lines);

// Entry points of an instruction set, for lines of 16, 32 and 64 bytes.
#define OPEND1_STEPS(suffix, lanes, attributes)                                                                  \
    attributes void step16_##suffix(const Side& a, const Side& b, bool zero, uint32_t* const* accumulator) {     \
        step<2, 2>(a, b, zero, accumulator);                                                                     \
    }                                                                                                            \
    attributes void step32_##suffix(const Side& a, const Side& b, bool zero, uint32_t* const* accumulator) {     \
        step<4, (lanes < 4 ? lanes : 4)>(a, b, zero, accumulator);                                               \
    }                                                                                                            \
    attributes void step64_##suffix(const Side& a, const Side& b, bool zero, uint32_t* const* accumulator) {     \
        step<8, lanes>(a, b, zero, accumulator);                                                                 \
    }

OPEND1_STEPS(basic, 2, )
#if defined(__x86_64__)
OPEND1_STEPS(avx2, 4, __attribute__((target("avx2"))))
OPEND1_STEPS(avx512, 8, __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw"))))
constexpr Step kSteps16[kVariants] = {step16_basic, step16_avx2, step16_avx512};
constexpr Step kSteps32[kVariants] = {step32_basic, step32_avx2, step32_avx512};
constexpr Step kSteps64[kVariants] = {step64_basic, step64_avx2, step64_avx512};
#else
constexpr Step kSteps16[kVariants] = {step16_basic};
constexpr Step kSteps32[kVariants] = {step32_basic};
constexpr Step kSteps64[kVariants] = {step64_basic};
#endif

// Codes of 8 bits fill half a line.
Side side(const uint32_t* line, int line_bytes, unsigned char format, unsigned char bias, unsigned char half) {
    const int offset = format != kBf16 && half != 0 ? line_bytes / 2 : 0;
    return {reinterpret_cast<const char*>(line) + offset, format, bias};
}

}  // namespace
}  // namespace opend1

#define OPEND1_STEP(bytes, ...)                                                        \
    const opend1::FloatingPointMode mode;                                              \
    uint32_t* const lines[] = {__VA_ARGS__};                                           \
    opend1::kSteps##bytes[opend1::variant](opend1::side(a, bytes, format_a, bias_a, half), \
                                           opend1::side(b, bytes, format_b, bias_b, half), zero != 0, lines)

void d1_matrix_step_16(const uint32_t* a, const uint32_t* b, unsigned char format_a, unsigned char format_b,
                       unsigned char bias_a, unsigned char bias_b, unsigned char half, unsigned char zero, uint32_t* line0) {
    OPEND1_STEP(16, line0);
}

void d1_matrix_step_32(const uint32_t* a, const uint32_t* b, unsigned char format_a, unsigned char format_b,
                       unsigned char bias_a, unsigned char bias_b, unsigned char half, unsigned char zero, uint32_t* line0,
                       uint32_t* line1) {
    OPEND1_STEP(32, line0, line1);
}

void d1_matrix_step_64(const uint32_t* a, const uint32_t* b, unsigned char format_a, unsigned char format_b,
                       unsigned char bias_a, unsigned char bias_b, unsigned char half, unsigned char zero, uint32_t* line0,
                       uint32_t* line1, uint32_t* line2, uint32_t* line3) {
    OPEND1_STEP(64, line0, line1, line2, line3);
}

unsigned char d1_matrix_convert(int line_bytes, const uint32_t* line, unsigned char kind, unsigned char bias,
                                unsigned char stochastic, const uint32_t* random, uint32_t* codes) {
    const opend1::Format format = opend1::format_of(kind, bias);
    const unsigned char* const bits = reinterpret_cast<const unsigned char*>(random);
    unsigned flags = 0;
    std::memset(codes, 0, static_cast<size_t>(line_bytes));
    for (int lane = 0; lane < line_bytes / 4; lane++) {
        const uint32_t drawn = bits[3 * lane] | uint32_t{bits[3 * lane + 1]} << 8 | uint32_t{bits[3 * lane + 2]} << 16;
        const uint32_t code = stochastic != 0 ? opend1::encode_stochastic(line[lane], format, drawn, flags)
                                              : opend1::encode(line[lane], format, flags);
        std::memcpy(reinterpret_cast<char*>(codes) + lane * format.code_bytes, &code, format.code_bytes);
    }
    return static_cast<unsigned char>(flags);
}
