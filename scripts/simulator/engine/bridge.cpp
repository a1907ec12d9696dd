// SPDX-License-Identifier: Apache-2.0
#include "bridge.h"

namespace d1 {

void Wires::take(Wires& later) {
    parts.insert(parts.end(), later.parts.begin(), later.parts.end());
    credits.insert(credits.end(), later.credits.begin(), later.credits.end());
    later.parts.clear();
    later.credits.clear();
}

LinkEnd::LinkEnd(unsigned cycles) : over_(cycles - 2) {
    free_.fill(kChannelDepth + (2 * over_ + kLinkPasses - 1) / kLinkPasses);
}

void LinkEnd::send(uint64_t cycle, const Link& node, Wires& away) {
    begun_ = 0;
    if (!node.valid) return;
    away.parts.push_back({cycle + over_, uint32_t(node.valid >> 1), node.flit});
    if (came_ == 0) begun_ = node.valid;
    came_ = (came_ + 1) % kLinkPasses;
}

void LinkEnd::leave(uint64_t cycle, Link& to_node, Wires& away) {
    if (left_ == 0) {
        std::array<bool, kClasses> able;
        for (unsigned kind = 0; kind < kClasses; ++kind) able[kind] = !waiting_[kind].empty() && credits_[kind];
        if (!able[0] && !able[1]) return;
        last_ = able[0] && able[1] ? last_ ^ 1 : unsigned(able[1]);
        --credits_[last_];
        away.credits.push_back({cycle + over_, last_});
    }
    left_ = (left_ + 1) % kLinkPasses;
    leaving_ = waiting_[last_].front();
    waiting_[last_].pop_front();
    to_node.valid = uint8_t(1 << last_);
}

void LinkEnd::receive(uint64_t cycle, Link& to_node, Wires& away) {
    auto& parts = coming_.parts;
    if (!parts.empty() && parts.front().due == cycle) {
        waiting_[parts.front().kind].push_back(parts.front().phit);
        parts.pop_front();
    }
    to_node.valid = 0;
    leave(cycle, to_node, away);
    to_node.flit = leaving_;
}

void LinkEnd::count_credits(uint64_t cycle, const Link& node, Link& to_node) {
    std::array<bool, kClasses> comes_free{};
    auto& credits = coming_.credits;
    for (; !credits.empty() && credits.front().due == cycle; credits.pop_front()) comes_free[credits.front().kind] = true;
    to_node.credit = 0;
    for (unsigned kind = 0; kind < kClasses; ++kind) {
        const bool spent = begun_ >> kind & 1;
        const bool more = free_[kind] > kChannelDepth, fewer = free_[kind] < kChannelDepth;
        to_node.credit |= uint8_t(((spent && (more || comes_free[kind])) || (fewer && comes_free[kind])) << kind);
        free_[kind] += unsigned(comes_free[kind]) - unsigned(spent);
        credits_[kind] += node.credit >> kind & 1;
    }
}

void LinkEnd::cut(const Link& shown, SeveredDirection& severed) const {
    unsigned rest = 0;
    if (shown.valid && (kLinkPasses == 1 || left_ == 1)) {
        severed.lose(last_, shown.flit);
    } else if (shown.valid) {
        severed.set_class(last_);
        severed.pass(shown.flit);
        rest = (kLinkPasses - left_) % kLinkPasses;
    }
    const auto give = [&](unsigned kind, const Phit& phit) {
        if (kind == last_ && rest) {
            --rest;
            severed.pass(phit);
        } else {
            severed.lose(kind, phit);
        }
    };
    for (unsigned kind = 0; kind < kClasses; ++kind)
        for (const Phit& phit : waiting_[kind]) give(kind, phit);
    for (const Wires::Part& part : coming_.parts) give(part.kind, part.phit);
    severed.owe(rest);
}

bool LongLink::step(uint64_t cycle, const Link& first, const Link& second) {
    const unsigned next = (cycle & 1) ^ 1;
    auto& [a, b] = sides_;
    a.wires.send(cycle, first, b.wires.coming());
    b.wires.send(cycle, second, a.wires.coming());
    a.wires.receive(cycle, a.seen[next], b.wires.coming());
    b.wires.receive(cycle, b.seen[next], a.wires.coming());
    a.wires.count_credits(cycle, first, a.seen[next]);
    b.wires.count_credits(cycle, second, b.seen[next]);
    return busy(0, next) || busy(1, next);
}

void LongLink::step(uint64_t cycle, unsigned end, const Link& node) {
    Side& side = sides_[end];
    Link& to_node = side.seen[(cycle & 1) ^ 1];
    side.wires.send(cycle, node, side.sent);
    side.wires.receive(cycle, to_node, side.sent);
    side.wires.count_credits(cycle, node, to_node);
}

}  // namespace d1
