# SPDX-License-Identifier: Apache-2.0
"""Performance counters of the golden node: by CSR, by packet, written, inhibited; and those of a core that has none."""

from __future__ import annotations

import pytest

from golden.config import NodeConfig, preset
from golden.event_counts import event_of
from golden.isa import INSTRUCTIONS
from golden.layout import (
    COUNTER_BLOCK,
    COUNTER_STRIDE,
    DEBUG_BLOCK,
    EVENT_INHIBITS,
    MHPMCOUNTER_BASE,
    MHPMEVENT_BASE,
    PIPE_EVENTS,
    SRAM_BASE,
    STALL_EVENTS,
    Csr,
    Event,
    counter_offset,
)
from golden.node import GoldenNode
from verif.golden.encoding import encode, run_words

TINY = preset("tiny")
HALT = encode("halt", 0)
MINUS_1 = (1 << 64) - 1

#: One instruction of each unit that retires with x5 in SRAM, and its pipe.
INSTRUCTIONS_OF = {
    "add": (encode("add", 1, 2, 3), Event.INTEGER),
    "beq, not taken": (encode("beq", 0, 5, 8), Event.INTEGER),
    "mul": (encode("mul", 1, 2, 3), Event.INTEGER),
    "div": (encode("div", 1, 2, 3), Event.INTEGER),
    "csrrs": (encode("csrrs", 1, Csr.MHARTID, 0), Event.INTEGER),
    "fence": (encode("fence", 15, 15), Event.INTEGER),
    "setfmt": (encode("setfmt", 0, 5), Event.INTEGER),
    "spost": (encode("spost", 0, 0), Event.INTEGER),
    "ld": (encode("ld", 1, 0, 5), Event.LOAD),
    "vld": (encode("vld", 1, 0, 5), Event.LOAD),
    "vlds.8": (encode("vlds.8", 1, 5, 0), Event.LOAD),
    "sd": (encode("sd", 1, 64, 5), Event.STORE),
    "vst": (encode("vst", 1, 64, 5), Event.STORE),
    "mst.f32": (encode("mst.f32", 0, 5), Event.STORE),
    "vand": (encode("vand", 1, 2, 3, 0), Event.SIMD),
    "pand": (encode("pand", 1, 2, 3), Event.SIMD),
    "mzero": (encode("mzero", 0), Event.MATRIX),
    "mld.f32": (encode("mld.f32", 0, 5), Event.MATRIX),
}


def counters(node: GoldenNode, thread: int = 0) -> dict[Event, int]:
    """All counters of a thread, as packets read them."""
    return {event: node.read_register(counter_offset(thread, event) % 0x1000) for event in Event}


@pytest.mark.parametrize("name", INSTRUCTIONS_OF)
def test_an_instruction_counts_once_where_it_retires(name: str) -> None:
    word, event = INSTRUCTIONS_OF[name]
    node = run_words(TINY, word, HALT, x={5: SRAM_BASE + 0x400})
    expected = dict.fromkeys(Event, 0) | {Event.INTEGER: 1}
    expected[event] += 1
    assert counters(node) == expected


@pytest.mark.parametrize("word", [encode("nsd", 0, 6), encode("nread", 1, 6), encode("nwrite.s", 1, 6, 0)])
def test_a_request_to_the_network_counts_once_as_a_store(word: int) -> None:
    node = run_words(TINY, word, HALT, x={6: 0x400})
    assert counters(node) == dict.fromkeys(Event, 0) | {Event.INTEGER: 1, Event.STORE: 1}


def test_every_instruction_has_one_event_and_moves_from_predicates_are_integer() -> None:
    assert {event_of(row) for row in INSTRUCTIONS.values()} == set(PIPE_EVENTS)
    of_predicates = {row.mnemonic: event_of(row) for row in INSTRUCTIONS.values() if row.unit.value == "predicate"}
    assert {name for name, event in of_predicates.items() if event is Event.INTEGER} == {
        name for name in of_predicates if "rd" in INSTRUCTIONS[name].operands
    }


def test_what_traps_or_waits_does_not_count() -> None:
    node = run_words(TINY, encode("ld", 1, 0, 0))
    assert not any(counters(node).values())
    node = run_words(TINY, encode("addi", 1, 0, 1), encode("swait", 1, 1))
    assert counters(node)[Event.INTEGER] == 1


