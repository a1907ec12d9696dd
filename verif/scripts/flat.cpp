// SPDX-License-Identifier: Apache-2.0
// Runs the flat array on recorded inputs of the host's link, and records every output register of every node in every cycle.
#include <cstdint>
#include <cstring>

#include "Flat.h"
#include "flat_ports.h"
#include "verilated.h"

// `host` holds a record per cycle: flit, valid, credit. `nodes` receives the registers after each cycle.
extern "C" __attribute__((visibility("default"))) void flat_run(const uint8_t* host, uint64_t cycles, uint8_t* nodes) {
    VerilatedContext context;
    Flat model(&context);
    const auto edge = [&model] {
        model.clk = 1;
        model.eval();
        model.clk = 0;
        model.eval();
    };
    model.clk = 0;
    model.rst = 1;
    model.eval();
    edge();
    edge();
    model.rst = 0;
    for (uint64_t cycle = 0; cycle < cycles; ++cycle) {
        model.cycle = cycle;
        std::memcpy(&model.host_in_flit, host, sizeof model.host_in_flit);
        host += sizeof model.host_in_flit;
        model.host_in_valid = *host++;
        model.host_out_credit = *host++;
        edge();
#define FLAT_PORT(name)                                   \
    std::memcpy(nodes, &model.name, sizeof model.name);   \
    nodes += sizeof model.name;
        FLAT_PORTS(FLAT_PORT)
#undef FLAT_PORT
    }
    model.final();
}
