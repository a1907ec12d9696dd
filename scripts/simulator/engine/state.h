// SPDX-License-Identifier: Apache-2.0
// The state of an array as bytes, part by part. What has state names it once, in a function `state(stream)` that serves both to
// write and to read it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

namespace d1 {

// What writer and reader have in common: which bytes a value has. `Stream` has `bytes(pointer, count)` and `count(container)`.
template <class Stream>
class StateStream {
  public:
    template <class... Values>
    void operator()(Values&... values) {
        (item(values), ...);
    }

  private:
    Stream& self() { return static_cast<Stream&>(*this); }

    template <class Value>
    void item(Value& value) {
        if constexpr (requires { value.state(self()); })
            value.state(self());
        else {
            static_assert(std::is_trivially_copyable_v<Value> && !std::is_pointer_v<Value>);
            self().bytes(&value, sizeof value);
        }
    }
    template <class First, class Second>
    void item(std::pair<First, Second>& pair) {
        item(pair.first);
        item(pair.second);
    }
    template <class Value, size_t count>
    void item(std::array<Value, count>& values) {
        for (Value& value : values) item(value);
    }
    template <class Value>
    void item(std::vector<Value>& values) {
        static_assert(std::is_trivially_copyable_v<Value>);
        self().count(values);
        self().bytes(values.data(), values.size() * sizeof(Value));
    }
    template <class Value>
    void item(std::deque<Value>& values) {
        self().count(values);
        for (Value& value : values) item(value);
    }
};

class StateWriter : public StateStream<StateWriter> {
  public:
    void bytes(const void* from, size_t count) {
        const auto* first = static_cast<const uint8_t*>(from);
        written_.insert(written_.end(), first, first + count);
    }
    template <class Container>
    void count(const Container& container) {
        const uint64_t size = container.size();
        bytes(&size, sizeof size);
    }
    void end() const {}
    std::vector<uint8_t> take() { return std::move(written_); }

  private:
    std::vector<uint8_t> written_;
};

// Throws if there is less to read than is asked for.
class StateReader : public StateStream<StateReader> {
  public:
    StateReader(const uint8_t* bytes, size_t length) : at_(bytes), left_(length) {}

    void bytes(void* to, size_t count) {
        if (count > left_) throw std::runtime_error("a part of the state is too short");
        std::memcpy(to, at_, count);
        skip(count);
    }
    template <class Container>
    void count(Container& container) {
        uint64_t size;
        bytes(&size, sizeof size);
        // No element has less than a byte.
        if (size > left_) throw std::runtime_error("a part of the state is too short");
        container.clear();
        container.resize(size_t(size));
    }
    // As many bytes as there are, at most `most`; returns how many.
    size_t some(void* to, size_t most) {
        const size_t count = std::min(most, left_);
        bytes(to, count);
        return count;
    }
    void end() const {
        if (left_ != 0) throw std::runtime_error("a part of the state is too long");
    }

  private:
    void skip(size_t count) {
        at_ += count;
        left_ -= count;
    }

    const uint8_t* at_;
    size_t left_;
};

}  // namespace d1
