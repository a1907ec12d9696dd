// SPDX-License-Identifier: Apache-2.0
// A link that takes more than a cycle: what rtl/network/bridge.py is, in both directions, cycle for cycle.
#pragma once

#include <array>
#include <cstdint>
#include <deque>

#include "flit.h"

namespace d1 {

// One direction.
class Bridge {
  public:
    explicit Bridge(unsigned cycles);

    // One cycle: what sender and receiver drive in it, of which the receiver's credits count; and what they see in the next.
    void step(uint64_t cycle, const Link& sender, const Link& receiver, Link& to_sender, Link& to_receiver);

    // Whether a flit or a credit is on the wire, or a flit in a buffer.
    bool holds() const { return !(under_way_.empty() && freed_.empty() && waiting_[0].empty() && waiting_[1].empty()); }
    // Whether a flit is on the wire.
    bool carries() const { return !under_way_.empty(); }

    template <class Stream>
    void state(Stream& stream) {
        stream(free_, credits_, under_way_, freed_, waiting_, came_, left_, last_, leaving_);
    }

  private:
    static constexpr unsigned kClasses = 2;
    struct UnderWay {
        uint64_t due;
        unsigned kind;
        Phit phit;
    };
    struct Freed {
        uint64_t due;
        unsigned kind;
    };

    void leave(uint64_t cycle, Link& to_receiver);

    const unsigned over_;  // cycles from one end of the wire to the other
    std::array<unsigned, kClasses> free_;
    std::array<unsigned, kClasses> credits_{kChannelDepth, kChannelDepth};
    std::deque<UnderWay> under_way_;
    std::deque<Freed> freed_;
    std::array<std::deque<Phit>, kClasses> waiting_;
    // Phits of a flit that came, and that left, in part; the class that leaves, or left last.
    unsigned came_ = 0, left_ = 0, last_ = 0;
    Phit leaving_{};
};

// Both directions, between two nodes.
class LongLink {
  public:
    // An end: the node's slot and side.
    struct End {
        unsigned slot, side;
    };

    LongLink(unsigned cycles, End first, End second) : bridges_{Bridge(cycles), Bridge(cycles)}, ends_{first, second} {}

    const End& end(unsigned index) const { return ends_[index]; }
    // What an end sees; there are two copies, of even and of odd cycles.
    const Link& seen(unsigned copy, unsigned end) const { return seen_[copy][end]; }

    // One cycle, given what the nodes at its ends drive in it. Returns whether anything is under way, or seen in the next cycle.
    bool step(uint64_t cycle, const Link& first, const Link& second);

    // Whether a flit moved in the last cycle.
    bool moved() const { return moved_; }

    template <class Stream>
    void state(Stream& stream) {
        stream(bridges_, seen_);
    }

  private:
    std::array<Bridge, 2> bridges_;
    std::array<End, 2> ends_;
    std::array<std::array<Link, 2>, 2> seen_{};
    bool moved_ = false;
};

}  // namespace d1
