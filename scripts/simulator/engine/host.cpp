// SPDX-License-Identifier: Apache-2.0
#include "host.h"

#include <algorithm>
#include <set>

namespace d1 {

Flit Host::address(uint32_t kind, uint16_t x, uint16_t y, uint32_t offset, unsigned tag) const {
    Flit flit{};
    set(flit, kFlitKind, kind);
    set(flit, kFlitX, x);
    set(flit, kFlitY, y);
    set(flit, kFlitOffset, offset);
    set(flit, kFlitSrcX, x_);
    set(flit, kFlitSrcY, y_);
    set(flit, kFlitSrcExit, exit_);
    set(flit, kFlitTag, tag);
    return flit;
}

void Host::start(const Access* accesses, size_t count) {
    accesses_ = accesses;
    count_ = count;
    next_ = position_ = 0;
    skip_empty();
    fence_next_ = 0;
    errors_ = {};
    std::set<std::pair<uint16_t, uint16_t>> written;
    for (size_t n = 0; n < count; ++n)
        if (accesses[n].write && accesses[n].length) written.emplace(accesses[n].y, accesses[n].x);
    fences_.assign(written.begin(), written.end());
    requests_left_ = fences_.size();
    for (size_t n = 0; n < count; ++n)
        if (accesses[n].length) requests_left_ += (accesses[n].offset % kLineBytes + accesses[n].length - 1) / kLineBytes + 1;
}

void Host::skip_empty() {
    while (next_ < count_ && accesses_[next_].length == 0) ++next_;
}

HostResult Host::result() const {
    HostResult result = errors_;
    result.unanswered = outstanding_ + (count_ - next_) + (fences_.size() - fence_next_);
    return result;
}

// A flit takes its time on the link, in either direction.
uint64_t Host::cycles_left() const {
    if (done()) return 0;
    return std::max<uint64_t>({1, requests_left_ * kLinkPasses, outstanding_ ? outstanding_ * kLinkPasses - came_ : 0});
}

void Host::abandon() {
    next_ = count_;
    requests_left_ = 0;
    fence_next_ = fences_.size();
    outstanding_ = 0;
    for (Slot& slot : slots_) {
        slot.abandoned = slot.used;
        slot.data = nullptr;
    }
}

bool Host::read_request(Flit& flit, uint16_t x, uint16_t y, uint32_t offset, Slot slot) {
    for (unsigned tries = 0; tries < slots_.size(); ++tries) {
        const unsigned tag = next_tag_;
        next_tag_ = (next_tag_ + 1) % slots_.size();
        if (slots_[tag].used) continue;
        flit = address(kKindRead, x, y, offset, tag);
        slots_[tag] = slot;
        slots_[tag].used = true;
        ++outstanding_;
        return true;
    }
    return false;
}

bool Host::next_request(Flit& flit) {
    if (next_ == count_) {
        if (fence_next_ == fences_.size()) return false;
        const auto [y, x] = fences_[fence_next_];
        if (!read_request(flit, x, y, kFenceOffset, {})) return false;
        ++fence_next_;
        --requests_left_;
        return true;
    }
    const Access& access = accesses_[next_];
    const uint32_t offset = access.offset + uint32_t(position_);
    const uint32_t skip = offset % kLineBytes;
    const uint32_t length = std::min<uint32_t>(kLineBytes - skip, access.length - uint32_t(position_));
    if (access.write) {
        flit = address(kKindWrite, access.x, access.y, offset - skip, kWriteTag);
        set_mask(flit, (length == 64 ? ~uint64_t(0) : (uint64_t(1) << length) - 1) << skip);
        std::memcpy(line_of(flit) + skip, access.data + position_, length);
    } else {
        Slot slot;
        slot.data = access.data + position_;
        slot.skip = skip;
        slot.length = length;
        if (!read_request(flit, access.x, access.y, offset - skip, slot)) return false;
    }
    --requests_left_;
    position_ += length;
    if (position_ == access.length) {
        position_ = 0;
        ++next_;
        skip_empty();
    }
    return true;
}

bool Host::response(const Flit& flit) {
    const unsigned tag = get(flit, kFlitTag);
    const bool failed = get(flit, kFlitKind) == kKindError;
    if (tag < slots_.size()) {
        Slot& slot = slots_[tag];
        if (!slot.used) return false;
        if (!failed && slot.data) std::memcpy(slot.data, line_of(flit) + slot.skip, slot.length);
        const bool abandoned = slot.abandoned;
        slot = {};
        if (abandoned) return true;
        --outstanding_;
    } else if (!failed || done()) {
        return false;
    }
    if (failed && errors_.errors++ == 0) {
        errors_.x = uint16_t(get(flit, kFlitSrcX));
        errors_.y = uint16_t(get(flit, kFlitSrcY));
        errors_.offset = get(flit, kFlitOffset);
        errors_.reason = get(flit, kFlitSem);
    }
    return true;
}

void Host::receive(const Flit& flit, uint8_t valid) {
    ++received_;
    if (!(valid & 1 << kClassResponse) || !response(flit)) inbox_.push_back(flit);
}

uint8_t Host::next_flit(Flit& flit) {
    unsigned kind = kClassRequest;
    if (!packets_.empty()) {
        kind = packets_.front().second;
        if (!credits_[kind]) return 0;
        flit = packets_.front().first;
        packets_.pop_front();
    } else if (!credits_[kind] || !next_request(flit)) {
        return 0;
    }
    --credits_[kind];
    ++sent_;
    return uint8_t(1 << kind);
}

bool Host::step(const Link& in, Link& out) {
    for (unsigned kind = 0; kind < 2; ++kind) credits_[kind] += in.credit >> kind & 1;
    out.credit = 0;
    if (in.valid) {
        put_phit(coming_, came_, in.flit);
        came_ = (came_ + 1) % kLinkPasses;
        if (came_ == 0) {
            receive(coming_, in.valid);
            out.credit = in.valid;
        }
    }
    if (went_ == 0) going_valid_ = next_flit(going_);
    out.valid = going_valid_;
    if (going_valid_) {
        out.flit = phit_of(going_, went_);
        went_ = (went_ + 1) % kLinkPasses;
    }
    moved_ = in.valid || out.valid;
    return out.valid || out.credit || in.valid || in.credit;
}

}  // namespace d1
