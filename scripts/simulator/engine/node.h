// SPDX-License-Identifier: Apache-2.0
// One instance of the compiled node, with the registers of its boundary.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "flit.h"
#include "records.h"
#include "state.h"

class D1Node;
class VerilatedContext;

namespace d1 {

class Node {
  public:
    // Of the links: those that there are, and those that lead out of the array. Bit 0 north, 1 east, 2 south, 3 west.
    Node(unsigned x, unsigned y, unsigned links, unsigned edges);
    ~Node();
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    // One rising edge with these inputs, one per side in the order north, east, south, west; the registers after it go to `out`.
    void evaluate(uint64_t cycle, const Link* const in[4], Link out[4]);

    // From the next cycle on there is no link on that side.
    void lose_link(unsigned side);

    bool idle() const;
    bool progress() const;
    NodeState state() const;

    // Appends what retired, in order and as soon as its results are there, and which vector registers were written, in the registers of the boundary as they are now.
    void trace(uint64_t cycle, std::vector<Retirement>& retirements);
    void trace(uint64_t cycle, std::vector<VectorWrite>& writes);

    // Appends a record to each stream of observation that is chosen, a bit each, and has something to show: cycle, x, y, and the
    // stream's ports, as `record` writes them.
    using Observations = std::array<std::vector<uint8_t>, kStreams>;
    void observe(uint64_t cycle, uint32_t chosen, Observations& observations) const;

    // All outputs, each in the least of 1, 2, 4 or 8 bytes or in whole words, in the order of D1_OUTPUT_PORTS.
    void record(uint8_t* bytes) const;
    static size_t record_bytes();

    uint8_t* sram() { return sram_; }

    // All that a run depends on; of what observes it, only what is under way.
    template <class Stream>
    void state(Stream& stream) {
        stream(open_);
        if constexpr (std::is_same_v<Stream, StateWriter>)
            save_model(stream);
        else
            restore_model(stream);
    }

    // Bytes of memory that an instance takes.
    static size_t footprint();

    void open_waves(const std::string& path);
    void close_waves();
    bool waves() const { return waves_ != nullptr; }

  private:
    void edge();
    void save_model(StateWriter& writer) const;
    void restore_model(StateReader& reader);

    struct Waves;
    const uint16_t x_, y_;
    std::unique_ptr<VerilatedContext> context_;
    std::unique_ptr<D1Node> model_;
    uint8_t* sram_ = nullptr;
    std::unique_ptr<Waves> waves_;

    // What each thread has retired, from the oldest instruction on whose result is still to come.
    struct Open {
        Retirement record;
        bool late;
    };
    std::array<std::deque<Open>, 4> open_;
};

}  // namespace d1
