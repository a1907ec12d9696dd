// SPDX-License-Identifier: Apache-2.0
// How an array runs: windows, in which workers and processes go on by themselves, and what they tell each other between them.
#include <algorithm>
#include <chrono>
#include <cstring>

#include "array.h"

namespace d1 {

namespace {

// Cycles are run in chunks of about this time, between which the way to run them is chosen.
constexpr double kChunkSeconds = 0.004;
constexpr unsigned kFirstChunk = 64;
constexpr unsigned kProbeInterval = 32;

// So that records of a window take little memory where there is nobody to meet.
constexpr uint64_t kRecordedWindow = 64;

template <class Items>
void append(std::vector<uint8_t>& bytes, const Items& items) {
    for (const auto& item : items) {
        const auto* first = reinterpret_cast<const uint8_t*>(&item);
        bytes.insert(bytes.end(), first, first + sizeof item);
    }
}

template <class Items>
const uint8_t* extract(const uint8_t* bytes, Items& items) {
    for (auto& item : items) {
        std::memcpy(&item, bytes, sizeof item);
        bytes += sizeof item;
    }
    return bytes;
}

}  // namespace

// Begins a window in cycle `cycle_`, which ends where the run may have to end, whatever happens in it. All processes agree on it.
void Array::open_window() {
    since_ = cycle_;
    uint64_t length = std::min({window_, kStuckCycles - quiet_cycles_, limit_ - since_});
    if (stop_when_host_is_done_) length = std::min(length, host_left_);
    if (since_ < settled_) length = 1;
    if (!exchange_) {
        length = std::min(length, chunk_end_ - since_);
        if (recording_) length = std::min(length, kRecordedWindow);
    }
    until_ = since_ + length;
    if (recording_) records_.resize(records_from_ + (until_ - recorded_from_) * cycle_record_bytes());
}

// Up to where the worker meets the others. At rest it goes no further than it must, since the run may have ended there.
void Array::advance(Worker& worker) {
    if (lockstep_) {
        if (worker.cycle < until_) step(worker);
        return;
    }
    while (worker.cycle < until_) {
        step(worker);
        if (worker.busy == 0 && worker.cycle > since_ && !finishing_) return;
    }
}

// What is done when all workers have met.
void Array::complete() {
    if (lockstep_ && workers_[0].cycle < until_) {
        const bool busy = std::any_of(workers_.begin(), workers_.end(), [](const Worker& each) { return each.busy != 0; });
        if (busy || workers_[0].cycle <= since_ || finishing_) return;
    }
    if (finishing_)
        stopped_ = true;
    else
        meet();
}

Totals Array::totals() const {
    Totals totals{0, 0, 0, 0, host_slot_ == kDead ? 0 : host_.cycles_left(), pause_};
    for (const Worker& worker : workers_) {
        totals.busy |= worker.busy != 0;
        totals.reached = std::max(totals.reached, worker.cycle);
        totals.progress = std::max(totals.progress, worker.progress);
    }
    return totals;
}

// The end of a window, which some may have left before.
void Array::meet() {
    awake_ = 0;
    for (const Worker& worker : workers_) awake_ += worker.busy;
    Totals all = totals();
    bool parts = false;
    all.crossing = crossing(parts);
    // What crosses is under way until the end of the window at least.
    if (parts) all.progress = until_;
    for (const unsigned number : split_links_)
        for (unsigned end = 0; end < 2; ++end) deliver(2 * number + end, long_links_[number].sent(end ^ 1));
    if (exchange_) exchange(all);
    if (since_ < settled_ && step_severed(until_ & 1)) {
        all.busy = 1;
        all.progress = until_;
    }
    busy_ = all.busy || all.crossing;
    cycle_ = busy_ ? until_ : all.reached;
    quiet_cycles_ = all.progress > since_ ? cycle_ - all.progress : quiet_cycles_ + cycle_ - since_;
    host_left_ = all.host_left;
    if (stop_when_host_is_done_ && host_left_ == 0) {
        finish(Stop::kHost);
    } else if (!busy_) {
        finish(Stop::kQuiet);
    } else if (quiet_cycles_ >= kStuckCycles) {
        quiet_cycles_ = 0;
        finish(Stop::kStuck);
    } else if (all.pause) {
        finish(Stop::kTime);
    } else if (cycle_ >= limit_) {
        finish(Stop::kCycles);
    } else if (cycle_ >= chunk_end_) {
        stopped_ = true;
    } else {
        open_window();
    }
}

// Ends the run in cycle `cycle_`, as soon as all workers are there.
void Array::finish(Stop stop) {
    stop_ = stop;
    until_ = cycle_;
    finishing_ = true;
    stopped_ = std::all_of(workers_.begin(), workers_.end(), [&](const Worker& each) { return each.cycle == cycle_; });
}

// Whether anything was sent from one part to another in this window; and whether parts of flits were.
bool Array::crossing(bool& parts) {
    bool any = false;
    const auto look = [&](const Wires& sent) {
        any |= !sent.empty();
        parts |= !sent.parts.empty();
    };
    for (const unsigned number : split_links_)
        for (unsigned end = 0; end < 2; ++end) look(long_links_[number].sent(end));
    for (const Neighbour& each : cut_)
        for (const unsigned end : each.ends) look(long_links_[end / 2].sent(end % 2));
    return any;
}

void Array::deliver(unsigned end, Wires& wires) {
    if (wires.empty()) return;
    long_links_[end / 2].deliver(end % 2, wires);
    long_activity_[end] = kAwake;
}

// Exchanges what crosses the cuts: what nodes at short links drive in the next cycle, and what ends of long ones have sent.
void Array::exchange(Totals& totals) {
    for (size_t n = 0; n < cut_.size(); ++n) {
        pack(cut_[n]);
        peers_[n].out = cut_[n].out.data();
        peers_[n].bytes = uint32_t(cut_[n].out.size());
    }
    exchange_(peers_.data(), uint32_t(peers_.size()), &totals);
    for (const Neighbour& each : cut_) unpack(each);
}

void Array::pack(Neighbour& to) {
    to.out.clear();
    for (const auto& [slot, side, beyond] : to.cuts) append(to.out, std::array{links_[until_ & 1][slot][side]});
    for (const unsigned end : to.ends) {
        Wires& sent = long_links_[end / 2].sent(end % 2);
        append(to.out, std::array{uint32_t(sent.parts.size()), uint32_t(sent.credits.size())});
        append(to.out, sent.parts);
        append(to.out, sent.credits);
        sent = {};
    }
}

void Array::unpack(const Neighbour& from) {
    const uint8_t* bytes = from.in.data();
    for (const auto& [slot, side, beyond] : from.cuts) {
        std::array<Link, 1> link;
        bytes = extract(bytes, link);
        links_[until_ & 1][beyond][side ^ 2] = link[0];
        if (link[0].valid | link[0].credit) wake(beyond, side ^ 2, until_ & 1);
    }
    for (const unsigned end : from.ends) {
        std::array<uint32_t, 2> counts;
        bytes = extract(bytes, counts);
        Wires came;
        came.parts.resize(counts[0]);
        came.credits.resize(counts[1]);
        bytes = extract(extract(bytes, came.parts), came.credits);
        deliver(end, came);
    }
}

// A team pays when there is enough to do in a cycle, and when it has the processors for itself. Neither is known before, and
// both change, so both ways are measured from time to time. Results do not depend on it.
Array::Mode Array::choose() {
    if (team_.size() == 1 || awake_ <= 1) return kSolo;
    for (const Mode mode : {kTeam, kSolo})
        if (cost_[mode] == 0) return mode;
    const Mode better = cost_[kTeam] < cost_[kSolo] ? kTeam : kSolo;
    return ++chunks_ % kProbeInterval == 0 ? Mode(better ^ 1) : better;
}

void Array::go(Mode mode) {
    stopped_ = false;
    open_window();
    if (mode == kTeam) {
        team_.run([this](unsigned member) {
            do {
                advance(workers_[member]);
                team_.meet([this] { complete(); });
            } while (!stopped_);
        });
        return;
    }
    do {
        for (Worker& worker : workers_) advance(worker);
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
    limit_ = limit;
    stop_when_host_is_done_ = stop_when_host_is_done;
    pause_ = finishing_ = false;
    for (Worker& worker : workers_) {
        worker.cycle = cycle_;
        worker.progress = 0;
    }
    records_from_ = records_.size();
    recorded_from_ = cycle_;
    Totals all = totals();
    if (exchange_) exchange_(nullptr, 0, &all);
    host_left_ = all.host_left;
    const auto status = [&](Stop stop) { return RunStatus{cycle_, uint32_t(stop), busy_}; };
    if (stop_when_host_is_done && host_left_ == 0) return status(Stop::kHost);
    if (!busy_ && host_left_ == 0) return status(Stop::kQuiet);
    if (cycle_ >= limit) return status(Stop::kCycles);
    while (!finishing_) {
        const Mode mode = choose();
        const double chunk = cost_[mode] == 0 ? kFirstChunk : kChunkSeconds / (cost_[mode] * (1 + awake_));
        // To pause, all that is left is to meet once more.
        chunk_end_ = cycle_ + (pause_ ? 1 : std::max<uint64_t>(kFirstChunk, uint64_t(chunk)));
        const auto start = Clock::now();
        const uint64_t first = cycle_, before = work_done();
        go(mode);
        const auto now = Clock::now();
        if (cycle_ - first >= kFirstChunk)
            cost_[mode] = std::chrono::duration<double>(now - start).count() / double(work_done() - before);
        // All processes stop after the same cycle, and the one with the host says when.
        pause_ = now >= end && host_slot_ != kDead;
    }
    if (recording_) records_.resize(records_from_ + (cycle_ - recorded_from_) * cycle_record_bytes());
    return status(stop_);
}

}  // namespace d1
