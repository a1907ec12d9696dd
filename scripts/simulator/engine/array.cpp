// SPDX-License-Identifier: Apache-2.0
#include "array.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>
#include <mutex>
#include <tuple>

namespace d1 {

namespace {

// Cycles are run in chunks of about this time, between which the way to run them is chosen.
constexpr double kChunkSeconds = 0.004;
constexpr unsigned kFirstChunk = 64;
constexpr unsigned kProbeInterval = 32;

constexpr unsigned kSlotsPerLine = 64;  // so that workers do not share cache lines of what is indexed by slot
constexpr unsigned kSlotsAtOnce = sizeof(uint64_t);

// Whether the next slots' bytes are all 0; `bytes` is the first of them.
bool all_zero(const void* bytes) {
    uint64_t value;
    std::memcpy(&value, bytes, sizeof(value));
    return value == 0;
}

bool is_here(const Layout& layout, unsigned site) { return !layout.owner || layout.owner[site] == layout.rank; }

// The site behind a side, if there is a link.
int beside(const Layout& layout, unsigned site, unsigned side) {
    const int steps[4] = {-int(layout.columns), 1, int(layout.columns), -1};
    const bool to_host = site == layout.host_site && side == layout.host_side;
    return layout.link_cycles[site * 4 + side] == 0 || to_host ? -1 : int(site) + steps[side];
}

template <class Condition>
std::vector<unsigned> live_sites(const Layout& layout, Condition&& condition) {
    std::vector<unsigned> sites;
    for (unsigned site = 0; site < layout.rows * layout.columns; ++site)
        if (layout.live[site] && condition(site)) sites.push_back(site);
    return sites;
}

std::vector<unsigned> sites_here(const Layout& layout) {
    return live_sites(layout, [&](unsigned site) { return is_here(layout, site); });
}

std::vector<unsigned> sites_beyond(const Layout& layout) {
    return live_sites(layout, [&](unsigned site) {
        bool linked = false;
        for (unsigned side = 0; side < 4; ++side) {
            const int near = beside(layout, site, side);
            linked |= near >= 0 && is_here(layout, unsigned(near));
        }
        return linked && !is_here(layout, site);
    });
}

}  // namespace

Array::Array(const Layout& layout, unsigned threads)
    : rows_(layout.rows),
      columns_(layout.columns),
      live_(sites_here(layout)),
      beyond_(sites_beyond(layout)),
      team_(std::clamp(threads, 1u, unsigned(live_.size()))),
      workers_(team_.size()),
      exchange_(layout.exchange),
      host_(layout.host_site % layout.columns, layout.host_site / layout.columns, kPortNorth + layout.host_side),
      host_side_(layout.host_side) {
    const unsigned count = unsigned(live_.size()), members = team_.size();
    // Dealt out in turn, so that work in one corner of the array is still shared.
    const unsigned share = ((count + members - 1) / members + kSlotsPerLine - 1) / kSlotsPerLine * kSlotsPerLine;
    slot_of_.assign(sites(), kDead);
    for (unsigned member = 0; member < members; ++member) workers_[member].first = workers_[member].last = member * share;
    for (unsigned n = 0; n < count; ++n) slot_of_[live_[n]] = workers_[n % members].last++;
    host_slot_ = is_here(layout, layout.host_site) ? slot_of_[layout.host_site] : kDead;
    size_t slots = size_t(members) * share;
    for (const unsigned site : beyond_) slot_of_[site] = unsigned(slots++);
    nodes_.resize(slots);
    activity_.assign(slots, kAsleep);
    for (const unsigned site : live_) activity_[slot_of_[site]] = kAwake;
    neighbours_.resize(slots);
    traced_.resize(slots);
    retirements_.resize(slots);
    writes_.resize(slots);
    observed_.resize(slots);
    observations_.resize(slots);
    evaluations_.resize(slots);
    phits_.resize(slots);
    for (unsigned copy = 0; copy < 2; ++copy) {
        wake_[copy] = std::vector<std::atomic<uint8_t>>(slots);
        links_[copy].resize(slots);
    }
    make_neighbours(layout);
    make_cuts(layout);
    make_long_links(layout);
    attach_memories(layout);
    // Each worker makes its own nodes, so that their memory lies near to it.
    std::exception_ptr failure;
    std::mutex mutex;
    team_.run([&](unsigned member) {
        try {
            for (unsigned n = member; n < count; n += members) {
                const unsigned site = live_[n];
                unsigned links = 0, edges = 0;
                for (unsigned side = 0; side < 4; ++side) {
                    const int near = neighbours_[slot_of_[site]][side];
                    links |= unsigned(near != kNoSlot) << side;
                    edges |= unsigned(near == kHostSlot || near <= kFirstMemory) << side;
                }
                nodes_[slot_of_[site]] = std::make_unique<Node>(site % columns_, site / columns_, links, edges);
            }
        } catch (...) {
            const std::lock_guard lock(mutex);
            failure = std::current_exception();
        }
    });
    if (failure) std::rethrow_exception(failure);
    busy_ = uint32_t(live_sites(layout, [](unsigned) { return true; }).size());
}

Array::~Array() = default;

void Array::make_neighbours(const Layout& layout) {
    for (auto& sides : neighbours_) sides.fill(kNoSlot);
    for (const auto* sites : {&live_, &beyond_}) {
        for (const unsigned site : *sites) {
            for (unsigned side = 0; side < 4; ++side) {
                const int near = beside(layout, site, side);
                // What lies beyond has no other neighbours than those here.
                if (near >= 0 && (is_here(layout, site) || is_here(layout, unsigned(near))))
                    neighbours_[slot_of_[site]][side] = int(slot_of_[unsigned(near)]);
            }
        }
    }
    if (host_slot_ != kDead) neighbours_[host_slot_][host_side_] = kHostSlot;
}

// Both processes at a cut go through its links in the same order.
void Array::make_cuts(const Layout& layout) {
    if (!exchange_) return;
    for (unsigned site = 0; site < sites(); ++site) {
        for (const unsigned side : {kEast, kSouth}) {
            const int near = layout.live[site] ? beside(layout, site, side) : -1;
            if (near < 0 || is_here(layout, site) == is_here(layout, unsigned(near))) continue;
            const bool near_is_here = is_here(layout, unsigned(near));
            const unsigned here = near_is_here ? unsigned(near) : site, there = near_is_here ? site : unsigned(near);
            const unsigned rank = layout.owner[there];
            auto found = std::find_if(cut_.begin(), cut_.end(), [&](const Neighbour& each) { return each.rank == rank; });
            if (found == cut_.end()) found = cut_.insert(cut_.end(), Neighbour{rank, {}, {}, {}});
            found->cuts.push_back({slot_of_[here], near_is_here ? side ^ 2 : side, slot_of_[there]});
        }
    }
    for (Neighbour& each : cut_) {
        each.out.resize(each.cuts.size());
        each.in.resize(each.cuts.size());
        peers_.push_back({each.rank, uint32_t(each.cuts.size() * sizeof(Link)), each.out.data(), each.in.data()});
    }
}

// A long link belongs to the worker of the node at its western or northern end.
void Array::make_long_links(const Layout& layout) {
    for (Worker& worker : workers_) {
        for (const unsigned site : live_) {
            const unsigned slot = slot_of_[site];
            if (slot >= worker.first && slot < worker.last) make_long_links_of(site, layout, worker);
        }
    }
    for (const unsigned site : beyond_) make_long_links_of(site, layout, workers_[0]);
    long_activity_.assign(long_links_.size(), kAsleep);
    for (auto& wake : long_wake_) wake = std::vector<std::atomic<uint8_t>>(long_links_.size());
}

void Array::make_long_links_of(unsigned site, const Layout& layout, Worker& worker) {
    const unsigned slot = slot_of_[site];
    for (const unsigned side : {kEast, kSouth}) {
        const unsigned cycles = layout.link_cycles[site * 4 + side];
        if (cycles <= 1 || neighbours_[slot][side] < 0) continue;
        const LongLink::End ends[2] = {{slot, side}, {unsigned(neighbours_[slot][side]), side ^ 2}};
        const unsigned number = unsigned(long_links_.size());
        for (const auto& [at, port] : ends) neighbours_[at][port] = kFirstLongLink - int(number);
        long_links_.emplace_back(cycles, ends[0], ends[1]);
        worker.long_links.push_back(number);
    }
}

// A memory belongs to the worker of its node. Other processes have it as well, so that numbers are the same, and leave it alone.
void Array::attach_memories(const Layout& layout) {
    for (unsigned number = 0; number < layout.memory_count; ++number) {
        const MemoryFacts& facts = layout.memories[number];
        const unsigned x = facts.site % columns_, y = facts.site / columns_;
        const unsigned slot = is_here(layout, facts.site) ? slot_of_.at(facts.site) : kDead;
        EdgeMemory memory(x, y, kPortNorth + facts.side, facts.bytes, facts.latency, facts.bytes_per_cycle);
        memories_.push_back({std::move(memory), slot, facts.side});
        if (slot == kDead) continue;
        neighbours_[slot][facts.side] = kFirstMemory - int(number);
        for (Worker& worker : workers_)
            if (slot >= worker.first && slot < worker.last) worker.memories.push_back(number);
    }
    for (auto& wake : memory_wake_) wake = std::vector<std::atomic<uint8_t>>(memories_.size());
}

// What the node in a slot sees on a side in this cycle.
const Link* Array::seen(unsigned slot, unsigned side) const {
    static const Link kNothing{};
    const int near = neighbours_[slot][side];
    if (near >= 0) return &links_[cycle_ & 1][near][side ^ 2];
    if (near == kNoSlot) return &kNothing;
    if (near == kHostSlot) return &host_link_[cycle_ & 1];
    if (near <= kFirstMemory) return &memories_[kFirstMemory - near].out[cycle_ & 1];
    return &long_links_[kFirstLongLink - near].seen(cycle_ & 1, side == kEast || side == kSouth ? 0 : 1);
}

// Has what is behind a node's side evaluated in the next cycle.
void Array::wake(unsigned slot, unsigned side) {
    const int near = neighbours_[slot][side];
    if (near >= 0) {
        wake_[(cycle_ & 1) ^ 1][near].store(1, std::memory_order_relaxed);
    } else if (near <= kFirstMemory) {
        memory_wake_[(cycle_ & 1) ^ 1][kFirstMemory - near].store(1, std::memory_order_relaxed);
    } else if (near <= kFirstLongLink) {
        long_wake_[(cycle_ & 1) ^ 1][kFirstLongLink - near].store(1, std::memory_order_relaxed);
    }
}

void Array::step_long_links(Worker& worker) {
    const unsigned now = cycle_ & 1, next = now ^ 1;
    for (const unsigned number : worker.long_links) {
        const bool woken = long_wake_[now][number].load(std::memory_order_relaxed);
        Activity& activity = long_activity_[number];
        if (skipping_ && !woken && activity == kAsleep) continue;
        if (woken) long_wake_[now][number].store(0, std::memory_order_relaxed);
        LongLink& link = long_links_[number];
        const auto drives = [&](unsigned end) -> const Link& { return links_[now][link.end(end).slot][link.end(end).side]; };
        const bool busy = link.step(cycle_, drives(0), drives(1));
        activity = busy ? kAwake : activity == kAwake ? kCopy : kAsleep;
        // Of two processes that evaluate it, one counts it.
        worker.busy += busy && nodes_[link.end(0).slot];
        worker.progress |= link.moved();
        for (unsigned end = 0; end < 2; ++end) {
            const Link& out = link.seen(next, end);
            if (out.valid | out.credit) wake_[next][link.end(end).slot].store(1, std::memory_order_relaxed);
        }
    }
}

void Array::step_memories(Worker& worker) {
    const unsigned now = cycle_ & 1, next = now ^ 1;
    for (const unsigned number : worker.memories) {
        const bool woken = memory_wake_[now][number].exchange(0, std::memory_order_relaxed);
        auto& [memory, slot, side, outs, activity] = memories_[number];
        if (skipping_ && !woken && activity == kAsleep) continue;
        const bool busy = memory.step(cycle_, links_[now][slot][side], outs[next]);
        activity = busy ? kAwake : activity == kAwake ? kCopy : kAsleep;
        worker.busy += busy;
        worker.progress |= memory.moved();
        if (outs[next].valid | outs[next].credit) wake_[next][slot].store(1, std::memory_order_relaxed);
    }
}

void Array::step(unsigned member) {
    Worker& worker = workers_[member];
    const unsigned now = cycle_ & 1, next = now ^ 1;
    uint32_t busy = 0;
    bool progress = false;
    static_assert(kSlotsPerLine % kSlotsAtOnce == 0 && sizeof(Activity) == 1 && kAsleep == 0);
    static_assert(sizeof(std::atomic<uint8_t>) == 1);
    for (unsigned slot = worker.first; slot < worker.last; ++slot) {
        // Most nodes of a large array may be asleep. Nobody writes this cycle's wake calls while they are read.
        if (skipping_ && slot % kSlotsAtOnce == 0 && all_zero(&activity_[slot]) && all_zero(&wake_[now][slot])) {
            slot += kSlotsAtOnce - 1;
            continue;
        }
        const bool woken = wake_[now][slot].load(std::memory_order_relaxed);
        if (skipping_ && !woken && activity_[slot] != kAwake) {
            if (activity_[slot] == kCopy) {
                links_[next][slot] = links_[now][slot];
                activity_[slot] = kAsleep;
            }
            continue;
        }
        if (woken) wake_[now][slot].store(0, std::memory_order_relaxed);
        Node& node = *nodes_[slot];
        const Link* in[4];
        for (unsigned side = 0; side < 4; ++side) in[side] = seen(slot, side);
        auto& out = links_[next][slot];
        node.evaluate(cycle_, in, out.data());
        ++evaluations_[slot];
        ++worker.node_cycles;
        bool driving = false;
        for (unsigned side = 0; side < 4; ++side) {
            if (!(out[side].valid | out[side].credit)) continue;
            driving = true;
            phits_[slot] += out[side].valid != 0;
            wake(slot, side);
        }
        const bool awake = driving || !node.idle();
        // Waves show every cycle, so their node is never left alone.
        activity_[slot] = awake || node.waves() ? kAwake : kCopy;
        busy += awake;
        progress |= node.progress();
        if (traced_[slot] & kRetirements) node.trace(cycle_ + 1, retirements_[slot]);
        if (traced_[slot] & kWrites) node.trace(cycle_ + 1, writes_[slot]);
        if constexpr (kStreams > 0) {
            if (observed_[slot]) node.observe(cycle_ + 1, observed_[slot], observations_[slot]);
        }
    }
    if (member == 0 && host_slot_ != kDead) {
        host_busy_ = host_.step(links_[now][host_slot_][host_side_], host_link_[next]);
        if (host_link_[next].valid | host_link_[next].credit) wake_[next][host_slot_].store(1, std::memory_order_relaxed);
        progress |= host_.moved();
    }
    worker.busy = busy;
    worker.progress = progress;
    step_long_links(worker);
    step_memories(worker);
}

// Exchanges what crosses the cuts, which nodes see in the next cycle.
void Array::exchange(Totals& totals) {
    const unsigned next = (cycle_ & 1) ^ 1;
    for (Neighbour& each : cut_)
        for (size_t n = 0; n < each.cuts.size(); ++n) each.out[n] = links_[next][each.cuts[n].slot][each.cuts[n].side];
    exchange_(peers_.data(), uint32_t(peers_.size()), &totals);
    for (const Neighbour& each : cut_) {
        for (size_t n = 0; n < each.cuts.size(); ++n) {
            const unsigned beyond = each.cuts[n].beyond, side = each.cuts[n].side ^ 2;
            links_[next][beyond][side] = each.in[n];
            if (each.in[n].valid | each.in[n].credit) wake(beyond, side);
        }
    }
}

void Array::complete() {
    Totals totals{host_busy_, 0, host_slot_ != kDead && host_.done(), pause_};
    for (const Worker& worker : workers_) {
        totals.busy += worker.busy;
        totals.progress |= worker.progress;
    }
    if (exchange_) exchange(totals);
    ++cycle_;
    if (recording_) record();
    busy_ = uint32_t(totals.busy);
    quiet_cycles_ = totals.progress ? 0 : quiet_cycles_ + 1;
    stopped_ = true;
    if (stop_when_host_is_done_ && totals.host_done) {
        stop_ = Stop::kHost;
    } else if (busy_ == 0) {
        stop_ = Stop::kQuiet;
    } else if (quiet_cycles_ >= kStuckCycles) {
        stop_ = Stop::kStuck;
        quiet_cycles_ = 0;
    } else if (totals.pause) {
        stop_ = Stop::kTime;
    } else if (cycle_ >= limit_) {
        stop_ = Stop::kCycles;
    } else {
        stopped_ = false;
    }
}

void Array::record() {
    const size_t start = records_.size();
    records_.resize(start + cycle_record_bytes());
    uint8_t* bytes = records_.data() + start;
    const auto put = [&bytes](const Link& link) {
        std::memcpy(bytes, link.flit.data(), sizeof(Phit));
        bytes[sizeof(Phit)] = link.valid;
        bytes[sizeof(Phit) + 1] = link.credit;
        bytes += link_record_bytes();
    };
    put(host_link_[cycle_ & 1]);
    for (const unsigned site : live_) nodes_[slot_of_[site]]->record(bytes + site * Node::record_bytes());
    bytes += sites() * Node::record_bytes();
    for (const Attached& attached : memories_) put(attached.out[cycle_ & 1]);
}

// A team pays when there is enough to do in a cycle, and when it has the processors for itself. Neither is known before, and
// both change, so both ways are measured from time to time. Results do not depend on it.
Array::Mode Array::choose() {
    if (team_.size() == 1 || busy_ <= 1) return kSolo;
    for (const Mode mode : {kTeam, kSolo})
        if (cost_[mode] == 0) return mode;
    const Mode better = cost_[kTeam] < cost_[kSolo] ? kTeam : kSolo;
    return ++chunks_ % kProbeInterval == 0 ? Mode(better ^ 1) : better;
}

void Array::go(Mode mode) {
    stopped_ = false;
    if (mode == kTeam) {
        team_.run([this](unsigned member) {
            do {
                step(member);
                team_.meet([this] { complete(); });
            } while (!stopped_);
        });
        return;
    }
    do {
        for (unsigned member = 0; member < team_.size(); ++member) step(member);
        complete();
    } while (!stopped_);
}

uint64_t Array::work_done() const {
    uint64_t work = cycle_;
    for (const Worker& worker : workers_) work += worker.node_cycles;
    return work;
}

RunStatus Array::run(uint64_t limit, double seconds, bool stop_when_host_is_done) {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    stop_when_host_is_done_ = stop_when_host_is_done;
    const auto status = [&](Stop stop) {
        pause_ = false;
        return RunStatus{cycle_, uint32_t(stop), busy_};
    };
    Totals totals{0, 0, host_slot_ != kDead && host_.done(), 0};
    if (exchange_) exchange_(nullptr, 0, &totals);
    if (stop_when_host_is_done && totals.host_done) return status(Stop::kHost);
    if (busy_ == 0 && totals.host_done) return status(Stop::kQuiet);
    if (cycle_ >= limit) return status(Stop::kCycles);
    for (;;) {
        const Mode mode = choose();
        const double chunk = cost_[mode] == 0 ? kFirstChunk : kChunkSeconds / (cost_[mode] * (1 + busy_));
        limit_ = std::min(limit, cycle_ + std::max<uint64_t>(kFirstChunk, uint64_t(chunk)));
        const auto start = Clock::now();
        const uint64_t first = cycle_, before = work_done();
        go(mode);
        const auto now = Clock::now();
        if (cycle_ - first >= kFirstChunk)
            cost_[mode] = std::chrono::duration<double>(now - start).count() / double(work_done() - before);
        if (stop_ != Stop::kCycles || cycle_ >= limit) return status(stop_);
        if (now < end) continue;
        if (!exchange_) return status(Stop::kTime);
        // All processes stop after the same cycle, and the one with the host says when.
        pause_ = host_slot_ != kDead;
    }
}

Counters Array::counters() const {
    Counters sum{0, 0, host_.sent(), host_.received()};
    for (const uint64_t evaluations : evaluations_) sum.node_cycles += evaluations;
    for (const uint64_t phits : phits_) sum.phits += phits;
    return sum;
}

void Array::set_trace(int site, bool retirements, bool writes) {
    const uint8_t traced = uint8_t(retirements * kRetirements | writes * kWrites);
    for (const unsigned each : live_)
        if (site < 0 || unsigned(site) == each) traced_[slot_of_[each]] = traced;
}

size_t Array::pending_retirements() const {
    size_t count = 0;
    for (const auto& records : retirements_) count += records.size();
    return count;
}

size_t Array::pending_writes() const {
    size_t count = 0;
    for (const auto& records : writes_) count += records.size();
    return count;
}

namespace {

// Moves all records to `to`, by cycle and node, whatever the order of the workers was.
template <class Record>
void collect(std::vector<std::vector<Record>>& from, Record* to) {
    Record* const begin = to;
    for (auto& records : from) {
        to = std::copy(records.begin(), records.end(), to);
        records.clear();
    }
    std::stable_sort(begin, to, [](const Record& a, const Record& b) {
        return std::tie(a.cycle, a.y, a.x) < std::tie(b.cycle, b.y, b.x);
    });
}

}  // namespace

void Array::take(Retirement* records) { collect(retirements_, records); }
void Array::take(VectorWrite* records) { collect(writes_, records); }

void Array::set_observed(int site, uint32_t chosen) {
    for (const unsigned each : live_)
        if (site < 0 || unsigned(site) == each) observed_[slot_of_[each]] = chosen;
}

size_t Array::pending_observations(unsigned stream) const {
    size_t bytes = 0;
    for (const auto& observations : observations_) bytes += observations.at(stream).size();
    return bytes;
}

void Array::take_observations(unsigned stream, uint8_t* bytes) {
    for (auto& observations : observations_) {
        auto& from = observations.at(stream);
        bytes = std::copy(from.begin(), from.end(), bytes);
        from.clear();
    }
}

void Array::open_waves(unsigned site, const std::string& path) {
    node(site).open_waves(path);
    activity_[slot_of_.at(site)] = kAwake;
}

}  // namespace d1
