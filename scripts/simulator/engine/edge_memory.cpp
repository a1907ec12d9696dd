// SPDX-License-Identifier: Apache-2.0
#include "edge_memory.h"

#include <algorithm>
#include <cstring>

namespace d1 {

void SparseBytes::read(uint64_t offset, uint8_t* data, uint64_t length) const {
    while (length > 0) {
        const uint64_t inside = offset % kPageBytes, count = std::min(length, kPageBytes - inside);
        const auto page = pages_.find(offset / kPageBytes);
        if (page == pages_.end()) {
            std::memset(data, 0, count);
        } else {
            std::memcpy(data, page->second->data() + inside, count);
        }
        offset += count;
        data += count;
        length -= count;
    }
}

void SparseBytes::write(uint64_t offset, const uint8_t* data, uint64_t length) {
    while (length > 0) {
        const uint64_t inside = offset % kPageBytes, count = std::min(length, kPageBytes - inside);
        auto& page = pages_[offset / kPageBytes];
        if (!page) page = std::make_unique<Page>();
        std::memcpy(page->data() + inside, data, count);
        offset += count;
        data += count;
        length -= count;
    }
}

EdgeMemory::EdgeMemory(unsigned x, unsigned y, unsigned exit, uint64_t bytes, uint32_t latency, uint32_t bytes_per_cycle)
    : x_(x),
      y_(y),
      exit_(exit),
      bytes_(bytes),
      latency_(latency),
      rate_(bytes_per_cycle),
      allowance_(kLineBytes + bytes_per_cycle - 1) {}

// The allowance grows in cycles that were slept through as well. Less than its limit would lose parts of a line at rates that do
// not divide one.
void EdgeMemory::fill(uint64_t cycle) {
    const uint64_t limit = kLineBytes + rate_ - 1, cycles = std::min<uint64_t>(cycle - filled_, kLineBytes + 1);
    allowance_ = std::min(limit, allowance_ + cycles * rate_);
    filled_ = cycle;
}

// Why a request fails, 0 if it does not.
uint32_t EdgeMemory::refusal(const Flit& request, uint64_t offset) const {
    if (get(request, kFlitX) != x_ || get(request, kFlitY) != y_ || get(request, kFlitExit) != exit_) return kErrorUnreachable;
    return offset >= bytes_ || (get(request, kFlitKind) == kKindWrite && get(request, kFlitPost)) ? kErrorBadOffset : 0;
}

// Obeys a request. Returns whether there is an answer.
bool EdgeMemory::serve(const Flit& request, Flit& answer) {
    const uint32_t kind = get(request, kFlitKind);
    if (kind != kKindWrite && kind != kKindRead) {
        ++counters_.dropped;
        return false;
    }
    const uint64_t address = uint64_t(get(request, kFlitUpper)) << kFlitOffset.bits | get(request, kFlitOffset);
    const uint64_t line = address - address % kLineBytes;
    const uint32_t reason = refusal(request, line);
    if (reason == 0 && kind == kKindWrite) {
        ++counters_.writes;
        const uint64_t mask = get_mask(request);
        uint8_t bytes[kLineBytes];
        contents_.read(line, bytes, kLineBytes);
        for (unsigned n = 0; n < kLineBytes; ++n)
            if (mask >> n & 1) bytes[n] = line_of(request)[n];
        contents_.write(line, bytes, kLineBytes);
        return false;
    }
    answer = {};
    set(answer, kFlitKind, reason == 0 ? kKindReadData : kKindError);
    set(answer, kFlitX, get(request, kFlitSrcX));
    set(answer, kFlitY, get(request, kFlitSrcY));
    set(answer, kFlitExit, get(request, kFlitSrcExit));
    // Of what failed; else the memory itself, which is the same.
    set(answer, kFlitSrcX, get(request, kFlitX));
    set(answer, kFlitSrcY, get(request, kFlitY));
    set(answer, kFlitSrcExit, get(request, kFlitExit));
    set(answer, kFlitUpper, get(request, kFlitUpper));
    set(answer, kFlitOffset, get(request, kFlitOffset));
    set(answer, kFlitTag, get(request, kFlitTag));
    set(answer, kFlitSem, reason);
    if (reason == 0) {
        ++counters_.reads;
        contents_.read(line, line_of(answer), kLineBytes);
    } else {
        ++counters_.errors;
    }
    return true;
}

bool EdgeMemory::step(uint64_t cycle, const Link& in, Link& out) {
    fill(cycle);
    credits_ += in.credit >> kClassResponse & 1;
    out.credit = 0;
    if (in.valid) {
        put_phit(coming_, came_, in.flit);
        came_ = (came_ + 1) % kLinkPasses;
        if (came_ == 0) {
            if (in.valid >> kClassRequest & 1) {
                waiting_.push_back(coming_);
            } else {
                // A memory asks nobody.
                ++counters_.dropped;
                out.credit = in.valid;
            }
        }
    }
    // So many answers wait for nothing but their time if they can leave; with more, the nodes do not take them.
    const bool room = answers_.size() < size_t(latency_) + kChannelDepth;
    if (!waiting_.empty() && allowance_ >= kLineBytes && room) {
        allowance_ -= kLineBytes;
        Flit answer;
        if (serve(waiting_.front(), answer)) answers_.push_back({cycle + latency_, answer});
        waiting_.pop_front();
        out.credit |= 1u << kClassRequest;
    }
    out.valid = 0;
    if (went_ == 0 && !answers_.empty() && answers_.front().due <= cycle + 1 && credits_ > 0) {
        --credits_;
        going_ = answers_.front().flit;
        answers_.pop_front();
        out.valid = uint8_t(1u << kClassResponse);
    }
    if (out.valid || went_ > 0) {
        out.valid = uint8_t(1u << kClassResponse);
        out.flit = phit_of(going_, went_);
        went_ = (went_ + 1) % kLinkPasses;
    }
    const bool ahead = !answers_.empty() && answers_.front().due > cycle + 1;
    const bool slow = !waiting_.empty() && allowance_ < kLineBytes;
    const bool working = !(waiting_.empty() && answers_.empty());
    counters_.busy_cycles += working;
    moved_ = in.valid || out.valid || ahead || slow;
    return working || out.valid || out.credit || in.valid || in.credit;
}

}  // namespace d1
