// SPDX-License-Identifier: Apache-2.0
// Sources with queues that never end, sinks that check what arrives, and what is measured.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "mesh.h"

namespace d1 {

// A node's packets of one class: the first choice above a random number of 64 bits is where the cycle's packet goes.
struct Choice {
    uint64_t threshold;
    uint32_t destination;
};

// A packet whose cycle is given.
struct Event {
    uint64_t cycle;
    uint32_t source, destination, traffic_class;
};

struct Plan {
    unsigned rows = 1, columns = 1;
    uint64_t seed = 0;
    uint64_t warm_up = 0, window = 0, drain = 0;  // cycles
    uint64_t stall = 0;                           // threshold of a random number below which a sink takes nothing in a cycle
    std::vector<std::vector<Choice>> choices[kClasses];  // by source
    std::vector<Event> events;                           // in the order of their cycles
};

struct Measurement {
    uint64_t offered[kClasses]{}, accepted[kClasses]{};  // packets generated and delivered in the window
    uint64_t left[kClasses]{};                           // generated in the window, and not delivered until the end of draining
    uint64_t hops[kClasses]{};                           // of those generated in the window that were delivered
    std::map<uint64_t, uint64_t> latencies[kClasses];    // of the same
    std::vector<uint64_t> by_source;                     // delivered in the window
    std::vector<uint64_t> links;                         // phits in the window, as Mesh::link_counts
    std::vector<uint64_t> event_latencies;
    uint64_t injected = 0, delivered = 0, cycles = 0;
};

// Runs a plan. Throws std::runtime_error if a packet is lost, doubled, delivered elsewhere or out of order.
Measurement run(const Plan& plan);

}  // namespace d1
