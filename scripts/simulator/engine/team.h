// SPDX-License-Identifier: Apache-2.0
// A team of threads that run the same function and meet at a barrier; the caller is its first member.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace d1 {

class Team {
  public:
    explicit Team(unsigned size);
    ~Team();

    unsigned size() const { return size_; }

    // Calls work(member) once in every member and returns when all have returned.
    void run(const std::function<void(unsigned)>& work);

    // Waits for all members. The last to arrive calls `completion` before any leaves.
    template <class Completion>
    void meet(Completion&& completion) {
        if (size_ == 1) {
            completion();
            return;
        }
        const uint32_t phase = phase_.load(std::memory_order_relaxed);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
            arrived_.store(0, std::memory_order_relaxed);
            completion();
            phase_.store(phase + 1, std::memory_order_release);
            return;
        }
        // A cycle takes microseconds, so spinning wins, unless the machine is busy with something else.
        for (unsigned spins = 0; phase_.load(std::memory_order_acquire) == phase; ++spins) {
            if (spins < kSpins)
                pause();
            else
                std::this_thread::yield();
        }
    }

  private:
    static constexpr unsigned kSpins = 500;

    static void pause() {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
    }
    void member(unsigned index);

    const unsigned size_;
    alignas(64) std::atomic<uint32_t> arrived_{0};
    alignas(64) std::atomic<uint32_t> phase_{0};

    std::mutex mutex_;
    std::condition_variable begin_, end_;
    const std::function<void(unsigned)>* work_ = nullptr;
    uint64_t round_ = 0;
    unsigned running_ = 0;
    bool closing_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace d1