def test_counters_sum_up_to_what_has_retired() -> None:
    words = [word for word, _ in INSTRUCTIONS_OF.values()]
    node = run_words(TINY, *words, *words, HALT, x={5: SRAM_BASE + 0x400})
    thread = node.threads[0]
    assert sum(counters(node)[event] for event in PIPE_EVENTS) == thread.retired == 2 * len(words) + 1
    assert node.read_register(counter_offset(0, 2) % 0x1000) == thread.minstret
    assert node.read_register(counter_offset(0, 0) % 0x1000) == node.clock.cycle


@pytest.mark.parametrize("event", Event)
def test_a_counter_goes_on_from_what_is_written_and_its_event_stays(event: Event) -> None:
    counter, chosen = MHPMCOUNTER_BASE + event, MHPMEVENT_BASE + event
    words = [
        encode("csrrw", 0, counter, 5), encode("csrrs", 6, counter, 0), encode("csrrw", 7, chosen, 5),
        encode("csrrs", 8, chosen, 0), encode("csrrs", 9, counter, 0),
    ]  # fmt: skip
    thread = run_words(TINY, *words, HALT, x={5: MINUS_1 - 1}).threads[0]
    integer = event is Event.INTEGER
    assert thread.x[6:10] == [MINUS_1 - 1, event, event, 1 if integer else MINUS_1 - 1]


def test_inhibited_counters_stand_still_keep_writes_and_go_on_from_there() -> None:
    inhibit, integer, loads = Csr.MCOUNTINHIBIT, MHPMCOUNTER_BASE + Event.INTEGER, MHPMCOUNTER_BASE + Event.LOAD
    load = encode("ld", 1, 0, 5)
    words = [
        load, encode("csrrw", 0, inhibit, 6), load, encode("csrrs", 10, integer, 0), encode("csrrs", 11, loads, 0),
        encode("csrrwi", 0, loads, 9), load, encode("csrrs", 12, inhibit, 0), encode("csrrwi", 0, inhibit, 0), load,
        encode("csrrs", 13, integer, 0), encode("csrrs", 14, loads, 0),
    ]  # fmt: skip
    thread = run_words(TINY, *words, HALT, x={5: SRAM_BASE, 6: MINUS_1}).threads[0]
    assert thread.x[10:15] == [1, 1, 5 | EVENT_INHIBITS, 1, 10]


@pytest.mark.parametrize("config", [TINY, preset("nano")], ids=lambda config: config.name)
def test_packets_read_counters_and_write_none(config: NodeConfig) -> None:
    node = run_words(config, encode("ld", 1, 0, 5), HALT, x={5: SRAM_BASE})
    before = [node.read_register(COUNTER_BLOCK + 8 * n) for n in range(COUNTER_STRIDE // 8)]
    for number in range((DEBUG_BLOCK - COUNTER_BLOCK) // 8):
        node.write_register(COUNTER_BLOCK + 8 * number, 5)
    assert [node.read_register(COUNTER_BLOCK + 8 * n) for n in range(COUNTER_STRIDE // 8)] == before
    missing = COUNTER_BLOCK + config.threads * COUNTER_STRIDE
    assert not any(node.read_register(register) for register in range(missing, DEBUG_BLOCK, 8))
    assert any(before) == (config.core == "pipelined")


def test_a_sequential_core_counts_no_events() -> None:
    words = []
    for register, number in enumerate((MHPMCOUNTER_BASE + Event.LOAD, MHPMEVENT_BASE + Event.LOAD, Csr.MCOUNTINHIBIT), 10):
        words += [encode("csrrw", 0, number, 5), encode("csrrs", register, number, 0)]
    thread = run_words(preset("nano"), *words, HALT, x={5: MINUS_1}).threads[0]
    assert thread.x[10:13] == [0, 0, 5]


@pytest.mark.parametrize("event", STALL_EVENTS)
def test_lost_cycles_are_not_modelled(event: Event) -> None:
    node = run_words(TINY, encode("div", 1, 2, 3), encode("addi", 1, 1, 1), HALT)
    assert counters(node)[event] == 0
