// SPDX-License-Identifier: Apache-2.0
// A link that takes more than a cycle: what rtl/network/bridge.py is, in both directions, cycle for cycle.
//
// Its ends tell each other nothing but what is on the wires between them, which takes L - 2 cycles. So they may be evaluated
// apart, by threads or processes that meet every L - 2 cycles only.
#pragma once

#include <array>
#include <cstdint>
#include <deque>

#include "flit.h"
#include "severed.h"

namespace d1 {

// What is on the wires to one end, in the order in which it arrives.
struct Wires {
    struct Part {
        uint64_t due;  // the cycle in which it is at the end
        uint32_t kind;
        Phit phit;

        template <class Stream>
        void state(Stream& stream) {
            stream(due, kind, phit);
        }
    };
    struct Credit {
        uint64_t due;
        uint32_t kind;

        template <class Stream>
        void state(Stream& stream) {
            stream(due, kind);
        }
    };

    std::deque<Part> parts;
    std::deque<Credit> credits;

    bool empty() const { return parts.empty() && credits.empty(); }
    // Puts behind it what was sent later, and leaves nothing there.
    void take(Wires& later);

    template <class Stream>
    void state(Stream& stream) {
        stream(parts, credits);
    }
};

// One end, beside a node: near end of the wire that leads away, and far end, with the buffers, of the one that comes.
class LinkEnd {
  public:
    explicit LinkEnd(unsigned cycles);

    // A cycle in three steps, in this order. A link of two cycles has wires of no length: there, both ends take each step before
    // one takes the next. `node` is what the node drives in this cycle, `to_node` what it sees in the next.
    void send(uint64_t cycle, const Link& node, Wires& away);
    void receive(uint64_t cycle, Link& to_node, Wires& away);
    void count_credits(uint64_t cycle, const Link& node, Link& to_node);

    // The link dies while the node sees `shown`: all that was to come is lost, but for what belongs to a flit that it has seen in
    // part.
    void cut(const Link& shown, SeveredDirection& severed) const;

    Wires& coming() { return coming_; }
    // Whether a flit is on the wire to this end.
    bool expects() const { return !coming_.parts.empty(); }
    bool holds() const { return !(coming_.empty() && waiting_[0].empty() && waiting_[1].empty()); }

    template <class Stream>
    void state(Stream& stream) {
        stream(free_, credits_, coming_, waiting_, came_, left_, last_, leaving_);
    }

  private:
    static constexpr unsigned kClasses = 2;

    void leave(uint64_t cycle, Link& to_node, Wires& away);

    const unsigned over_;  // cycles from one end of the wire to the other
    // Of what the node sends: free places at the other end, phits of a flit that went in part, and whether one began in this cycle.
    std::array<unsigned, kClasses> free_;
    unsigned came_ = 0;
    uint8_t begun_ = 0;
    // Of what comes to the node.
    Wires coming_;
    std::array<std::deque<Phit>, kClasses> waiting_;
    std::array<unsigned, kClasses> credits_{kChannelDepth, kChannelDepth};
    // Phits of a flit that left in part; the class that leaves, or left last.
    unsigned left_ = 0, last_ = 0;
    Phit leaving_{};
};

// Both directions, between two nodes.
class LongLink {
  public:
    // An end: the node's slot and side.
    struct End {
        unsigned slot, side;
    };

    LongLink(unsigned cycles, End first, End second) : sides_{Side(cycles, first), Side(cycles, second)} {}

    const End& end(unsigned index) const { return sides_[index].at; }
    // What an end's node sees; there are two copies, of even and of odd cycles.
    const Link& seen(unsigned copy, unsigned end) const { return sides_[end].seen[copy]; }

    // One cycle of both ends, given what the nodes at them drive in it. Returns whether an end is busy.
    bool step(uint64_t cycle, const Link& first, const Link& second);
    // One cycle of one end. What it sends waits until it is taken.
    void step(uint64_t cycle, unsigned end, const Link& node);

    // What an end that is evaluated by itself has sent and the other has not got yet.
    Wires& sent(unsigned end) { return sides_[end].sent; }
    void deliver(unsigned end, Wires& from) { sides_[end].wires.coming().take(from); }

    // Whether anything is at an end, on the way to it, or seen in cycles of this copy.
    bool busy(unsigned end, unsigned copy) const {
        const Link& seen = sides_[end].seen[copy];
        return seen.valid || seen.credit || sides_[end].wires.holds();
    }
    // Whether a flit moves there.
    bool moved(unsigned end, unsigned copy) const { return sides_[end].seen[copy].valid || sides_[end].wires.expects(); }

    // It dies while its ends see that copy.
    void cut(unsigned copy, std::array<SeveredDirection, 2>& severed) const {
        for (unsigned end = 0; end < 2; ++end) sides_[end ^ 1].wires.cut(sides_[end ^ 1].seen[copy], severed[end]);
    }

    template <class Stream>
    void end_state(Stream& stream, unsigned end) {
        stream(sides_[end].wires, sides_[end].seen);
    }

  private:
    // Different threads may have the ends.
    struct alignas(64) Side {
        Side(unsigned cycles, End end) : at(end), wires(cycles) {}

        End at;
        LinkEnd wires;
        std::array<Link, 2> seen{};
        Wires sent;
    };

    std::array<Side, 2> sides_;
};

}  // namespace d1
