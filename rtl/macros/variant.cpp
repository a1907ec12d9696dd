// SPDX-License-Identifier: Apache-2.0
#include "variant.h"

#include <cstring>

#include "arithmetic.h"

namespace opend1 {
namespace {

#if defined(__x86_64__)
constexpr const char* kNames[kVariants] = {"sse2", "avx2", "avx512"};

bool runs(Variant candidate) {
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
    return candidate == kAvx512 ? avx512 : candidate == kAvx2 ? avx2 : true;
}
#else
constexpr const char* kNames[kVariants] = {"portable"};

bool runs(Variant) { return true; }
#endif

// The best variant of that name, or of any; kVariants if there is none.
Variant find(const char* name) {
    for (unsigned number = kVariants; number-- > 0;) {
        const Variant candidate = static_cast<Variant>(number);
        if (runs(candidate) && (name == nullptr || std::strcmp(kNames[number], name) == 0)) return candidate;
    }
    return kVariants;
}

}  // namespace

Variant variant = find(nullptr);

}  // namespace opend1

const char* d1_arithmetic_variant() { return opend1::kNames[opend1::variant]; }

int d1_arithmetic_select(const char* name) {
    const opend1::Variant found = opend1::find(name);
    if (found == opend1::kVariants) return 0;
    opend1::variant = found;
    return 1;
}
