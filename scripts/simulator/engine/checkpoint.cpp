// SPDX-License-Identifier: Apache-2.0
// An array's state, part by part: a part for each site, which does not depend on how nodes are dealt to threads, and one for the
// array as a whole.
#include <stdexcept>

#include "array.h"
#include "state.h"

namespace d1 {

// An end of a long link belongs to its node. Its length is told, for those who do not have it.
template <class Stream>
void Array::long_end_state(Stream& stream, unsigned slot, unsigned side) {
    const int near = neighbours_[slot][side];
    const auto end_state = [&](auto& end_stream) {
        const unsigned end = unsigned(kFirstLongEnd - near);
        long_links_[end / 2].end_state(end_stream, end % 2);
        end_stream(long_activity_[end]);
        atomic_state(end_stream, long_wake_[cycle_ & 1][end]);
    };
    std::vector<uint8_t> bytes;
    if constexpr (std::is_same_v<Stream, StateWriter>) {
        StateWriter writer;
        if (is_long_end(near)) end_state(writer);
        bytes = writer.take();
        stream(bytes);
    } else {
        stream(bytes);
        StateReader reader(bytes.data(), bytes.size());
        if (is_long_end(near)) end_state(reader);
    }
}

// What other processes need to know comes first.
template <class Stream>
void Array::site_state(Stream& stream, unsigned site) {
    const unsigned slot = slot_of_.at(site);
    stream(links_[0].at(slot), links_[1].at(slot));
    for (unsigned side = 0; side < 4; ++side) long_end_state(stream, slot, side);
    if (!nodes_[slot]) return;
    stream(activity_[slot], evaluations_[slot], phits_[slot], shown_[slot]);
    // Calls of the past are answered, so that only those for the next cycle count.
    atomic_state(stream, wake_[cycle_ & 1][slot]);
    nodes_[slot]->state(stream);
    for (unsigned side = 0; side < 4; ++side) {
        if (neighbours_[slot][side] > kFirstMemory) continue;
        const unsigned number = unsigned(kFirstMemory - neighbours_[slot][side]);
        auto& [memory, at, port, outs, activity] = memories_[number];
        stream(memory, outs[0], outs[1], activity);
        atomic_state(stream, memory_wake_[cycle_ & 1][number]);
    }
    stream.end();
}

template <class Stream>
void Array::atomic_state(Stream& stream, std::atomic<uint8_t>& value) {
    uint8_t plain = value.load(std::memory_order_relaxed);
    stream(plain);
    value.store(plain, std::memory_order_relaxed);
}

template <class Stream>
void Array::common_state(Stream& stream) {
    stream(cycle_, busy_, quiet_cycles_, host_link_[0], host_link_[1], host_, settled_);
    uint64_t count = severed_.size();
    stream(count);
    if (exchange_ && count) throw std::runtime_error("links of an array that several processes simulate cannot die");
    severed_.resize(count);
    for (Severed& severed : severed_) stream(severed);
    attach_severed();
    stream.end();
    // Only the process with the host goes on with it.
    if (host_slot_ != kDead) return;
    host_link_[0] = host_link_[1] = {};
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
    if (part != kCommon && slot_of_.at(unsigned(part)) == kDead) return;
    StateReader reader(bytes, length);
    part_state(reader, part);
}

}  // namespace d1
