// SPDX-License-Identifier: Apache-2.0
// How an array is made: who has which nodes, and what lies behind each side of them.
#include <algorithm>
#include <exception>
#include <mutex>

#include "array.h"

namespace d1 {

namespace {

constexpr unsigned kSlotsPerLine = 64;  // so that workers do not share cache lines of what is indexed by slot

// Processes that share no link meet nevertheless, to hear whether the run is to be interrupted.
constexpr uint64_t kLongestWindow = 1024;

// A cycle of larger dies takes much longer than threads need to meet; there it matters more that they share work in one die.
constexpr size_t kLargestDealtDie = 64;
// Links of fewer cycles leave threads no window worth having.
constexpr unsigned kWindowCycles = 4;

constexpr unsigned kEast = 1, kSouth = 2;

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

// For how many cycles what happens at one end of a link cannot be seen at the other.
uint64_t look_ahead(unsigned cycles) { return cycles <= 2 ? 1 : cycles - 2; }

// Calls visit(site, side, site beyond) for each link between live nodes, in an order that is the same in all processes.
template <class Visit>
void for_each_link(const Layout& layout, Visit&& visit) {
    for (unsigned site = 0; site < layout.rows * layout.columns; ++site) {
        for (const unsigned side : {kEast, kSouth}) {
            const int near = layout.live[site] ? beside(layout, site, side) : -1;
            if (near >= 0) visit(site, side, unsigned(near));
        }
    }
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
      host_side_(layout.host_side),
      awake_(uint32_t(live_.size())) {
    deal(layout);
    host_slot_ = is_here(layout, layout.host_site) ? slot_of_[layout.host_site] : kDead;
    if (host_slot_ != kDead) worker_of(host_slot_).has_host = true;
    const size_t slots = site_of_.size();
    nodes_.resize(slots);
    activity_.assign(slots, kAsleep);
    for (const unsigned site : live_) activity_[slot_of_[site]] = kAwake;
    neighbours_.resize(slots);
    shown_.resize(slots);
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
    make_long_links(layout);
    make_cuts(layout);
    attach_memories(layout);
    make_nodes();
}

Array::~Array() = default;

// Each worker makes its own nodes, so that their memory lies near to it.
void Array::make_nodes() {
    std::exception_ptr failure;
    std::mutex mutex;
    team_.run([&](unsigned member) {
        try {
            for (unsigned slot = workers_[member].first; slot < workers_[member].last; ++slot) {
                const unsigned site = site_of_[slot];
                unsigned links = 0, edges = 0;
                for (unsigned side = 0; side < 4; ++side) {
                    const int near = neighbours_[slot][side];
                    links |= unsigned(near != kNoSlot) << side;
                    edges |= unsigned(near == kHostSlot || near <= kFirstMemory) << side;
                }
                nodes_[slot] = std::make_unique<Node>(site % columns_, site / columns_, links, edges);
            }
        } catch (...) {
            const std::lock_guard lock(mutex);
            failure = std::current_exception();
        }
    });
    if (failure) std::rethrow_exception(failure);
}

// Which worker has which nodes, in slots side by side, and how long they and other processes need not meet.
void Array::deal(const Layout& layout) {
    const unsigned count = unsigned(live_.size()), members = team_.size();
    if (exchange_) {
        window_ = kLongestWindow;
        for_each_link(layout, [&](unsigned site, unsigned side, unsigned near) {
            if (layout.owner[site] != layout.owner[near])
                window_ = std::min(window_, look_ahead(layout.link_cycles[site * 4 + side]));
        });
    }
    std::vector<unsigned> member_of(count);
    if (members > 1 && !deal_dies(layout, member_of)) {
        // Dealt out in turn, so that work in one corner of the array is still shared.
        for (unsigned n = 0; n < count; ++n) member_of[n] = n % members;
        lockstep_ = true;
    }
    std::vector<unsigned> loads(members);
    for (const unsigned member : member_of) ++loads[member];
    const unsigned most = *std::max_element(loads.begin(), loads.end());
    const unsigned share = (most + kSlotsPerLine - 1) / kSlotsPerLine * kSlotsPerLine;
    slot_of_.assign(sites(), kDead);
    site_of_.assign(size_t(members) * share, kDead);
    for (unsigned member = 0; member < members; ++member) workers_[member].first = workers_[member].last = member * share;
    for (unsigned n = 0; n < count; ++n) {
        const unsigned slot = workers_[member_of[n]].last++;
        slot_of_[live_[n]] = slot;
        site_of_[slot] = live_[n];
    }
    for (const unsigned site : beyond_) {
        slot_of_[site] = unsigned(site_of_.size());
        site_of_.push_back(kDead);
    }
}

// Deals out dies as wholes if that is fair and lets threads meet less often than in each cycle; returns whether it did.
bool Array::deal_dies(const Layout& layout, std::vector<unsigned>& member_of) {
    const unsigned members = team_.size();
    std::vector<unsigned> die_of(sites(), kDead), loads(members), member_of_site(sites());
    uint64_t window = kNoWindow;
    for (const unsigned first : live_) {
        if (die_of[first] != kDead) continue;
        std::vector<unsigned> die{first};
        die_of[first] = first;
        for (size_t n = 0; n < die.size(); ++n) {
            for (unsigned side = 0; side < 4; ++side) {
                const int near = beside(layout, die[n], side);
                if (near < 0 || !is_here(layout, unsigned(near))) continue;
                const unsigned cycles = layout.link_cycles[die[n] * 4 + side];
                if (cycles >= kWindowCycles) {
                    window = std::min(window, look_ahead(cycles));
                } else if (die_of[unsigned(near)] == kDead) {
                    die_of[unsigned(near)] = first;
                    die.push_back(unsigned(near));
                }
            }
        }
        if (die.size() > kLargestDealtDie) return false;
        const unsigned member = unsigned(std::min_element(loads.begin(), loads.end()) - loads.begin());
        loads[member] += unsigned(die.size());
        for (const unsigned site : die) member_of_site[site] = member;
    }
    const size_t most = *std::max_element(loads.begin(), loads.end());
    // No thread may have more than 5/4 of its share; and threads meet when processes do.
    if (4 * most * members > 5 * live_.size() || (exchange_ && window < window_)) return false;
    window_ = std::min(window_, window);
    for (size_t n = 0; n < live_.size(); ++n) member_of[n] = member_of_site[live_[n]];
    return true;
}

Array::Worker& Array::worker_of(unsigned slot) {
    return *std::find_if(workers_.begin(), workers_.end(), [&](const Worker& each) { return slot >= each.first && slot < each.last; });
}

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

void Array::make_cuts(const Layout& layout) {
    if (!exchange_) return;
    for_each_link(layout, [&](unsigned site, unsigned side, unsigned near) {
        if (is_here(layout, site) == is_here(layout, near)) return;
        const bool near_is_here = is_here(layout, near);
        const unsigned here = slot_of_[near_is_here ? near : site], side_here = near_is_here ? side ^ 2 : side;
        const unsigned there = near_is_here ? site : near, rank = layout.owner[there];
        auto found = std::find_if(cut_.begin(), cut_.end(), [&](const Neighbour& each) { return each.rank == rank; });
        if (found == cut_.end()) found = cut_.insert(cut_.end(), Neighbour{rank, {}, {}, {}, {}});
        if (layout.link_cycles[site * 4 + side] <= 2)
            found->cuts.push_back({here, side_here, slot_of_[there]});
        else
            found->ends.push_back(unsigned(kFirstLongEnd - neighbours_[here][side_here]));
    });
    for (Neighbour& each : cut_) {
        // In a cycle, no more than a part and a credit leave an end.
        const size_t most = 2 * sizeof(uint32_t) + window_ * (sizeof(Wires::Part) + sizeof(Wires::Credit));
        each.in.resize(each.cuts.size() * sizeof(Link) + each.ends.size() * most);
        peers_.push_back({each.rank, 0, uint32_t(each.in.size()), nullptr, each.in.data()});
    }
}

// A long link belongs to the worker of the node at its western or northern end, unless its ends are evaluated apart.
void Array::make_long_links(const Layout& layout) {
    for_each_link(layout, [&](unsigned site, unsigned side, unsigned near) {
        const unsigned cycles = layout.link_cycles[site * 4 + side];
        if (cycles > 1 && (is_here(layout, site) || is_here(layout, near))) make_long_link(site, side, cycles);
    });
    long_activity_.assign(2 * long_links_.size(), kAsleep);
    for (auto& wake : long_wake_) wake = std::vector<std::atomic<uint8_t>>(2 * long_links_.size());
}

void Array::make_long_link(unsigned site, unsigned side, unsigned cycles) {
    const unsigned slot = slot_of_[site], number = unsigned(long_links_.size());
    const LongLink::End ends[2] = {{slot, side}, {unsigned(neighbours_[slot][side]), side ^ 2}};
    bool here[2];
    for (unsigned end = 0; end < 2; ++end) here[end] = site_of_[ends[end].slot] != kDead;
    long_links_.emplace_back(cycles, ends[0], ends[1]);
    const bool in_both = cycles <= 2 && here[0] != here[1];
    for (unsigned end = 0; end < 2; ++end)
        if (here[end] || in_both) neighbours_[ends[end].slot][ends[end].side] = kFirstLongEnd - int(2 * number + end);
    const bool apart = !lockstep_ && here[0] && here[1] && &worker_of(ends[0].slot) != &worker_of(ends[1].slot);
    if (apart) split_links_.push_back(number);
    if (apart || (here[0] != here[1] && !in_both)) {
        for (unsigned end = 0; end < 2; ++end)
            if (here[end]) worker_of(ends[end].slot).long_links.push_back({number, end});
    } else {
        worker_of(ends[here[0] ? 0 : 1].slot).long_links.push_back({number, LinkPart::kBoth});
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
        worker_of(slot).memories.push_back(number);
    }
    for (auto& wake : memory_wake_) wake = std::vector<std::atomic<uint8_t>>(memories_.size());
}

}  // namespace d1
