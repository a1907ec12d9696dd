// SPDX-License-Identifier: Apache-2.0
// The host at a link that leads out of the array: sends requests and takes what comes.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "flit.h"
#include "records.h"

namespace d1 {

class Host {
  public:
    // `exit` is the port of node (x, y) by which packets reach the host.
    Host(unsigned x, unsigned y, unsigned exit) : x_(x), y_(y), exit_(exit) {}

    // Starts a list of accesses, which must outlive it. A write is done when a read that was sent after it, to the same
    // node, is answered: both take the same way in the same class, so they cannot overtake each other.
    void start(const Access* accesses, size_t count);
    bool done() const { return !accessing() && packets_.empty() && went_ == 0; }
    // Whether accesses are under way.
    bool accessing() const { return next_ != count_ || fence_next_ != fences_.size() || outstanding_ != 0; }
    HostResult result() const;

    // How many cycles it takes at least until all is done; 0 if it is.
    uint64_t cycles_left() const;

    // Gives up what was not answered; late answers are dropped.
    void abandon();

    // One cycle: `in` is what the node drives in this cycle, `out` what the host drives in the next.
    // Returns whether there is anything on the link in the next cycle or something waits to be sent.
    bool step(const Link& in, Link& out);

    bool moved() const { return moved_; }
    uint64_t sent() const { return sent_; }
    uint64_t received() const { return received_; }

    // Packets that answered none of the accesses, oldest first.
    std::vector<Flit>& inbox() { return inbox_; }

    // Sends any packet, before what is left of the accesses.
    void send(const Flit& flit, unsigned traffic_class) { packets_.emplace_back(flit, traffic_class); }

    // As long as it is not accessing: what is abandoned refers to nobody's memory.
    template <class Stream>
    void state(Stream& stream) {
        stream(slots_, next_tag_, packets_, inbox_, credits_, coming_, going_, came_, went_, going_valid_, sent_, received_);
    }

  private:
    struct Slot {
        bool used = false, abandoned = false;
        uint8_t* data = nullptr;  // null for reads whose data nobody wants
        uint32_t skip = 0, length = 0;

        // Nobody waits for data meanwhile.
        template <class Stream>
        void state(Stream& stream) {
            stream(used, abandoned);
        }
    };
    // Tag of all writes, above those of reads. Their errors say themselves what failed.
    static constexpr unsigned kWriteTag = 255;
    static_assert(kWriteTag < 1u << kFlitTag.bits);

    void skip_empty();
    bool next_request(Flit& flit);
    bool read_request(Flit& flit, uint16_t x, uint16_t y, uint32_t offset, Slot slot);
    // Whether a flit answers one of the accesses, which it then completes.
    bool response(const Flit& flit);
    // A request from the host to a node; responses come back along the host's link.
    Flit address(uint32_t kind, uint16_t x, uint16_t y, uint32_t offset, unsigned tag) const;

    const unsigned x_, y_, exit_;
    const Access* accesses_ = nullptr;
    size_t count_ = 0, next_ = 0, position_ = 0;
    std::vector<std::pair<uint16_t, uint16_t>> fences_;
    size_t fence_next_ = 0;
    uint64_t requests_left_ = 0;  // of accesses and fences, those that were not sent yet
    std::array<Slot, kWriteTag> slots_{};
    unsigned next_tag_ = 0;
    uint64_t outstanding_ = 0;
    HostResult errors_{};
    // Takes and gives one flit.
    void receive(const Flit& flit, uint8_t valid);
    uint8_t next_flit(Flit& flit);

    std::deque<std::pair<Flit, unsigned>> packets_;
    std::vector<Flit> inbox_;
    std::array<unsigned, 2> credits_{kChannelDepth, kChannelDepth};
    // Flits on the link, and how many of their phits have passed.
    Flit coming_{}, going_{};
    unsigned came_ = 0, went_ = 0;
    uint8_t going_valid_ = 0;
    uint64_t sent_ = 0, received_ = 0;
    bool moved_ = false;
};

}  // namespace d1
