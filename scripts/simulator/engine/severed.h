// SPDX-License-Identifier: Apache-2.0
// A link that has died: what was on it, and how its ends see it from then on.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "flit.h"

namespace d1 {

// A flit that was on a link when it died, as Python sees it.
struct LostFlit {
    Flit flit;
    uint32_t traffic_class;
};

// One direction. Nothing of what was under way arrives, with one exception: of a flit of which the receiver has seen a part, it
// gets the rest, since it may have sent the beginning on. What the sender had begun to send is lost as it comes out.
class SeveredDirection {
  public:
    // A phit that the receiver gets, in the next cycle in which none before it does.
    void pass(const Phit& phit) { passing_.push_back(phit); }
    // The phits of that flit that the sender has not sent yet.
    void owe(unsigned phits) { owed_ = phits; }
    void set_class(unsigned kind) { kind_ = kind; }

    // A phit that nobody gets; those of a class come in their order.
    void lose(unsigned kind, const Phit& phit) {
        put_phit(coming_[kind], came_[kind], phit);
        came_[kind] = (came_[kind] + 1) % kLinkPasses;
        if (came_[kind] == 0) lost_.push_back({coming_[kind], kind});
    }

    // What the sender drives.
    void take(const Link& sender) {
        if (!sender.valid) return;
        if (owed_) {
            --owed_;
            pass(sender.flit);
        } else {
            lose(sender.valid >> 1, sender.flit);
        }
    }
    // What the receiver sees in the next cycle of those that follow each other.
    Link show() {
        Link link{};
        if (passing_.empty()) return link;
        link.valid = uint8_t(1 << kind_);
        link.flit = passing_.front();
        passing_.pop_front();
        return link;
    }

    const std::vector<LostFlit>& lost() const { return lost_; }

    template <class Stream>
    void state(Stream& stream) {
        stream(passing_, owed_, kind_, coming_, came_, lost_);
    }

  private:
    std::deque<Phit> passing_;
    unsigned owed_ = 0, kind_ = 0;
    // By class: a lost flit, and how many of its phits have come.
    std::array<Flit, 2> coming_{};
    std::array<unsigned, 2> came_{};
    std::vector<LostFlit> lost_;
};

// Both directions: the first leads from the western or northern end to the other one.
struct Severed {
    uint64_t cycle = 0;           // the first in which it carries nothing
    unsigned site = 0, side = 0;  // its western or northern end
    std::array<SeveredDirection, 2> directions;
    // What the ends see; there are two copies, of even and of odd cycles.
    std::array<std::array<Link, 2>, 2> seen{};

    template <class Stream>
    void state(Stream& stream) {
        stream(cycle, site, side, directions, seen);
    }
};

}  // namespace d1
