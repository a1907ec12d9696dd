// SPDX-License-Identifier: Apache-2.0
// The machine's floating-point mode while this code computes.
#ifndef OPEND1_FLOATING_POINT_MODE_H
#define OPEND1_FLOATING_POINT_MODE_H

#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace opend1 {

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

}  // namespace opend1

#endif
