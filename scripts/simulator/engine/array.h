// SPDX-License-Identifier: Apache-2.0
// An array of nodes at rows x columns sites, evaluated by a team of threads, and by other processes that have parts of it.
//
// Who has a part of the array need not meet others in each cycle if what joins them is nothing but links of L cycles: what one of
// them does is seen by others L - 2 cycles later at the earliest. They meet after windows of so many cycles. Within a window, a
// part that has come to rest waits where it is, since it stays at rest until the window's end: so the cycle in which all have
// come to rest is known, and nobody is beyond it. Everything else that ends a run is known when a window begins, and ends it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bridge.h"
#include "edge_memory.h"
#include "exchange.h"
#include "host.h"
#include "node.h"
#include "severed.h"
#include "team.h"

namespace d1 {

// What an array consists of. Sites count row by row, sides in the order north, east, south, west.
struct Layout {
    unsigned rows, columns;
    const uint8_t* live;          // by site: whether there is a node
    const uint16_t* link_cycles;  // by site and side: 0 for no link, and for those to memories; both ends of a link have the same
    unsigned host_site, host_side;
    const MemoryFacts* memories;
    unsigned memory_count;
    // Of several processes: which has a site, which one this is, and how they talk. Null if there is one only.
    const uint16_t* owner;
    unsigned rank;
    Exchange exchange;
};

class Array {
  public:
    Array(const Layout& layout, unsigned threads);
    ~Array();

    uint64_t cycle() const { return cycle_; }
    unsigned sites() const { return rows_ * columns_; }

    // Goes on until something of Stop happens, at the latest in cycle `limit`; for about `seconds` at most.
    RunStatus run(uint64_t limit, double seconds, bool stop_when_host_is_done);

    Host& host() { return host_; }
    // Nodes are named by their sites, of which only live ones of this process may be asked for.
    Node& node(unsigned site) { return *nodes_.at(slot_of_.at(site)); }
    // Memories are numbered as in the layout.
    EdgeMemory& memory(unsigned number) { return memories_.at(number).memory; }
    // The link to the east or south of a site carries nothing from the next cycle on; throws if there is none.
    void kill_link(unsigned site, unsigned side);
    const std::vector<Severed>& severed() const { return severed_; }
    Counters counters() const;
    uint64_t evaluations(unsigned site) const { return evaluations_.at(slot_of_.at(site)); }

    // Whether nodes that are idle and hear nothing are left alone; nothing but speed depends on it.
    void set_skipping(bool skipping) { skipping_ = skipping; }

    // Records retirements and vector writes of one node from now on, or of all if `site` is negative.
    void set_trace(int site, bool retirements, bool writes);
    size_t pending_retirements() const;
    size_t pending_writes() const;
    void take(Retirement* records);
    void take(VectorWrite* records);

    // Records streams of observation, a bit each, of one node from now on, or of all if `site` is negative.
    void set_observed(int site, uint32_t chosen);
    size_t pending_observations(unsigned stream) const;
    // By node, and by cycle within each.
    void take_observations(unsigned stream, uint8_t* bytes);

    // Records all output registers of all sites, between the host's link and those of the memories, in every cycle from now on;
    // those of dead sites are 0, as are those of other processes.
    void set_recording(bool recording) { recording_ = recording; }
    static size_t link_record_bytes() { return sizeof(Phit) + 2; }
    size_t cycle_record_bytes() const {
        return link_record_bytes() * (1 + memories_.size()) + sites() * Node::record_bytes();
    }
    const std::vector<uint8_t>& records() const { return records_; }
    void clear_records() { records_.clear(); }

    // State by parts: each live site is one, saved by the process that has it, and kCommon is what is left. All are restored in
    // each process, the common part first, in an array of the same library and layout, whatever its threads and processes. What
    // is recorded or skipped is no part of it.
    static constexpr int kCommon = -1;
    std::vector<uint8_t> save(int part);
    void restore(int part, const uint8_t* bytes, size_t length);

    void open_waves(unsigned site, const std::string& path);
    void close_waves(unsigned site) { node(site).close_waves(); }

  private:
    // What a node or a long link does in the next cycle if nobody wakes it. It falls asleep over kCopy, since its registers have
    // to be in both copies of the links.
    enum Activity : uint8_t { kAsleep, kCopy, kAwake };

    // A long link, or one of its ends (0 or 1) that is evaluated by itself.
    struct LinkPart {
        static constexpr unsigned kBoth = 2;
        unsigned number, end;
    };
    struct alignas(64) Worker {
        unsigned first = 0, last = 0;  // slots
        bool has_host = false;
        std::vector<unsigned> memories;
        std::vector<LinkPart> long_links;
        uint64_t cycle = 0;     // the next that it evaluates
        uint64_t progress = 0;  // the cycle after the last in which it made any
        uint32_t busy = 0;      // how much of it was, in the last cycle
        uint64_t node_cycles = 0;
    };
    // A memory with what it drives; of that there are two copies, of even and of odd cycles.
    struct Attached {
        EdgeMemory memory;
        unsigned slot, side;
        Link out[2]{};
        Activity activity = kAsleep;
    };
    enum Traced : uint8_t { kRetirements = 1, kWrites = 2 };

    // What evaluations cost, in seconds, when the team makes them and when one thread makes them all; 0 as long as unknown.
    enum Mode : unsigned { kSolo, kTeam };
    Mode choose();
    void go(Mode mode);
    uint64_t work_done() const;

