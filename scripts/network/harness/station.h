// SPDX-License-Identifier: Apache-2.0
// One compiled router and its boundary.
#pragma once

#include <cstdint>
#include <memory>

#include "flit.h"

class D1Station;
class VerilatedContext;

namespace d1 {

constexpr unsigned kClasses = 2;

// What enters and leaves at a node in a cycle, by class.
struct Local {
    Flit inject[kClasses]{}, eject[kClasses]{};
    bool waiting[kClasses]{};        // a flit waits to enter
    bool taken[kClasses]{};          // it entered in the cycle before
    bool arrived[kClasses]{};        // a flit is there to be taken
    bool undeliverable[kClasses]{};  // it is none for this node
    bool ready[kClasses]{};          // it is taken
};

class Station {
  public:
    // `context` must outlive it. `links`: bit 0 north, 1 east, 2 south, 3 west.
    Station(VerilatedContext& context, unsigned x, unsigned y, unsigned links);
    Station(Station&&) noexcept;
    ~Station();

    // One cycle: takes what the other ends of the links drive, writes what is driven in the next cycle.
    void step(const Link* const in[4], Link out[4], Local& local);

  private:
    std::unique_ptr<D1Station> model_;
};

}  // namespace d1
