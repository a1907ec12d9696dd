// SPDX-License-Identifier: Apache-2.0
// The arithmetic of the matrix unit and of the SIMD lanes on the machine's own floating point.
//
// binary64 holds every intermediate value of a matrix step exactly: products have 16 bits, sums in the window 39, exponents
// stay within -266 to 256. So the seven steps of the definition become: multiply; find the window from products of the
// operands' powers of two; scale it to 2**34, truncate to integers, add; scale back, round once to binary32, add once.
// Infinities and NaN follow IEEE 754 by themselves; only NaN results have to be made canonical.
//
// The code below is compiled once per instruction set and chosen when the program starts.
#include "arithmetic.h"

#include <cstring>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if !defined(__clang__)
// Simulators compile everything alike, mostly for size.
#pragma GCC optimize("O3")
// Vectors only pass between functions that are inlined.
#pragma GCC diagnostic ignored "-Wpsabi"
#endif

#define OPEND1_INLINE static inline __attribute__((always_inline))

namespace {

constexpr int kProducts = 4;
constexpr uint32_t kCanonicalNan = 0x7FC00000;
constexpr double kLowestWindow = 0x1p-126;
constexpr double kWindowUnit = 0x1p-34;
constexpr uint64_t kExponentMask = 0x7FF0000000000000;
constexpr uint64_t kSignMask = 0x8000000000000000;
// Field of the exponent of 2**34 / x, plus that of x, for a power of two x.
constexpr uint64_t kReciprocalFields = uint64_t{2 * 1023 + 34} << 52;

// The results need gradual underflow and rounding to nearest, whatever the program around has set.
class FloatingPointMode {
#if defined(__x86_64__)
    static constexpr unsigned kWanted = 0x1F80;
    static constexpr unsigned kFlagBits = 0x3F;

public:
    FloatingPointMode() : before_{_mm_getcsr()} {
        if ((before_ & ~kFlagBits) != kWanted) _mm_setcsr(kWanted);
    }
    ~FloatingPointMode() {
        if ((before_ & ~kFlagBits) != kWanted) _mm_setcsr(before_);
    }

private:
    unsigned before_;
#elif defined(__aarch64__)
public:
    FloatingPointMode() {
        asm volatile("mrs %0, fpcr" : "=r"(before_));
        if (before_ != 0) asm volatile("msr fpcr, %0" : : "r"(uint64_t{0}));
    }
    ~FloatingPointMode() {
        if (before_ != 0) asm volatile("msr fpcr, %0" : : "r"(before_));
    }

private:
    uint64_t before_;
#else
public:
    FloatingPointMode() {}
#endif
};

template <int kLanes>
struct Vectors {
    typedef double F64 __attribute__((vector_size(8 * kLanes)));
    typedef uint64_t U64 __attribute__((vector_size(8 * kLanes)));
    typedef float F32 __attribute__((vector_size(4 * kLanes)));
    typedef uint32_t U32 __attribute__((vector_size(4 * kLanes)));
    typedef uint16_t U16 __attribute__((vector_size(2 * kLanes)));
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
OPEND1_INLINE typename Vectors<kLanes>::F64 widen(const uint32_t* codes, int from) {
    using U16 = typename Vectors<kLanes>::U16;
    using U32 = typename Vectors<kLanes>::U32;
    using F32 = typename Vectors<kLanes>::F32;
    const U32 wide = __builtin_convertvector(load<U16>(reinterpret_cast<const char*>(codes) + 2 * from), U32) << 16;
    return __builtin_convertvector((F32)wide, typename Vectors<kLanes>::F64);
}

// kLanes columns at a time: what the machine's registers hold.
template <int kSize, int kLanes>
OPEND1_INLINE void step(const uint32_t* a, const uint32_t* b, bool zero, uint32_t* const* lines) {
    using F64 = typename Vectors<kLanes>::F64;
    using U64 = typename Vectors<kLanes>::U64;
    using F32 = typename Vectors<kLanes>::F32;
    using U32 = typename Vectors<kLanes>::U32;

    double a_values[kSize * kProducts], a_powers[kSize * kProducts];
    for (int from = 0; from < kSize * kProducts; from += kLanes) {
        const F64 values = widen<kLanes>(a, from);
        const F64 powers = (F64)((U64)values & kExponentMask);
        std::memcpy(a_values + from, &values, sizeof values);
        std::memcpy(a_powers + from, &powers, sizeof powers);
    }
    for (int column = 0; column < kSize; column += kLanes) {
        F64 b_values[kProducts], b_powers[kProducts];
        for (int k = 0; k < kProducts; k++) {
            b_values[k] = widen<kLanes>(b, kSize * k + column);
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

enum Op : unsigned char { kAdd = 0, kWidenLower = 1, kWidenUpper = 2, kRound = 3 };

template <int kLanes>
OPEND1_INLINE typename Vectors<kLanes>::U16 to_bf16(const uint32_t* from) {
    using U32 = typename Vectors<kLanes>::U32;
    const U32 code = load<U32>(from);
    const U32 is_nan = (U32)((code << 1) > (uint32_t{0xFF} << 24));
    const U32 rounded = (code + ((code >> 16 & 1) + 0x7FFF)) >> 16;
    return __builtin_convertvector((rounded & ~is_nan) | (kCanonicalNan >> 16 & is_nan), typename Vectors<kLanes>::U16);
}

template <int kLanes>
OPEND1_INLINE void simd(unsigned char op, const uint32_t* a, const uint32_t* b, uint32_t* result) {
    using U16 = typename Vectors<kLanes>::U16;
    using U32 = typename Vectors<kLanes>::U32;
    using F32 = typename Vectors<kLanes>::F32;
    if (op == kAdd) {
        const U32 sum = canonical<kLanes>(load<F32>(a) + load<F32>(b));
        std::memcpy(result, &sum, sizeof sum);
    } else if (op == kRound) {
        const U16 lower = to_bf16<kLanes>(a), upper = to_bf16<kLanes>(b);
        std::memcpy(result, &lower, sizeof lower);
        std::memcpy(result + kLanes / 2, &upper, sizeof upper);
    } else {
        const U16 codes = load<U16>(a + (op == kWidenUpper ? kLanes / 2 : 0));
        const U32 wide = canonical<kLanes>((F32)(__builtin_convertvector(codes, U32) << 16));
        std::memcpy(result, &wide, sizeof wide);
    }
}

// One set of entry points per instruction set.
struct Variant {
    const char* name;
    void (*step16)(const uint32_t*, const uint32_t*, bool, uint32_t* const*);
    void (*step32)(const uint32_t*, const uint32_t*, bool, uint32_t* const*);
    void (*step64)(const uint32_t*, const uint32_t*, bool, uint32_t* const*);
};

#define OPEND1_STEPS(suffix, lanes, attributes)                                                                \
    attributes void step16_##suffix(const uint32_t* a, const uint32_t* b, bool zero, uint32_t* const* lines) { \
        step<2, 2>(a, b, zero, lines);                                                                         \
    }                                                                                                          \
    attributes void step32_##suffix(const uint32_t* a, const uint32_t* b, bool zero, uint32_t* const* lines) { \
        step<4, (lanes < 4 ? lanes : 4)>(a, b, zero, lines);                                                   \
    }                                                                                                          \
    attributes void step64_##suffix(const uint32_t* a, const uint32_t* b, bool zero, uint32_t* const* lines) { \
        step<8, lanes>(a, b, zero, lines);                                                                     \
    }                                                                                                          \
    constexpr Variant kVariant_##suffix{#suffix, step16_##suffix, step32_##suffix, step64_##suffix};

#if defined(__x86_64__)
OPEND1_STEPS(sse2, 2, )
OPEND1_STEPS(avx2, 4, __attribute__((target("avx2"))))
OPEND1_STEPS(avx512, 8, __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw"))))

bool has_avx512() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw");
}

// Best first; the last one runs everywhere.
const Variant* find(const char* name) {
    __builtin_cpu_init();
    const std::pair<const Variant*, bool> variants[] = {
        {&kVariant_avx512, has_avx512()}, {&kVariant_avx2, __builtin_cpu_supports("avx2") != 0}, {&kVariant_sse2, true}};
    for (const auto& [candidate, runs] : variants) {
        if (runs && (name == nullptr || std::strcmp(candidate->name, name) == 0)) return candidate;
    }
    return nullptr;
}
#else
OPEND1_STEPS(portable, 2, )

const Variant* find(const char* name) {
    return name == nullptr || std::strcmp(kVariant_portable.name, name) == 0 ? &kVariant_portable : nullptr;
}
#endif

const Variant* variant = find(nullptr);

}  // namespace

void d1_matrix_step_16(const uint32_t* a, const uint32_t* b, unsigned char zero, uint32_t* line0) {
    const FloatingPointMode mode;
    uint32_t* const lines[] = {line0};
    variant->step16(a, b, zero, lines);
}

void d1_matrix_step_32(const uint32_t* a, const uint32_t* b, unsigned char zero, uint32_t* line0, uint32_t* line1) {
    const FloatingPointMode mode;
    uint32_t* const lines[] = {line0, line1};
    variant->step32(a, b, zero, lines);
}

void d1_matrix_step_64(const uint32_t* a, const uint32_t* b, unsigned char zero, uint32_t* line0, uint32_t* line1,
                       uint32_t* line2, uint32_t* line3) {
    const FloatingPointMode mode;
    uint32_t* const lines[] = {line0, line1, line2, line3};
    variant->step64(a, b, zero, lines);
}

void d1_simd_op_16(unsigned char op, const uint32_t* a, const uint32_t* b, uint32_t* result) {
    const FloatingPointMode mode;
    simd<4>(op, a, b, result);
}

void d1_simd_op_32(unsigned char op, const uint32_t* a, const uint32_t* b, uint32_t* result) {
    const FloatingPointMode mode;
    simd<8>(op, a, b, result);
}

void d1_simd_op_64(unsigned char op, const uint32_t* a, const uint32_t* b, uint32_t* result) {
    const FloatingPointMode mode;
    simd<16>(op, a, b, result);
}

const char* d1_arithmetic_variant() { return variant->name; }

int d1_arithmetic_select(const char* name) {
    const Variant* const found = find(name);
    if (found == nullptr) return 0;
    variant = found;
    return 1;
}
