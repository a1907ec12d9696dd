// SPDX-License-Identifier: Apache-2.0
#include "station.h"

#include "D1Station.h"
#include "verilated.h"

namespace d1 {

namespace {

template <class Port, class Value>
void copy_in(Port& port, const Value& value) {
    static_assert(sizeof(Port) == sizeof(Value));
    std::memcpy(&port, value.data(), sizeof(Value));
}

template <class Port, class Value>
void copy_out(Value& value, const Port& port) {
    static_assert(sizeof(Port) == sizeof(Value));
    std::memcpy(value.data(), &port, sizeof(Value));
}

}  // namespace

Station::Station(VerilatedContext& context, unsigned x, unsigned y, unsigned links)
    : model_(std::make_unique<D1Station>(&context, "TOP")) {
    model_->x = uint16_t(x);
    model_->y = uint16_t(y);
    model_->links = uint8_t(links);
    model_->clk = 0;
    model_->rst = 1;
    // Its registers are clocked by both edges (build.py).
    for (unsigned n = 0; n < 3; ++n) {
        model_->eval();
        model_->clk ^= 1;
    }
    model_->eval();
    model_->rst = 0;
}

Station::Station(Station&&) noexcept = default;
Station::~Station() = default;

void Station::step(const Link* const in[4], Link out[4], Local& local) {
    D1Station& model = *model_;
#define D1_SIDE(index, side)                        \
    model.side##_in_valid = in[index]->valid;       \
    model.side##_out_credit = in[index]->credit;    \
    copy_in(model.side##_in_flit, in[index]->flit);
    D1_SIDE(0, north)
    D1_SIDE(1, east)
    D1_SIDE(2, south)
    D1_SIDE(3, west)
#undef D1_SIDE
#define D1_CLASS(index, name)                                                           \
    model.inject_##name##_valid = local.waiting[index];                                 \
    if (local.waiting[index]) copy_in(model.inject_##name##_flit, local.inject[index]); \
    model.eject_##name##_ready = local.ready[index];
    D1_CLASS(kClassRequest, request)
    D1_CLASS(kClassResponse, response)
#undef D1_CLASS
    model.clk ^= 1;
    model.eval();
#define D1_SIDE(index, side)                        \
    out[index].valid = model.side##_out_valid;     \
    out[index].credit = model.side##_in_credit;    \
    copy_out(out[index].flit, model.side##_out_flit);
    D1_SIDE(0, north)
    D1_SIDE(1, east)
    D1_SIDE(2, south)
    D1_SIDE(3, west)
#undef D1_SIDE
#define D1_CLASS(index, name)                                                           \
    local.taken[index] = model.inject_##name##_taken;                                   \
    local.arrived[index] = model.eject_##name##_valid;                                  \
    local.undeliverable[index] = model.eject_##name##_undeliverable;                    \
    if (local.arrived[index]) copy_out(local.eject[index], model.eject_##name##_flit);
    D1_CLASS(kClassRequest, request)
    D1_CLASS(kClassResponse, response)
#undef D1_CLASS
}

}  // namespace d1
