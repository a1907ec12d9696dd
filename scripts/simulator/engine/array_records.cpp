// SPDX-License-Identifier: Apache-2.0
// What an array counts and records while it runs.
#include <algorithm>
#include <cstring>
#include <tuple>

#include "array.h"

namespace d1 {

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

// A worker writes what it has into the record of the cycle that it has just evaluated.
void Array::record(const Worker& worker) {
    const unsigned copy = worker.cycle & 1;
    uint8_t* const bytes = records_.data() + records_from_ + (worker.cycle - recorded_from_ - 1) * cycle_record_bytes();
    uint8_t* const nodes = bytes + link_record_bytes();
    uint8_t* const memories = nodes + sites() * Node::record_bytes();
    const auto put = [](uint8_t* to, const Link& link) {
        std::memcpy(to, link.flit.data(), sizeof(Phit));
        to[sizeof(Phit)] = link.valid;
        to[sizeof(Phit) + 1] = link.credit;
    };
    if (worker.has_host) put(bytes, host_link_[copy]);
    for (unsigned slot = worker.first; slot < worker.last; ++slot)
        nodes_[slot]->record(nodes + site_of_[slot] * Node::record_bytes());
    for (const unsigned number : worker.memories) put(memories + number * link_record_bytes(), memories_[number].out[copy]);
}

void Array::open_waves(unsigned site, const std::string& path) {
    node(site).open_waves(path);
    activity_[slot_of_.at(site)] = kAwake;
}

}  // namespace d1
