// SPDX-License-Identifier: Apache-2.0
// Lets everything that the netlist leaves open begin with random bits, which follow from environment variable D1_SEED.

#include <cstdlib>

#include "verilated.h"

namespace {

const bool kRandomised = [] {
    const char* seed = std::getenv("D1_SEED");
    Verilated::randReset(2);
    Verilated::randSeed(seed == nullptr ? 1 : std::atoi(seed));
    return true;
}();

}  // namespace
