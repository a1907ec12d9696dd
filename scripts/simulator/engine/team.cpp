// SPDX-License-Identifier: Apache-2.0
#include "team.h"

#include <csignal>

namespace d1 {

Team::Team(unsigned size) : size_(size) {
    // Signals belong to the interpreter's threads: these block them all while they are made.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
        for (unsigned index = 1; index < size; ++index) threads_.emplace_back([this, index] { member(index); });
    } catch (...) {
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        throw;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Team::~Team() {
    {
        const std::lock_guard lock(mutex_);
        closing_ = true;
    }
    begin_.notify_all();
    for (std::thread& thread : threads_) thread.join();
}

void Team::member(unsigned index) {
    for (uint64_t seen = 0;;) {
        const std::function<void(unsigned)>* work;
        {
            std::unique_lock lock(mutex_);
            begin_.wait(lock, [&] { return closing_ || round_ != seen; });
            if (closing_) return;
            seen = round_;
            work = work_;
        }
        (*work)(index);
        const std::lock_guard lock(mutex_);
        if (--running_ == 0) end_.notify_one();
    }
}

void Team::run(const std::function<void(unsigned)>& work) {
    if (size_ > 1) {
        const std::lock_guard lock(mutex_);
        work_ = &work;
        running_ = size_ - 1;
        ++round_;
        begin_.notify_all();
    }
    work(0);
    std::unique_lock lock(mutex_);
    end_.wait(lock, [&] { return running_ == 0; });
}

}  // namespace d1
