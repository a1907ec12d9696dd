// SPDX-License-Identifier: Apache-2.0
// Plain records that cross to Python as they lie in memory; library.py has the same layouts.
#pragma once

#include <cstdint>

#include "d1_config.h"

namespace d1 {

struct NodeState {
    uint8_t idle, running, waiting, trapped, stopped, exited;
};

// What a thread retired. `cycle` is the cycle in which the node's retirement port shows it.
struct Retirement {
    uint64_t cycle;
    uint16_t x, y;
    uint8_t thread, trap, cause, rd_valid;
    uint32_t insn;
    uint8_t rd_address[2];
    uint8_t zero[2];
    uint64_t value;
    uint64_t pc;
    uint64_t rd_data[2];
};
static_assert(sizeof(Retirement) == 56);

struct VectorWrite {
    uint64_t cycle;
    uint16_t x, y;
    uint8_t thread, reg;
    uint8_t zero[2];
    uint8_t data[kLineBytes];
};
static_assert(sizeof(VectorWrite) == 16 + kLineBytes);

// One access by packets: `length` bytes at `offset` of a node's window, from or to `data`.
struct Access {
    uint16_t x, y;
    uint32_t offset;
    uint32_t write;
    uint32_t length;
    uint8_t* data;
};
static_assert(sizeof(Access) == 24);

// How a list of accesses ended, and the first error that came back.
struct HostResult {
    uint64_t unanswered;
    uint64_t errors;
    uint16_t x, y;
    uint32_t offset;
    uint32_t reason;
    uint32_t zero;
};
static_assert(sizeof(HostResult) == 32);

enum class Stop : uint32_t {
    kTime = 0,    // the time for this call is over
    kCycles = 1,  // the cycle limit is reached
    kQuiet = 2,   // no node and no link will ever change again without input
    kStuck = 3,   // something is awake, but nothing retires and no flit moves
    kHost = 4,    // the host's accesses are done
};

struct RunStatus {
    uint64_t cycle;
    uint32_t stop;
    uint32_t busy;  // 0 if nothing will change any more without input
};
static_assert(sizeof(RunStatus) == 16);

struct Counters {
    uint64_t node_cycles;  // node evaluations
    uint64_t phits;        // parts of flits that crossed a link
    uint64_t host_sent;
    uint64_t host_received;
};
static_assert(sizeof(Counters) == 32);

// Of a memory: requests answered with data, obeyed, and answered by ERROR; packets that were none; cycles with work in hand.
struct MemoryCounters {
    uint64_t reads, writes, errors, dropped, busy_cycles;
};
static_assert(sizeof(MemoryCounters) == 40);

// A memory at a site's side (north, east, south, west) that leads out of the array.
struct MemoryFacts {
    uint64_t bytes;
    uint32_t site, side, latency, bytes_per_cycle;
};
static_assert(sizeof(MemoryFacts) == 24);

// A link that died, by its western or northern end, and how many flits were lost with it.
struct SeveredFacts {
    uint64_t cycle;
    uint32_t site, side;
    uint64_t lost;
};
static_assert(sizeof(SeveredFacts) == 24);

}  // namespace d1
