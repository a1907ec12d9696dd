// SPDX-License-Identifier: Apache-2.0
#include "node.h"

#include <stdexcept>

#include "D1Node.h"
#include "D1Node__Syms.h"
#include "d1_observation.h"
#include "verilated.h"
#include "verilated_syms.h"

#if defined(D1_WAVES_FST)
#include "verilated_fst_c.h"
using TraceFile = VerilatedFstC;
#elif defined(D1_WAVES_VCD)
#include "verilated_vcd_c.h"
using TraceFile = VerilatedVcdC;
#endif

namespace d1 {

#if defined(D1_WAVES_FST) || defined(D1_WAVES_VCD)
struct Node::Waves {
    TraceFile file;
    uint64_t time = 0;
};
#else
struct Node::Waves {};
#endif

namespace {

// The array of lines in the SRAM macro: the only public array of that shape.
uint8_t* find_sram(VerilatedContext& context) {
    const VerilatedScopeNameMap* scopes = context.scopeNameMap();
    for (const auto& [name, scope] : *scopes) {
        const VerilatedVar* variable = scope->varFind("mem");
        if (variable != nullptr && variable->udims() == 1 && variable->elements(1) == int(kSramLines)
            && variable->entBits() == 8 * kLineBytes) {
            return static_cast<uint8_t*>(variable->datap());
        }
    }
    throw std::runtime_error("the compiled node has no public array 'mem' of its SRAM's shape");
}

template <class Port>
void copy_in(Port& port, const Phit& phit) {
    static_assert(sizeof(Port) == sizeof(Phit));
    std::memcpy(&port, phit.data(), sizeof(Phit));
}

template <class Port>
void copy_out(Phit& phit, const Port& port) {
    static_assert(sizeof(Port) == sizeof(Phit));
    std::memcpy(phit.data(), &port, sizeof(Phit));
}

template <class Port>
uint8_t* append(uint8_t* bytes, const Port& port) {
    std::memcpy(bytes, &port, sizeof(Port));
    return bytes + sizeof(Port);
}

}  // namespace

Node::Node(unsigned x, unsigned y, unsigned links, unsigned edges)
    : x_(uint16_t(x)), y_(uint16_t(y)), context_(std::make_unique<VerilatedContext>()) {
    context_->threads(1);
    context_->randReset(0);
    context_->quiet(true);
#if defined(D1_WAVES_FST) || defined(D1_WAVES_VCD)
    context_->traceEverOn(true);
#endif
    model_ = std::make_unique<D1Node>(context_.get(), "TOP");
    model_->x = x_;
    model_->y = y_;
    model_->links = uint8_t(links);
    model_->edges = uint8_t(edges);
    model_->cycle = 0;
    model_->clk = 0;
    model_->rst = 1;
    model_->eval();
    sram_ = find_sram(*context_);
    for (int n = 0; n < 2; ++n) edge();
    model_->rst = 0;
}

Node::~Node() {
    close_waves();
    // Verilator's destructors look for their context in the thread.
    Verilated::threadContextp(context_.get());
    model_->final();
    model_.reset();
}

// Registers of a simulator without waves are clocked by both edges (build.py), so that one evaluation makes a cycle.
void Node::edge() {
#if defined(D1_WAVES_FST) || defined(D1_WAVES_VCD)
    if (waves_) {
        model_->eval();
        waves_->file.dump(10 * waves_->time);
    }
    model_->clk = 1;
    model_->eval();
    if (waves_) waves_->file.dump(10 * waves_->time++ + 5);
    model_->clk = 0;
    model_->eval();
#else
    model_->clk ^= 1;
    model_->eval();
#endif
}

void Node::evaluate(uint64_t cycle, const Link* const in[4], Link out[4]) {
    D1Node& model = *model_;
    model.cycle = cycle;
#define D1_SIDE(index, side)                        \
    model.side##_in_valid = in[index]->valid;       \
    model.side##_out_credit = in[index]->credit;    \
    copy_in(model.side##_in_flit, in[index]->flit);
    D1_SIDE(0, north)
    D1_SIDE(1, east)
    D1_SIDE(2, south)
    D1_SIDE(3, west)
#undef D1_SIDE
#if defined(D1_WAVES_FST) || defined(D1_WAVES_VCD)
    if (waves_) waves_->time = cycle;
#endif
    edge();
#define D1_SIDE(index, side)                        \
    out[index].valid = model.side##_out_valid;      \
    out[index].credit = model.side##_in_credit;     \
    copy_out(out[index].flit, model.side##_out_flit);
    D1_SIDE(0, north)
    D1_SIDE(1, east)
    D1_SIDE(2, south)
    D1_SIDE(3, west)
#undef D1_SIDE
}

void Node::lose_link(unsigned side) { model_->links = uint8_t(model_->links & ~(1u << side)); }

bool Node::idle() const { return model_->idle; }
bool Node::progress() const { return model_->progress; }

NodeState Node::state() const {
    return {model_->idle, model_->running, model_->waiting, model_->trapped, model_->stopped, model_->exited};
}

void Node::trace(uint64_t cycle, std::vector<Retirement>& retirements) {
    const D1Node& model = *model_;
    // What came late belongs to an instruction that retired before: an instruction of the same register waits for it.
#define D1_PORT(n)                                                                                             \
    if (model.late##n##_valid) {                                                                               \
        for (Open& open : open_[model.late##n##_thread]) {                                                     \
            if (!open.late || (open.record.insn >> 7 & 31) != model.late##n##_register) continue;              \
            open.late = false;                                                                                 \
            const unsigned odd = model.late##n##_register & 1;                                                 \
            open.record.rd_valid |= 1u << odd;                                                                 \
            open.record.rd_address[odd] = model.late##n##_register;                                            \
            open.record.rd_data[odd] = model.late##n##_data;                                                   \
            break;                                                                                             \
        }                                                                                                      \
    }
    D1_LATE_PORTS(D1_PORT)
#undef D1_PORT
#define D1_PORT(n)                                                                                             \
    if (model.retire##n##_valid) {                                                                             \
        Retirement r{};                                                                                        \
        r.cycle = cycle;                                                                                       \
        r.x = x_;                                                                                              \
        r.y = y_;                                                                                              \
        r.thread = n / D1_RETIREMENT_WIDTH;                                                                    \
        r.trap = model.retire##n##_trap;                                                                       \
        r.cause = model.retire##n##_cause;                                                                     \
        r.value = model.retire##n##_value;                                                                     \
        r.pc = model.retire##n##_pc;                                                                           \
        r.insn = model.retire##n##_insn;                                                                       \
        r.rd_valid = model.retire##n##_rd_valid;                                                               \
        r.rd_address[0] = model.retire##n##_rd_address & 31;                                                   \
        r.rd_address[1] = model.retire##n##_rd_address >> 5;                                                   \
        static_assert(sizeof(model.retire##n##_rd_data) == sizeof(r.rd_data));                                 \
        std::memcpy(r.rd_data, &model.retire##n##_rd_data, sizeof(r.rd_data));                                 \
        open_[r.thread].push_back({r, bool(model.retire##n##_late)});                                          \
    }
    D1_RETIREMENT_PORTS(D1_PORT)
#undef D1_PORT
    for (auto& open : open_)
        for (; !open.empty() && !open.front().late; open.pop_front()) retirements.push_back(open.front().record);
}

void Node::trace(uint64_t cycle, std::vector<VectorWrite>& writes) {
    const D1Node& model = *model_;
#define D1_PORT(n)                                                                                             \
    if (model.vector##n##_valid) {                                                                             \
        VectorWrite w{};                                                                                       \
        w.cycle = cycle;                                                                                       \
        w.x = x_;                                                                                              \
        w.y = y_;                                                                                              \
        w.thread = model.vector##n##_thread;                                                                   \
        w.reg = model.vector##n##_register;                                                                    \
        static_assert(sizeof(model.vector##n##_data) == kLineBytes);                                           \
        std::memcpy(w.data, &model.vector##n##_data, kLineBytes);                                              \
        writes.push_back(w);                                                                                   \
    }
    D1_VECTOR_PORTS(D1_PORT)
#undef D1_PORT
}

void Node::observe(uint64_t cycle, uint32_t chosen, Observations& observations) const {
    for_each_stream(*model_, [&](unsigned stream, const auto&... ports) {
        if (!(chosen >> stream & 1)) return;
        auto& to = observations[stream];
        const size_t start = to.size();
        to.resize(start + sizeof cycle + sizeof x_ + sizeof y_ + (sizeof ports + ...));
        uint8_t* bytes = append(append(append(to.data() + start, cycle), x_), y_);
        ((bytes = append(bytes, ports)), ...);
    });
}

void Node::record(uint8_t* bytes) const {
#define D1_PORT(name) bytes = append(bytes, model_->name);
    D1_OUTPUT_PORTS(D1_PORT)
#undef D1_PORT
}

size_t Node::record_bytes() {
    size_t bytes = 0;
#define D1_PORT(name) bytes += sizeof(D1Node::name);
    D1_OUTPUT_PORTS(D1_PORT)
#undef D1_PORT
    return bytes;
}

size_t Node::footprint() { return sizeof(Node) + sizeof(D1Node) + sizeof(D1Node__Syms) + sizeof(VerilatedContext); }

#if defined(D1_WAVES_FST) || defined(D1_WAVES_VCD)
void Node::open_waves(const std::string& path) {
    close_waves();
    waves_ = std::make_unique<Waves>();
    model_->trace(&waves_->file, 99);
    waves_->file.open(path.c_str());
    if (!waves_->file.isOpen()) {
        waves_.reset();
        throw std::runtime_error("cannot write waves to " + path);
    }
}

void Node::close_waves() {
    if (!waves_) return;
    waves_->file.close();
    waves_.reset();
}
#else
void Node::open_waves(const std::string&) { throw std::runtime_error("this simulator was built without waves"); }
void Node::close_waves() {}
#endif

}  // namespace d1
