// SPDX-License-Identifier: Apache-2.0
// A cycle of what one worker has.
#include "array.h"

#include <cstring>

namespace d1 {

namespace {

constexpr unsigned kSlotsAtOnce = sizeof(uint64_t);

// Whether the next slots' bytes are all 0; `bytes` is the first of them.
bool all_zero(const void* bytes) {
    uint64_t value;
    std::memcpy(&value, bytes, sizeof(value));
    return value == 0;
}

}  // namespace

// What the node in a slot sees on a side in cycles of a copy.
const Link* Array::seen(unsigned slot, unsigned side, unsigned copy) const {
    static const Link kNothing{};
    const int near = neighbours_[slot][side];
    if (near >= 0) return &links_[copy][near][side ^ 2];
    if (near == kNoSlot) return &kNothing;
    if (near == kHostSlot) return &host_link_[copy];
    if (near <= kFirstMemory) return &memories_[kFirstMemory - near].out[copy];
    if (near <= kFirstSevered) return &severed_[kFirstSevered - near].seen[copy][side == 1 || side == 2 ? 0 : 1];
    const unsigned end = unsigned(kFirstLongEnd - near);
    return &long_links_[end / 2].seen(copy, end % 2);
}

// Has what is behind a node's side evaluated in the next cycle, of this copy.
void Array::wake(unsigned slot, unsigned side, unsigned copy) {
    const int near = neighbours_[slot][side];
    if (near >= 0) {
        wake_[copy][near].store(1, std::memory_order_relaxed);
    } else if (near <= kFirstMemory) {
        memory_wake_[copy][kFirstMemory - near].store(1, std::memory_order_relaxed);
    } else if (is_long_end(near)) {
        long_wake_[copy][kFirstLongEnd - near].store(1, std::memory_order_relaxed);
    }
}

void Array::step_nodes(Worker& worker, bool& progress) {
    const unsigned now = worker.cycle & 1, next = now ^ 1;
    static_assert(sizeof(Activity) == 1 && kAsleep == 0);
    static_assert(sizeof(std::atomic<uint8_t>) == 1);
    for (unsigned slot = worker.first; slot < worker.last; ++slot) {
        // Most nodes of a large array may be asleep. Nobody writes this cycle's wake calls while they are read.
        if (skipping_ && slot % kSlotsAtOnce == 0 && all_zero(&activity_[slot]) && all_zero(&wake_[now][slot])) {
            slot += kSlotsAtOnce - 1;
            continue;
        }
        const bool woken = wake_[now][slot].load(std::memory_order_relaxed);
        if (skipping_ && !woken && activity_[slot] != kAwake) {
            if (activity_[slot] == kCopy) {
                links_[next][slot] = links_[now][slot];
                activity_[slot] = kAsleep;
            }
            continue;
        }
        if (woken) wake_[now][slot].store(0, std::memory_order_relaxed);
        Node& node = *nodes_[slot];
        const Link* in[4];
        for (unsigned side = 0; side < 4; ++side) in[side] = seen(slot, side, now);
        auto& out = links_[next][slot];
        node.evaluate(worker.cycle, in, out.data());
        ++evaluations_[slot];
        ++worker.node_cycles;
        bool driving = false;
        for (unsigned side = 0; side < 4; ++side) {
            if (!(out[side].valid | out[side].credit)) continue;
            driving = true;
            phits_[slot] += out[side].valid != 0;
            if (kLinkPasses > 1 && out[side].valid) shown_[slot][side] = uint8_t((shown_[slot][side] + 1) % kLinkPasses);
            wake(slot, side, next);
        }
        const bool awake = driving || !node.idle();
        // Waves show every cycle, so their node is never left alone.
        activity_[slot] = awake || node.waves() ? kAwake : kCopy;
        worker.busy += awake;
        progress |= node.progress();
        if (traced_[slot] & kRetirements) node.trace(worker.cycle + 1, retirements_[slot]);
        if (traced_[slot] & kWrites) node.trace(worker.cycle + 1, writes_[slot]);
        if constexpr (kStreams > 0) {
            if (observed_[slot]) node.observe(worker.cycle + 1, observed_[slot], observations_[slot]);
        }
    }
}

void Array::step_long_links(Worker& worker, bool& progress) {
    const unsigned now = worker.cycle & 1, next = now ^ 1;
    for (const auto& [number, end] : worker.long_links) {
        const unsigned first = end == LinkPart::kBoth ? 0 : end, last = end == LinkPart::kBoth ? 1 : end;
        bool needed = !skipping_;
        for (unsigned each = 2 * number + first; each <= 2 * number + last; ++each) {
            const bool woken = long_wake_[now][each].load(std::memory_order_relaxed);
            if (woken) long_wake_[now][each].store(0, std::memory_order_relaxed);
            needed |= woken || long_activity_[each] != kAsleep;
        }
        if (!needed) continue;
        LongLink& link = long_links_[number];
        const auto drives = [&](unsigned each) -> const Link& { return links_[now][link.end(each).slot][link.end(each).side]; };
        if (end == LinkPart::kBoth)
            link.step(worker.cycle, drives(0), drives(1));
        else
            link.step(worker.cycle, end, drives(end));
        for (unsigned each = first; each <= last; ++each) settle(link, number, each, next, worker, progress);
    }
}

// What follows from how an end is in the next cycle, of this copy.
void Array::settle(const LongLink& link, unsigned number, unsigned end, unsigned copy, Worker& worker, bool& progress) {
    const unsigned slot = link.end(end).slot;
    const bool busy = link.busy(end, copy);
    Activity& activity = long_activity_[2 * number + end];
    activity = busy ? kAwake : activity == kAwake ? kCopy : kAsleep;
    // Of two processes that evaluate it, the one with the node counts it.
    worker.busy += busy && nodes_[slot];
    progress |= link.moved(end, copy);
    const Link& seen = link.seen(copy, end);
    if (seen.valid | seen.credit) wake_[copy][slot].store(1, std::memory_order_relaxed);
}

void Array::step_memories(Worker& worker, bool& progress) {
    const unsigned now = worker.cycle & 1, next = now ^ 1;
    for (const unsigned number : worker.memories) {
        const bool woken = memory_wake_[now][number].exchange(0, std::memory_order_relaxed);
        auto& [memory, slot, side, outs, activity] = memories_[number];
        if (skipping_ && !woken && activity == kAsleep) continue;
        const bool busy = memory.step(worker.cycle, links_[now][slot][side], outs[next]);
        activity = busy ? kAwake : activity == kAwake ? kCopy : kAsleep;
        worker.busy += busy;
        progress |= memory.moved();
        if (outs[next].valid | outs[next].credit) wake_[next][slot].store(1, std::memory_order_relaxed);
    }
}

void Array::step(Worker& worker) {
    const unsigned now = worker.cycle & 1, next = now ^ 1;
    bool progress = false;
    worker.busy = 0;
    step_nodes(worker, progress);
    if (worker.has_host) {
        worker.busy += host_.step(links_[now][host_slot_][host_side_], host_link_[next]);
        if (host_link_[next].valid | host_link_[next].credit) wake_[next][host_slot_].store(1, std::memory_order_relaxed);
        progress |= host_.moved();
    }
    step_long_links(worker, progress);
    step_memories(worker, progress);
    ++worker.cycle;
    if (progress) worker.progress = worker.cycle;
    if (recording_) record(worker);
}

}  // namespace d1
