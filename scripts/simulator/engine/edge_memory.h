// SPDX-License-Identifier: Apache-2.0
// A memory at a link that leads out of the array. docs/architecture.md, "Edge memories", is its contract, cycle for cycle.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "flit.h"
#include "records.h"

namespace d1 {

// Bytes, all 0 at first, in pages that are there as soon as something is written to them.
class SparseBytes {
  public:
    void read(uint64_t offset, uint8_t* data, uint64_t length) const;
    void write(uint64_t offset, const uint8_t* data, uint64_t length);

    template <class Stream>
    void state(Stream& stream) {
        std::vector<uint64_t> numbers;
        for (const auto& [number, page] : pages_) numbers.push_back(number);
        std::sort(numbers.begin(), numbers.end());
        stream(numbers);
        // Restored, it has those pages that were saved, and no others.
        std::erase_if(pages_, [&](const auto& held) { return !std::binary_search(numbers.begin(), numbers.end(), held.first); });
        for (const uint64_t number : numbers) {
            auto& page = pages_[number];
            if (!page) page = std::make_unique<Page>();
            stream.bytes(page->data(), kPageBytes);
        }
    }

  private:
    static constexpr uint64_t kPageBytes = 1 << 16;
    using Page = std::array<uint8_t, kPageBytes>;
    std::unordered_map<uint64_t, std::unique_ptr<Page>> pages_;
};

class EdgeMemory {
  public:
    // `exit` is the port of node (x, y) by which packets reach it.
    EdgeMemory(unsigned x, unsigned y, unsigned exit, uint64_t bytes, uint32_t latency, uint32_t bytes_per_cycle);
    EdgeMemory(EdgeMemory&&) = default;

    // One cycle: `in` is what the node drives in this cycle, `out` what the memory drives in the next.
    // Returns whether anything is on the link in the next cycle or under way.
    bool step(uint64_t cycle, const Link& in, Link& out);

    // Whether in the last cycle a flit moved, or time alone was waited for.
    bool moved() const { return moved_; }

    SparseBytes& contents() { return contents_; }
    const MemoryCounters& counters() const { return counters_; }

    template <class Stream>
    void state(Stream& stream) {
        stream(contents_, counters_, allowance_, filled_, waiting_, answers_, credits_, coming_, going_, came_, went_, moved_);
    }

  private:
    struct Answer {
        uint64_t due;  // its first cycle on the link
        Flit flit;

        template <class Stream>
        void state(Stream& stream) {
            stream(due, flit);
        }
    };

    void fill(uint64_t cycle);
    bool serve(const Flit& request, Flit& answer);
    uint32_t refusal(const Flit& request, uint64_t offset) const;

    const unsigned x_, y_, exit_;
    const uint64_t bytes_;
    const uint32_t latency_, rate_;
    SparseBytes contents_;
    MemoryCounters counters_{};

    // What may be moved in `filled_`, the cycle of the last step.
    uint64_t allowance_, filled_ = 0;
    std::deque<Flit> waiting_;
    std::deque<Answer> answers_;
    unsigned credits_ = kChannelDepth;
    Flit coming_{}, going_{};
    unsigned came_ = 0, went_ = 0;
    bool moved_ = false;
};

}  // namespace d1
