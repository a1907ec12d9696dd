// SPDX-License-Identifier: Apache-2.0
#include "traffic.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace d1 {

namespace {

// A mesh that neither takes nor gives anything for so long while packets wait is stuck.
constexpr uint64_t kStuckCycles = 10'000;

// Cycles beside one per hop in which a packet alone arrives for sure.
constexpr uint64_t kSpareCycles = 8;

constexpr uint32_t kNoEvent = ~uint32_t(0);

struct Packet {
    uint64_t birth;
    uint32_t destination, sequence, event;
};

// What a packet carries in its data.
struct Record {
    uint64_t birth;
    uint32_t sequence, event;
};
static_assert(sizeof(Record) <= kLineBytes);

// The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
uint64_t mix(uint64_t z) {
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

// A random number of a stream and a cycle, independent of all that came before.
uint64_t draw(uint64_t seed, uint64_t stream, uint64_t cycle) {
    constexpr uint64_t kStep = 0x9e3779b97f4a7c15;
    return mix(mix(seed + kStep * (stream + 1)) + kStep * (cycle + 1));
}

class Run {
  public:
    explicit Run(const Plan& plan) : plan_(plan), mesh_(plan.rows, plan.columns), count_(plan.rows * plan.columns) {
        for (unsigned c = 0; c < kClasses; ++c) {
            queues_[c].resize(count_);
            generated_[c].resize(size_t(count_) * count_);
            expected_[c].resize(size_t(count_) * count_);
        }
        result_.by_source.resize(count_);
        result_.event_latencies.resize(plan.events.size());
    }

    Measurement measure() {
        const uint64_t begin = plan_.warm_up, end = begin + plan_.window;
        for (cycle_ = 0; cycle_ < begin; ++cycle_) step(true);
        mesh_.clear_counts();
        measuring_ = true;
        for (; cycle_ < end; ++cycle_) step(true);
        measuring_ = false;
        result_.links = mesh_.link_counts();
        for (; waited_for_ > 0 && cycle_ < end + plan_.drain; ++cycle_) step(true);
        for (unsigned c = 0; c < kClasses; ++c) {
            result_.left[c] = result_.offered[c];
            for (const auto& [latency, packets] : result_.latencies[c]) result_.left[c] -= packets;
            // A packet that is offered to the router stays there.
            for (auto& queue : queues_[c]) queue.resize(std::min<size_t>(queue.size(), 1));
        }
        closed_ = true;
        for (; !empty(); ++cycle_) step(false);
        result_.cycles = cycle_;
        // What a router doubled may still be on its way.
        stalling_ = false;
        for (const uint64_t end = cycle_ + plan_.rows + plan_.columns + kSpareCycles; cycle_ < end; ++cycle_) step(false);
        return result_;
    }

  private:
    [[noreturn]] void fail(const std::string& what) const {
        throw std::runtime_error("cycle " + std::to_string(cycle_) + ": " + what);
    }

    bool empty() const {
        if (result_.injected != result_.delivered) return false;
        return std::all_of(std::begin(queues_), std::end(queues_), [](const auto& queues) {
            return std::all_of(queues.begin(), queues.end(), [](const auto& queue) { return queue.empty(); });
        });
    }

    void step(bool generating) {
        if (generating) generate();
        auto& locals = mesh_.locals();
        for (unsigned node = 0; node < count_; ++node) {
            Local& local = locals[node];
            for (unsigned c = 0; c < kClasses; ++c) {
                local.ready[c] = !stalling_ || draw(plan_.seed, (kClasses + c) * count_ + node, cycle_) >= plan_.stall;
                if (local.arrived[c] && local.ready[c]) deliver(node, c, local);
                const auto& queue = queues_[c][node];
                if ((local.waiting[c] = !queue.empty())) fill(local.inject[c], node, c, queue.front());
            }
        }
        mesh_.step();
        for (unsigned node = 0; node < count_; ++node) {
            for (unsigned c = 0; c < kClasses; ++c) {
                if (!locals[node].taken[c]) continue;
                if (queues_[c][node].empty()) fail("a router took a packet that was not there");
                queues_[c][node].pop_front();
                ++result_.injected;
                last_move_ = cycle_;
            }
        }
        if (cycle_ - last_move_ > kStuckCycles && !empty()) fail("nothing enters or arrives any more, but packets wait");
    }

    void generate() {
        for (unsigned c = 0; c < kClasses; ++c) {
            for (unsigned node = 0; node < count_; ++node) {
                const auto& choices = plan_.choices[c][node];
                if (choices.empty()) continue;
                const uint64_t number = draw(plan_.seed, c * count_ + node, cycle_);
                const auto chosen = std::upper_bound(choices.begin(), choices.end(), number,
                                                     [](uint64_t value, const Choice& choice) { return value < choice.threshold; });
                if (chosen != choices.end()) add(node, c, chosen->destination, kNoEvent);
            }
        }
        for (; next_event_ < plan_.events.size() && plan_.events[next_event_].cycle <= cycle_; ++next_event_) {
            const Event& event = plan_.events[next_event_];
            add(event.source, event.traffic_class, event.destination, uint32_t(next_event_));
        }
    }

    void add(unsigned source, unsigned c, uint32_t destination, uint32_t event) {
        queues_[c][source].push_back({cycle_, destination, generated_[c][size_t(source) * count_ + destination]++, event});
        if (!measuring_) return;
        ++result_.offered[c];
        ++waited_for_;
    }

    void fill(Flit& flit, unsigned source, unsigned c, const Packet& packet) const {
        set(flit, kFlitKind, c == kClassRequest ? kKindWrite : kKindReadData);
        set(flit, kFlitX, packet.destination % plan_.columns);
        set(flit, kFlitY, packet.destination / plan_.columns);
        set(flit, kFlitSrcX, source % plan_.columns);
        set(flit, kFlitSrcY, source / plan_.columns);
        const Record record{packet.birth, packet.sequence, packet.event};
        std::memcpy(line_of(flit), &record, sizeof(record));
    }

    void deliver(unsigned node, unsigned c, const Local& local) {
        const Flit& flit = local.eject[c];
        const unsigned source = get(flit, kFlitSrcY) * plan_.columns + get(flit, kFlitSrcX);
        const unsigned destination = get(flit, kFlitY) * plan_.columns + get(flit, kFlitX);
        const std::string pair = "a packet from node " + std::to_string(source) + " to node " + std::to_string(destination);
        if (local.undeliverable[c]) fail(pair + " is undeliverable at node " + std::to_string(node));
        if (destination != node || source >= count_) fail(pair + " arrived at node " + std::to_string(node));
        Record record;
        std::memcpy(&record, line_of(flit), sizeof(record));
        uint32_t& expected = expected_[c][size_t(source) * count_ + node];
        if (record.sequence != expected) {
            fail(pair + " is number " + std::to_string(record.sequence) + " instead of " + std::to_string(expected));
        }
        ++expected;
        ++result_.delivered;
        last_move_ = cycle_;
        if (measuring_) {
            ++result_.accepted[c];
            ++result_.by_source[source];
        }
        if (record.event != kNoEvent) result_.event_latencies[record.event] = cycle_ - record.birth;
        if (closed_ || record.birth < plan_.warm_up || record.birth >= plan_.warm_up + plan_.window) return;
        --waited_for_;
        ++result_.latencies[c][cycle_ - record.birth];
        const auto distance = [](unsigned a, unsigned b) { return a > b ? a - b : b - a; };
        result_.hops[c] += distance(source % plan_.columns, node % plan_.columns);
        result_.hops[c] += distance(source / plan_.columns, node / plan_.columns);
    }

    const Plan& plan_;
    Mesh mesh_;
    const unsigned count_;
    std::vector<std::deque<Packet>> queues_[kClasses];       // by source
    std::vector<uint32_t> generated_[kClasses], expected_[kClasses];  // next number, by source * nodes + destination
    Measurement result_;
    size_t next_event_ = 0;
    uint64_t cycle_ = 0, last_move_ = 0, waited_for_ = 0;
    bool measuring_ = false, closed_ = false, stalling_ = plan_.stall > 0;
};

}  // namespace

Measurement run(const Plan& plan) { return Run(plan).measure(); }

}  // namespace d1
