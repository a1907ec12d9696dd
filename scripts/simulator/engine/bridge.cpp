// SPDX-License-Identifier: Apache-2.0
#include "bridge.h"

namespace d1 {

Bridge::Bridge(unsigned cycles) : over_(cycles - 2) {
    free_.fill(kChannelDepth + (2 * over_ + kLinkPasses - 1) / kLinkPasses);
}

void Bridge::leave(uint64_t cycle, Link& to_receiver) {
    if (left_ == 0) {
        std::array<bool, kClasses> able;
        for (unsigned kind = 0; kind < kClasses; ++kind) able[kind] = !waiting_[kind].empty() && credits_[kind];
        if (!able[0] && !able[1]) return;
        last_ = able[0] && able[1] ? last_ ^ 1 : unsigned(able[1]);
        --credits_[last_];
        freed_.push_back({cycle + over_, last_});
    }
    left_ = (left_ + 1) % kLinkPasses;
    leaving_ = waiting_[last_].front();
    waiting_[last_].pop_front();
    to_receiver.valid = uint8_t(1 << last_);
}

void Bridge::step(uint64_t cycle, const Link& sender, const Link& receiver, Link& to_sender, Link& to_receiver) {
    uint8_t first = 0;
    if (sender.valid) {
        under_way_.push_back({cycle + over_, unsigned(sender.valid >> 1), sender.flit});
        if (came_ == 0) first = sender.valid;
        came_ = (came_ + 1) % kLinkPasses;
    }
    if (!under_way_.empty() && under_way_.front().due == cycle) {
        waiting_[under_way_.front().kind].push_back(under_way_.front().phit);
        under_way_.pop_front();
    }
    to_receiver.valid = 0;
    leave(cycle, to_receiver);
    to_receiver.flit = leaving_;

    std::array<bool, kClasses> comes_free{};
    for (; !freed_.empty() && freed_.front().due == cycle; freed_.pop_front()) comes_free[freed_.front().kind] = true;
    to_sender.credit = 0;
    for (unsigned kind = 0; kind < kClasses; ++kind) {
        const bool spent = first >> kind & 1;
        const bool more = free_[kind] > kChannelDepth, fewer = free_[kind] < kChannelDepth;
        to_sender.credit |= uint8_t(((spent && (more || comes_free[kind])) || (fewer && comes_free[kind])) << kind);
        free_[kind] += unsigned(comes_free[kind]) - unsigned(spent);
        credits_[kind] += receiver.credit >> kind & 1;
    }
}

bool LongLink::step(uint64_t cycle, const Link& first, const Link& second) {
    auto& [to_first, to_second] = seen_[(cycle & 1) ^ 1];
    bridges_[0].step(cycle, first, second, to_first, to_second);
    bridges_[1].step(cycle, second, first, to_second, to_first);
    moved_ = to_first.valid || to_second.valid;
    bool busy = to_first.valid || to_first.credit || to_second.valid || to_second.credit;
    for (const Bridge& bridge : bridges_) {
        moved_ |= bridge.carries();
        busy |= bridge.holds();
    }
    return busy;
}

}  // namespace d1
