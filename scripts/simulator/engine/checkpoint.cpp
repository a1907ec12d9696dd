// SPDX-License-Identifier: Apache-2.0
// An array's state, part by part: a part for each site, which does not depend on how nodes are dealt to threads, and one for the
// array as a whole.
#include <stdexcept>

#include "array.h"
#include "state.h"

namespace d1 {

// A long link belongs to the site at its western or northern end.
template <class Stream>
void Array::site_state(Stream& stream, unsigned site) {
    const unsigned slot = slot_of_.at(site);
    stream(links_[0][slot], links_[1][slot], activity_[slot], evaluations_[slot]);
    // Calls of the past are answered, so that only those for the next cycle count.
    atomic_state(stream, wake_[cycle_ & 1][slot]);
    nodes_[slot]->state(stream);
    for (const unsigned side : {kEast, kSouth}) {
        const int near = neighbours_[slot][side];
        if (near > kFirstLongLink) continue;
        const unsigned number = unsigned(kFirstLongLink - near);
        stream(long_links_[number], long_activity_[number]);
        atomic_state(stream, long_wake_[cycle_ & 1][number]);
    }
}

template <class Stream>
void Array::atomic_state(Stream& stream, std::atomic<uint8_t>& value) {
    uint8_t plain = value.load(std::memory_order_relaxed);
    stream(plain);
    value.store(plain, std::memory_order_relaxed);
}

template <class Stream>
void Array::common_state(Stream& stream) {
    uint64_t node_cycles = 0, phits = 0;
    for (const Worker& worker : workers_) {
        node_cycles += worker.node_cycles;
        phits += worker.phits;
    }
    stream(cycle_, busy_, quiet_cycles_, host_busy_, host_link_[0], host_link_[1], host_, node_cycles, phits);
    for (Worker& worker : workers_) worker.node_cycles = worker.phits = 0;
    workers_[0].node_cycles = node_cycles;
    workers_[0].phits = phits;
}

template <class Stream>
void Array::part_state(Stream& stream, int part) {
    if (part == kCommon)
        common_state(stream);
    else
        site_state(stream, unsigned(part));
}

std::vector<uint8_t> Array::save(int part) {
    if (host_.accessing()) throw std::runtime_error("the host's accesses are not over");
    StateWriter writer;
    part_state(writer, part);
    return writer.take();
}

void Array::restore(int part, const uint8_t* bytes, size_t length) {
    StateReader reader(bytes, length);
    part_state(reader, part);
    reader.end();
}

}  // namespace d1
