// SPDX-License-Identifier: Apache-2.0
// The engine's memory alone, so that every cycle of its link can be driven and seen.
#include "edge_memory.cpp"

#define D1_API extern "C" __attribute__((visibility("default")))

using d1::EdgeMemory;

D1_API uint64_t memory_link_bytes() { return sizeof(d1::Link); }
D1_API EdgeMemory* memory_create(uint32_t x, uint32_t y, uint32_t exit, uint64_t bytes, uint32_t latency, uint32_t rate) {
    return new EdgeMemory(x, y, exit, bytes, latency, rate);
}
D1_API void memory_destroy(EdgeMemory* memory) { delete memory; }
// Bit 0: busy, bit 1: moved.
D1_API uint32_t memory_step(EdgeMemory* memory, uint64_t cycle, const d1::Link* in, d1::Link* out) {
    const bool busy = memory->step(cycle, *in, *out);
    return uint32_t(busy) | uint32_t(memory->moved()) << 1;
}
D1_API void memory_read(EdgeMemory* memory, uint64_t offset, uint8_t* data, uint64_t length) {
    memory->contents().read(offset, data, length);
}
D1_API void memory_counters(const EdgeMemory* memory, d1::MemoryCounters* counters) { *counters = memory->counters(); }
