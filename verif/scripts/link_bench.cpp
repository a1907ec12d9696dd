// SPDX-License-Identifier: Apache-2.0
// The engine's link of several cycles as a library of its own, for link_bench.py.
#include "bridge.cpp"

#define D1_API extern "C" __attribute__((visibility("default")))

D1_API uint64_t link_bytes() { return sizeof(d1::Link); }
D1_API d1::LongLink* link_create(uint32_t cycles) { return new d1::LongLink(cycles, {0, 1}, {1, 3}); }
D1_API void link_destroy(d1::LongLink* link) { delete link; }
// What the two ends drive in a cycle, and what they see in the next. Bit 0 of the result: it is busy, bit 1: a flit moved.
D1_API uint32_t link_step(d1::LongLink* link, uint64_t cycle, const d1::Link* drives, d1::Link* see) {
    const bool busy = link->step(cycle, drives[0], drives[1]);
    for (unsigned end = 0; end < 2; ++end) see[end] = link->seen((cycle & 1) ^ 1, end);
    const unsigned copy = (cycle & 1) ^ 1;
    return uint32_t(busy) | uint32_t(link->moved(0, copy) || link->moved(1, copy)) << 1;
}
