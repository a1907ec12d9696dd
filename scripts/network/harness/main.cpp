// SPDX-License-Identifier: Apache-2.0
// Reads a plan from standard input, runs it and writes what was measured as JSON (scripts/network/mesh.py is the other side).
#include <cstdio>
#include <exception>
#include <iostream>
#include <stdexcept>

#include "traffic.h"

namespace {

using namespace d1;

Plan read_plan(std::istream& in) {
    in.exceptions(std::istream::failbit | std::istream::badbit);
    Plan plan;
    in >> plan.rows >> plan.columns >> plan.seed >> plan.warm_up >> plan.window >> plan.drain >> plan.stall;
    const size_t nodes = size_t(plan.rows) * plan.columns;
    for (auto& choices : plan.choices) {
        choices.resize(nodes);
        for (auto& choices_of_node : choices) {
            size_t count;
            in >> count;
            choices_of_node.resize(count);
            for (auto& choice : choices_of_node) in >> choice.threshold >> choice.destination;
        }
    }
    size_t count;
    in >> count;
    plan.events.resize(count);
    for (auto& event : plan.events) in >> event.cycle >> event.source >> event.destination >> event.traffic_class;
    return plan;
}

template <class Values>
void print(const char* name, const Values& values) {
    std::printf("\"%s\": [", name);
    const char* separator = "";
    for (const uint64_t value : values) {
        std::printf("%s%llu", separator, static_cast<unsigned long long>(value));
        separator = ", ";
    }
    std::printf("],\n");
}

void print(const Measurement& measured) {
    std::printf("{\n");
    print("offered", measured.offered);
    print("accepted", measured.accepted);
    print("left", measured.left);
    print("hops", measured.hops);
    print("by_source", measured.by_source);
    print("links", measured.links);
    print("event_latencies", measured.event_latencies);
    std::printf("\"latencies\": [");
    for (unsigned c = 0; c < kClasses; ++c) {
        std::printf("%s{", c ? ", " : "");
        const char* separator = "";
        for (const auto& [latency, packets] : measured.latencies[c]) {
            std::printf("%s\"%llu\": %llu", separator, static_cast<unsigned long long>(latency),
                        static_cast<unsigned long long>(packets));
            separator = ", ";
        }
        std::printf("}");
    }
    std::printf("],\n\"injected\": %llu, \"delivered\": %llu, \"cycles\": %llu\n}\n",
                static_cast<unsigned long long>(measured.injected), static_cast<unsigned long long>(measured.delivered),
                static_cast<unsigned long long>(measured.cycles));
}

}  // namespace

int main() {
    try {
        print(run(read_plan(std::cin)));
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
