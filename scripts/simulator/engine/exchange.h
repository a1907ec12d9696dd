// SPDX-License-Identifier: Apache-2.0
// What the processes that share an array tell each other at the end of each cycle; mpi/transport.cpp implements it.
#pragma once

#include <cstdint>

namespace d1 {

// Of one process, or of all.
struct Totals {
    uint64_t busy;       // how many nodes and links are
    uint64_t progress;   // not 0 if any flit moved or any instruction retired
    uint64_t host_done;  // not 0 if all that the host was to do is done
    uint64_t pause;      // not 0 if the run is to be interrupted
};

// Another process, and what is sent to it and comes from it: as many bytes either way.
struct Peer {
    uint32_t rank;
    uint32_t bytes;
    const void* out;
    void* in;
};

// Fills what comes from all peers, and replaces totals by their sums over all processes. Called in all of them, as often.
using Exchange = void (*)(const Peer* peers, uint32_t count, Totals* totals);

}  // namespace d1
