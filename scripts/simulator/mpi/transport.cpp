// SPDX-License-Identifier: Apache-2.0
// How processes talk, by MPI: what engines exchange when they meet, and messages between the host's process and the others.
//
// Whoever waits lets others run after a while: there may be more processes than processors. An error of MPI ends all processes.

#include <mpi.h>
#include <sched.h>
#include <unistd.h>

#include <vector>

#include "exchange.h"

#define D1_API extern "C" __attribute__((visibility("default")))

namespace {

constexpr unsigned kSpins = 200, kYields = 2000;
constexpr unsigned kNapMicroseconds = 200;
constexpr int kCycleTag = 1, kMessageTag = 2;

// Calls until it returns true. Messages may take long to come, so that their receivers even sleep.
template <class Done>
void wait_until(Done&& done, bool may_sleep) {
    for (unsigned tries = 0; !done(); ++tries) {
        if (tries < kSpins) continue;
        if (may_sleep && tries > kYields)
            usleep(kNapMicroseconds);
        else
            sched_yield();
    }
}

void finish(std::vector<MPI_Request>& requests, bool may_sleep) {
    wait_until(
        [&] {
            int done;
            MPI_Testall(int(requests.size()), requests.data(), &done, MPI_STATUSES_IGNORE);
            return done != 0;
        },
        may_sleep);
}

}  // namespace

// Returns 0, or 1 if threads may not take turns in calling MPI.
D1_API int d1_mpi_start(int* rank, int* size) {
    int provided;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, rank);
    MPI_Comm_size(MPI_COMM_WORLD, size);
    return provided < MPI_THREAD_SERIALIZED;
}

D1_API void d1_mpi_finish() { MPI_Finalize(); }

// d1::Exchange
D1_API void d1_mpi_exchange(const d1::Peer* peers, uint32_t count, d1::Totals* totals) {
    constexpr int kTotals = sizeof(d1::Totals) / sizeof(uint64_t);
    static std::vector<MPI_Request> requests;
    requests.resize(2 * count + 1);
    for (uint32_t n = 0; n < count; ++n) {
        const d1::Peer& peer = peers[n];
        MPI_Irecv(peer.in, int(peer.room), MPI_BYTE, int(peer.rank), kCycleTag, MPI_COMM_WORLD, &requests[2 * n]);
        MPI_Isend(peer.out, int(peer.bytes), MPI_BYTE, int(peer.rank), kCycleTag, MPI_COMM_WORLD, &requests[2 * n + 1]);
    }
    MPI_Iallreduce(MPI_IN_PLACE, totals, kTotals, MPI_UINT64_T, MPI_MAX, MPI_COMM_WORLD, &requests[2 * count]);
    finish(requests, false);
}

// At most 1 GiB.
D1_API void d1_mpi_send(int to, const void* data, uint32_t length) {
    std::vector<MPI_Request> requests(1);
    MPI_Isend(data, int(length), MPI_BYTE, to, kMessageTag, MPI_COMM_WORLD, requests.data());
    finish(requests, true);
}

// Waits for a message, and returns its length.
D1_API uint32_t d1_mpi_await(int from) {
    MPI_Status status;
    wait_until(
        [&] {
            int there;
            MPI_Iprobe(from, kMessageTag, MPI_COMM_WORLD, &there, &status);
            return there != 0;
        },
        true);
    int length;
    MPI_Get_count(&status, MPI_BYTE, &length);
    return uint32_t(length);
}

D1_API void d1_mpi_receive(int from, void* data, uint32_t length) {
    MPI_Recv(data, int(length), MPI_BYTE, from, kMessageTag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}
