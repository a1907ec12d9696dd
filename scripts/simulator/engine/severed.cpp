// SPDX-License-Identifier: Apache-2.0
// Links of an array that die.
#include "severed.h"

#include <stdexcept>

#include "array.h"

namespace d1 {

namespace {

constexpr unsigned kEast = 1, kSouth = 2;

// Where flits take several cycles, what routers had begun to send comes out in less than so many.
constexpr unsigned kSettlingCycles = kLinkPasses == 1 ? 0 : 2 * kLinkPasses + 8;

// What a link of one cycle carries to the receiver, of whose flit the sender has shown `shown` phits, this one included.
void cut_wire(SeveredDirection& direction, const Link& wire, unsigned shown) {
    if (!wire.valid) return;
    const unsigned kind = wire.valid >> 1, seen = (shown + kLinkPasses - 1) % kLinkPasses;
    if (seen == 0) {
        direction.lose(kind, wire.flit);
        return;
    }
    direction.set_class(kind);
    direction.pass(wire.flit);
    direction.owe(kLinkPasses - 1 - seen);
}

}  // namespace

std::array<LongLink::End, 2> Array::ends_of(unsigned site, unsigned side) const {
    const unsigned across = site + (side == kEast ? 1 : columns_);
    return {LongLink::End{slot_of_.at(site), side}, LongLink::End{slot_of_.at(across), side ^ 2}};
}

void Array::kill_link(unsigned site, unsigned side) {
    if (exchange_) throw std::runtime_error("links of an array that several processes simulate cannot die");
    if (side != kEast && side != kSouth) throw std::logic_error("a link is named at its western or northern end");
    const int near = neighbours_.at(slot_of_.at(site)).at(side);
    if (near < 0 && !is_long_end(near)) throw std::runtime_error("there is no link between two nodes");
    const auto ends = ends_of(site, side);
    const unsigned now = cycle_ & 1;

    Severed severed;
    severed.cycle = cycle_;
    severed.site = site;
    severed.side = side;
    if (is_long_end(near)) {
        const unsigned number = unsigned(kFirstLongEnd - near) / 2;
        long_links_[number].cut(now, severed.directions);
        for (Worker& worker : workers_)
            std::erase_if(worker.long_links, [&](const LinkPart& part) { return part.number == number; });
        std::erase(split_links_, number);
        for (unsigned end = 0; end < 2; ++end) severed.directions[end].take(links_[now][ends[end].slot][ends[end].side]);
    } else {
        for (unsigned end = 0; end < 2; ++end) {
            const auto& [slot, port] = ends[end];
            cut_wire(severed.directions[end], links_[now][slot][port], shown_[slot][port]);
        }
    }
    for (unsigned end = 0; end < 2; ++end) {
        severed.seen[now][end ^ 1] = severed.directions[end].show();
        nodes_[ends[end].slot]->lose_link(ends[end].side);
        activity_[ends[end].slot] = kAwake;
    }
    severed_.push_back(std::move(severed));
    attach_severed();
    settled_ = cycle_ + kSettlingCycles;
    busy_ = true;
}

// What is left of dead links, in the cycle that comes, of this copy. Returns whether they still carry anything.
bool Array::step_severed(unsigned copy) {
    bool carries = false;
    for (Severed& severed : severed_) {
        const auto ends = ends_of(severed.site, severed.side);
        for (unsigned end = 0; end < 2; ++end) {
            const Link& sender = links_[copy][ends[end].slot][ends[end].side];
            severed.directions[end].take(sender);
            Link& seen = severed.seen[copy][end ^ 1];
            seen = severed.directions[end].show();
            carries |= sender.valid || seen.valid;
            if (seen.valid) wake_[copy][ends[end ^ 1].slot].store(1, std::memory_order_relaxed);
        }
    }
    return carries;
}

// Puts what is left of dead links where they were.
void Array::attach_severed() {
    for (unsigned number = 0; number < severed_.size(); ++number)
        for (const auto& [slot, side] : ends_of(severed_[number].site, severed_[number].side))
            neighbours_[slot][side] = kFirstSevered - int(number);
}

}  // namespace d1
