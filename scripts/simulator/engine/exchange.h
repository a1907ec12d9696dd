// SPDX-License-Identifier: Apache-2.0
// What the processes that share an array tell each other when they meet; mpi/transport.cpp implements it.
#pragma once

#include <cstdint>

namespace d1 {

// Of one process, or the greatest of all.
struct Totals {
    uint64_t busy;       // whether a node or a link is
    uint64_t crossing;   // whether anything goes to another process or thread
    uint64_t reached;    // the cycle before which all was evaluated
    uint64_t progress;   // the cycle after the last in which a flit moved or an instruction retired
    uint64_t host_left;  // how many cycles the host needs at least, 0 if all that it was to do is done
    uint64_t pause;      // whether the run is to be interrupted
};

// Another process, what is sent to it, and room for what comes from it.
struct Peer {
    uint32_t rank;
    uint32_t bytes, room;
    const void* out;
    void* in;
};

// Fills what comes from all peers, and replaces each of the totals by the greatest of all processes. Called in all of them, as
// often.
using Exchange = void (*)(const Peer* peers, uint32_t count, Totals* totals);

}  // namespace d1
