// SPDX-License-Identifier: Apache-2.0
#include "mesh.h"

#include "verilated.h"

namespace d1 {

Mesh::Mesh(unsigned rows, unsigned columns)
    : context_(std::make_unique<VerilatedContext>()), locals_(rows * columns), counts_(4 * rows * columns) {
    context_->threads(1);
    context_->randReset(0);
    context_->quiet(true);
    const unsigned count = rows * columns;
    stations_.reserve(count);
    for (unsigned y = 0; y < rows; ++y) {
        for (unsigned x = 0; x < columns; ++x) {
            const int index = int(y * columns + x);
            const std::array<int, 4> near{
                y > 0 ? index - int(columns) : -1,
                x + 1 < columns ? index + 1 : -1,
                y + 1 < rows ? index + int(columns) : -1,
                x > 0 ? index - 1 : -1,
            };
            unsigned links = 0;
            for (unsigned side = 0; side < 4; ++side) links |= unsigned(near[side] >= 0) << side;
            neighbours_.push_back(near);
            stations_.emplace_back(*context_, x, y, links);
        }
    }
    for (auto& links : links_) links.resize(count);
}

Mesh::~Mesh() = default;

void Mesh::step() {
    static const Link kNothing{};
    const auto& driven = links_[now_];
    auto& driving = links_[now_ ^ 1];
    for (size_t index = 0; index < stations_.size(); ++index) {
        const Link* in[4];
        for (unsigned side = 0; side < 4; ++side) {
            const int near = neighbours_[index][side];
            in[side] = near >= 0 ? &driven[near][side ^ 2] : &kNothing;
            counts_[4 * index + side] += driven[index][side].valid != 0;
        }
        stations_[index].step(in, driving[index].data(), locals_[index]);
    }
    now_ ^= 1;
}

}  // namespace d1