    // A link of one or two cycles to a site of another process, of which there is a slot without a node here: what the node there
    // drives is copied into it, and a link of two cycles is evaluated in both. Of a longer one, each evaluates its end, and tells
    // what it sends.
    struct Cut {
        unsigned slot, side, beyond;
    };
    struct Neighbour {
        unsigned rank;
        std::vector<Cut> cuts;
        std::vector<unsigned> ends;  // here
        std::vector<uint8_t> out, in;
    };

    // wiring.cpp
    void deal(const Layout& layout);
    bool deal_dies(const Layout& layout, std::vector<unsigned>& member_of);
    void make_nodes();
    void make_neighbours(const Layout& layout);
    void make_cuts(const Layout& layout);
    void make_long_links(const Layout& layout);
    void make_long_link(unsigned site, unsigned side, unsigned cycles);
    void attach_memories(const Layout& layout);
    Worker& worker_of(unsigned slot);

    const Link* seen(unsigned slot, unsigned side, unsigned copy) const;
    void wake(unsigned slot, unsigned side, unsigned copy);
    void step(Worker& worker);
    void step_nodes(Worker& worker, bool& progress);
    void step_long_links(Worker& worker, bool& progress);
    void settle(const LongLink& link, unsigned number, unsigned end, unsigned copy, Worker& worker, bool& progress);
    void step_memories(Worker& worker, bool& progress);
    void record(const Worker& worker);

    // severed.cpp
    std::array<LongLink::End, 2> ends_of(unsigned site, unsigned side) const;
    bool step_severed(unsigned copy);
    void attach_severed();

    // windows.cpp
    void open_window();
    void advance(Worker& worker);
    void complete();
    void meet();
    Totals totals() const;
    bool crossing(bool& parts);
    void exchange(Totals& totals);
    void pack(Neighbour& to);
    void unpack(const Neighbour& from);
    void deliver(unsigned end, Wires& wires);
    void finish(Stop stop);

    template <class Stream>
    void part_state(Stream& stream, int part);
    template <class Stream>
    void site_state(Stream& stream, unsigned site);
    template <class Stream>
    void common_state(Stream& stream);
    template <class Stream>
    void long_end_state(Stream& stream, unsigned slot, unsigned side);
    template <class Stream>
    static void atomic_state(Stream& stream, std::atomic<uint8_t>& value);

    const unsigned rows_, columns_;
    const std::vector<unsigned> live_;    // sites with a node of this process
    const std::vector<unsigned> beyond_;  // sites of others that are linked to them
    Team team_;
    std::vector<Worker> workers_;

    // By slot: the nodes of one worker lie side by side. Slots that pad a worker's part to whole cache lines are empty.
    std::vector<unsigned> slot_of_;  // by site; kDead where there is no node
    std::vector<std::unique_ptr<Node>> nodes_;
    std::vector<Activity> activity_;
    std::vector<std::atomic<uint8_t>> wake_[2];
    std::vector<std::array<Link, 4>> links_[2];
    std::vector<unsigned> site_of_;               // by slot; kDead where there is no node here
    std::vector<std::array<int, 4>> neighbours_;  // per side: slot, kHostSlot, kNoSlot, or kFirst... - number
    // Phits of a flit that a side has shown, where a flit takes several.
    std::vector<std::array<uint8_t, 4>> shown_;
    std::vector<uint8_t> traced_;
    std::vector<std::vector<Retirement>> retirements_;
    std::vector<std::vector<VectorWrite>> writes_;
    std::vector<uint32_t> observed_;
    std::vector<Node::Observations> observations_;
    std::vector<uint64_t> evaluations_, phits_;
    static constexpr int kHostSlot = -1, kNoSlot = -2, kFirstLongEnd = -3, kFirstSevered = -(1 << 29),
                         kFirstMemory = -(1 << 30);
    static constexpr unsigned kDead = ~0u;
    static bool is_long_end(int near) { return near <= kFirstLongEnd && near > kFirstSevered; }

    const Exchange exchange_;
    std::vector<Neighbour> cut_;
    std::vector<Peer> peers_;
    bool pause_ = false;

    // Ends are numbered: those of a link are twice its number, and one more.
    std::vector<LongLink> long_links_;
    std::vector<Activity> long_activity_;
    std::vector<std::atomic<uint8_t>> long_wake_[2];
    std::vector<unsigned> split_links_;  // between threads that do not meet in each cycle
    // What has died, and until when it may still carry something: as long as windows last a cycle.
    std::vector<Severed> severed_;
    uint64_t settled_ = 0;
    std::vector<Attached> memories_;
    std::vector<std::atomic<uint8_t>> memory_wake_[2];

    Host host_;
    const unsigned host_side_;
    unsigned host_slot_;  // kDead if it is at another process
    Link host_link_[2];

    uint64_t cycle_ = 0;
    bool busy_ = true;
    uint64_t quiet_cycles_ = 0;
    bool skipping_ = true, recording_ = false;
    // Those of cycle `recorded_from_` + 1 are at `records_from_`.
    std::vector<uint8_t> records_;
    size_t records_from_ = 0;
    uint64_t recorded_from_ = 0;

    double cost_[2] = {0, 0};
    unsigned chunks_ = 0;
    uint32_t awake_;

    // The longest window; whether threads meet in each cycle, whatever processes do; the window that is under way.
    uint64_t window_ = kNoWindow;
    bool lockstep_ = false;
    uint64_t since_ = 0, until_ = 0;
    static constexpr uint64_t kNoWindow = ~uint64_t(0);

    uint64_t limit_ = 0, chunk_end_ = 0, host_left_ = 0;
    bool stop_when_host_is_done_ = false, finishing_ = false, stopped_ = false;
    Stop stop_ = Stop::kTime;
};

}  // namespace d1
