// SPDX-License-Identifier: Apache-2.0
// Routers in rows and columns, linked as the engine links nodes: what one drives in a cycle, the next one sees in that cycle.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "station.h"

namespace d1 {

class Mesh {
  public:
    Mesh(unsigned rows, unsigned columns);
    ~Mesh();

    // What enters and leaves at a node; index is row * columns + column. Set before, and read after, each step.
    std::vector<Local>& locals() { return locals_; }

    void step();

    // Phits that each link carried since the last call of clear_counts: 4 per node, those that leave it.
    const std::vector<uint64_t>& link_counts() const { return counts_; }
    void clear_counts() { counts_.assign(counts_.size(), 0); }

  private:
    std::unique_ptr<VerilatedContext> context_;
    std::vector<Station> stations_;
    std::vector<std::array<int, 4>> neighbours_;  // -1: there is none
    std::array<std::vector<std::array<Link, 4>>, 2> links_;
    std::vector<Local> locals_;
    std::vector<uint64_t> counts_;
    unsigned now_ = 0;
};

}  // namespace d1
