// SPDX-License-Identifier: Apache-2.0
// The library's functions, as library.py calls them. Those that can fail return 0 for success; d1_error() has the reason.

#include <algorithm>
#include <cstring>
#include <exception>
#include <string>

#include "array.h"

#define D1_API extern "C" __attribute__((visibility("default")))

namespace {

thread_local std::string error;
thread_local std::vector<uint8_t> saved;

template <class Function>
int guarded(Function&& function) {
    try {
        function();
        return 0;
    } catch (const std::bad_alloc&) {
        error = "out of memory";
    } catch (const std::exception& failure) {
        error = failure.what();
    }
    return 1;
}

}  // namespace

using d1::Array;

D1_API const char* d1_error() { return error.c_str(); }
D1_API uint64_t d1_node_footprint() { return d1::Node::footprint(); }

D1_API Array* d1_create(uint32_t rows, uint32_t columns, uint32_t threads, const uint8_t* live, const uint16_t* link_cycles,
                        uint32_t host_site, uint32_t host_side, const d1::MemoryFacts* memories, uint32_t memory_count,
                        const uint16_t* owner, uint32_t rank, d1::Exchange exchange) {
    Array* array = nullptr;
    guarded([&] {
        array = new Array(
            {rows, columns, live, link_cycles, host_site, host_side, memories, memory_count, owner, rank, exchange}, threads);
    });
    return array;
}
D1_API void d1_destroy(Array* array) { delete array; }

D1_API uint64_t d1_cycle(const Array* array) { return array->cycle(); }
D1_API void d1_counters(const Array* array, d1::Counters* counters) { *counters = array->counters(); }
D1_API uint64_t d1_evaluations(const Array* array, uint32_t node) { return array->evaluations(node); }
D1_API void d1_state(Array* array, uint32_t node, d1::NodeState* state) { *state = array->node(node).state(); }
D1_API void d1_set_skipping(Array* array, int32_t skipping) { array->set_skipping(skipping != 0); }

D1_API int d1_run(Array* array, uint64_t limit, double seconds, int32_t stop_when_host_is_done, d1::RunStatus* status) {
    return guarded([&] { *status = array->run(limit, seconds, stop_when_host_is_done != 0); });
}

D1_API int d1_host_start(Array* array, const d1::Access* accesses, uint64_t count) {
    return guarded([&] { array->host().start(accesses, count); });
}
D1_API void d1_host_result(Array* array, d1::HostResult* result) { *result = array->host().result(); }
D1_API void d1_host_abandon(Array* array) { array->host().abandon(); }
D1_API int d1_host_send(Array* array, const uint32_t* words, uint32_t traffic_class) {
    return guarded([&] {
        d1::Flit flit;
        std::memcpy(flit.data(), words, sizeof flit);
        array->host().send(flit, traffic_class);
    });
}
D1_API uint64_t d1_pending_inbox(Array* array) { return array->host().inbox().size(); }
D1_API void d1_take_inbox(Array* array, uint32_t* words) {
    std::memcpy(words, array->host().inbox().data(), array->host().inbox().size() * sizeof(d1::Flit));
    array->host().inbox().clear();
}

D1_API void d1_peek(Array* array, uint32_t node, uint32_t offset, uint8_t* data, uint32_t length) {
    std::memcpy(data, array->node(node).sram() + offset, length);
}
D1_API void d1_poke(Array* array, uint32_t node, uint32_t offset, const uint8_t* data, uint32_t length) {
    std::memcpy(array->node(node).sram() + offset, data, length);
}

D1_API int d1_kill_link(Array* array, uint32_t node, uint32_t side) {
    return guarded([&] { array->kill_link(node, side); });
}
D1_API uint64_t d1_severed(const Array* array) { return array->severed().size(); }
D1_API void d1_severed_facts(const Array* array, uint32_t number, d1::SeveredFacts* facts) {
    const d1::Severed& severed = array->severed().at(number);
    *facts = {severed.cycle, severed.site, severed.side, 0};
    for (const auto& direction : severed.directions) facts->lost += direction.lost().size();
}
D1_API void d1_lost_flits(const Array* array, uint32_t number, uint32_t* words, uint8_t* classes) {
    for (const auto& direction : array->severed().at(number).directions) {
        for (const d1::LostFlit& lost : direction.lost()) {
            words = std::copy(lost.flit.begin(), lost.flit.end(), words);
            *classes++ = uint8_t(lost.traffic_class);
        }
    }
}

D1_API void d1_memory_read(Array* array, uint32_t number, uint64_t offset, uint8_t* data, uint64_t length) {
    array->memory(number).contents().read(offset, data, length);
}
D1_API int d1_memory_write(Array* array, uint32_t number, uint64_t offset, const uint8_t* data, uint64_t length) {
    return guarded([&] { array->memory(number).contents().write(offset, data, length); });
}
D1_API void d1_memory_counters(Array* array, uint32_t number, d1::MemoryCounters* counters) {
    *counters = array->memory(number).counters();
}

D1_API void d1_trace(Array* array, int32_t node, int32_t retirements, int32_t writes) {
    array->set_trace(node, retirements != 0, writes != 0);
}
D1_API uint64_t d1_pending_retirements(const Array* array) { return array->pending_retirements(); }
D1_API uint64_t d1_pending_writes(const Array* array) { return array->pending_writes(); }
D1_API int d1_take_retirements(Array* array, d1::Retirement* records) {
    return guarded([&] { array->take(records); });
}
D1_API int d1_take_writes(Array* array, d1::VectorWrite* records) {
    return guarded([&] { array->take(records); });
}

D1_API void d1_observe(Array* array, int32_t node, uint32_t streams) { array->set_observed(node, streams); }
D1_API uint64_t d1_pending_observations(const Array* array, uint32_t stream) { return array->pending_observations(stream); }
D1_API void d1_take_observations(Array* array, uint32_t stream, uint8_t* bytes) { array->take_observations(stream, bytes); }

D1_API void d1_record(Array* array, int32_t recording) { array->set_recording(recording != 0); }
D1_API uint64_t d1_cycle_record_bytes(const Array* array) { return array->cycle_record_bytes(); }
D1_API uint64_t d1_pending_records(const Array* array) { return array->records().size(); }
D1_API void d1_take_records(Array* array, uint8_t* bytes) {
    std::copy(array->records().begin(), array->records().end(), bytes);
    array->clear_records();
}

// What d1_save wrote waits until it is taken.
D1_API int d1_save(Array* array, int32_t part, uint64_t* length) {
    return guarded([&] {
        saved = array->save(part);
        *length = saved.size();
    });
}
D1_API void d1_take_saved(uint8_t* bytes) {
    std::copy(saved.begin(), saved.end(), bytes);
    saved = {};
}
D1_API int d1_restore(Array* array, int32_t part, const uint8_t* bytes, uint64_t length) {
    return guarded([&] { array->restore(part, bytes, length); });
}

D1_API int d1_open_waves(Array* array, uint32_t node, const char* path) {
    return guarded([&] { array->open_waves(node, path); });
}
D1_API void d1_close_waves(Array* array, uint32_t node) { array->close_waves(node); }
