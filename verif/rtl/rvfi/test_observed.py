# SPDX-License-Identifier: Apache-2.0
"""An observed node is the node that it shows: the same in every cycle, with a view in which every instruction can be followed."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from golden.config import NodeConfig, preset
from golden.layout import SRAM_BASE, STALL_EVENTS, Event, ThreadRegister, counter_offset, thread_offset
from rtl.core.observation.ports import observation_ports
from rtl.export import export_node, node_ports, port_table
from rtl.node import Node
from scripts.simulator import SimulatedArray, SimulatorError, SimulatorLibrary, build
from sw.assembler import assemble
from verif.rtl.node.test_hazards import PROGRAMS, pieces
from verif.rtl.rvfi.monitor import RvfiInstruction
from verif.rtl.rvfi.sources import check_records
from verif.rtl.rvfi.test_rvfi import CONFIGS, observed, run

TINY = preset("tiny")


def hazards(config: NodeConfig, name: str) -> tuple[list[tuple[int, bytes]], int]:
    """A program of the bench of hazards, as parts of memory, and where it starts."""
    program = assemble(next(pieces(PROGRAMS[name]())), config=config)
    return [(address - SRAM_BASE, contents) for address, contents in program.segments], program.entry


def test_a_node_has_ports_of_observation_only_if_it_is_asked_to() -> None:
    plain, shown = ([port.name for port in node_ports(Node(TINY, observe=observe))] for observe in (False, True))
    assert shown[: len(plain)] == plain
    assert shown[len(plain) :] == list(observation_ports(TINY))
    assert "vfi" not in port_table(TINY)
    assert "| `rvfi1_rd_wdata` | output | 320 |" in port_table(TINY, observe=True)


def test_what_cannot_be_observed_is_refused() -> None:
    with pytest.raises(ValueError, match="only pipelined cores can be observed"):
        Node(preset("nano"), observe=True)
    with pytest.raises(ValueError, match="only pipelined ones can be observed"):
        build(preset("nano"), observe=True)
    with pytest.raises(ValueError, match=r"only rtl\.node\.Node has variants"):
        export_node(TINY, observe=True, node=Node)


@pytest.mark.rtl
def test_a_simulator_that_was_not_built_for_it_says_so() -> None:
    with SimulatedArray(TINY, 1, 1) as array, pytest.raises(SimulatorError, match="was not built to be observed"):
        array.observe(rvfi=True)
    with SimulatedArray(TINY, 1, 1, library=observed(TINY)) as array, pytest.raises(ValueError, match="'lines' is not one of"):
        array.observe(xvfi={"vector", "lines"})


@pytest.mark.rtl
def test_the_observed_node_does_the_same_in_the_same_cycles() -> None:
    def everything(library: SimulatorLibrary) -> list[Any]:
        parts, entry = hazards(TINY, "registers")
        with SimulatedArray(TINY, 1, 2, library=library, threads=1) as array:
            for offset, contents in parts:
                array.poke(1, 0, offset, contents)
            array.trace(True, True)
            array.write_many(
                [(1, 0, thread_offset(thread, ThreadRegister.PC), entry.to_bytes(8, "little")) for thread in range(TINY.threads)]
            )
            array.run()
            return [array.cycle, array.node_cycles, array.retirements().tobytes(), array.vector_writes().tobytes()]

    assert everything(observed(TINY)) == everything(build(TINY))


@pytest.mark.rtl
def test_records_come_for_the_chosen_node_and_kinds_alone() -> None:
    parts, entry = hazards(TINY, "pointers")
    with SimulatedArray(TINY, 1, 2, library=observed(TINY)) as array:
        array.observe(rvfi=True, xvfi={"write"}, node=(1, 0))
        for x in range(2):
            for offset, contents in parts:
                array.poke(x, 0, offset, contents)
            array.write_register(x, 0, thread_offset(0, ThreadRegister.PC), entry)
        array.run()
        records, writes = array.rvfi_records(), array.xvfi_records("write")
        assert set(records["x"]) == set(writes["x"]) == {1}
        assert set(records["thread"]) == {0}
        assert len(array.view_records()) == len(array.xvfi_records("read")) == 0
        assert len(array.rvfi_records()) == 0, "they were taken"


#: A word with its address, which the view does not show of what is injected.
_Word = tuple[int | None, int]


class _Followed:
    """The instructions of a thread, from fetch to commit, as the view shows them."""

    def __init__(self) -> None:
        self.buffer: deque[_Word] = deque()
        self.queue: deque[_Word] = deque()
        self.committed: list[_Word] = []
        self.issued = self.killed = self.parked = 0


def follow(config: NodeConfig, cycles: npt.NDArray[np.void]) -> list[_Followed]:
    """What becomes of each word that is fetched, from reset on."""
    threads = [_Followed() for _ in range(config.threads)]
    in_x: dict[int, tuple[int, int, _Word, bool]] = {}
    for now in cycles:
        done: dict[int, list[tuple[int, _Word]]] = defaultdict(list)
        for pipe in range(len(now["issue"])):
            valid, stays, killed, commit = (int(now[name]) >> pipe & 1 for name in ("valid", "stays", "killed", "commit"))
            assert valid == (pipe in in_x), f"cycle {now['cycle']}: pipe {pipe}"
            assert not (killed and commit)
            if not valid:
                continue
            thread, place, what, committed = in_x[pipe]
            if commit:
                assert not committed
                assert now["injecting"] >> thread & 1 == (what[0] is None)
                done[thread].append((place, what))
            if stays:
                in_x[pipe] = thread, place, what, committed or bool(commit)
                continue
            threads[thread].killed += killed
            threads[thread].parked += not (killed or commit or committed)
            del in_x[pipe]
        for thread, finished in done.items():
            threads[thread].committed += [what for _, what in sorted(finished, key=lambda each: each[0])]
        issues = sorted((int(entry) >> 4 & 3, int(entry) & 3, pipe) for pipe, entry in enumerate(now["issue"]) if entry & 0x80)
        for thread, place, pipe in issues:
            assert pipe not in in_x
            assert not now["redirect"] >> thread & 1
            in_x[pipe] = thread, place, threads[thread].queue.popleft(), False
            threads[thread].issued += 1
        for number, of in enumerate(threads):
            of.queue.extend(of.buffer.popleft() for _ in range(now["decode"][number]))
            if now["correct"] >> number & 1:
                of.buffer.clear()
            if now["inject"] >> number & 1:
                of.buffer.append((None, int(now["inject_word"])))
            if now["fetch_count"] and now["fetch_thread"] == number:
                words = now["fetch_words"][: now["fetch_count"]]
                of.buffer.extend((int(now["fetch_pc"]) + 4 * place, int(word)) for place, word in enumerate(words))
            if now["redirect"] >> number & 1:
                of.buffer.clear()
                of.queue.clear()
    assert not in_x
    return threads


def place_and_word(it: RvfiInstruction) -> _Word:
    """What the view shows of an instruction."""
    return None if it.debug else it.pc_rdata, it.insn


@pytest.mark.rtl
@CONFIGS
@pytest.mark.parametrize("name", ["registers", "gathers", "responses"])
def test_each_instruction_that_rvfi_shows_can_be_followed_from_its_fetch_on(config: NodeConfig, name: str) -> None:
    parts, entry = hazards(config, name)
    with run(config, parts, [entry] * config.threads) as array:
        cycles = array.view_records()
        monitors = check_records(config, array.rvfi_records())
        counted = [
            {event: array.read_register(0, 0, counter_offset(thread, event)) for event in STALL_EVENTS}
            for thread in range(config.threads)
        ]
    for number, thread in enumerate(follow(config, cycles)):
        instructions = monitors[0, 0, number].instructions
        assert thread.committed == [place_and_word(it) for it in instructions]
        assert thread.issued == len(instructions) + thread.killed + thread.parked
        shown = {event: int(np.count_nonzero(cycles["stall"][:, number] == event)) for event in STALL_EVENTS}
        shown[Event.SEMAPHORE] = counted[number][Event.SEMAPHORE]
        assert shown == counted[number]
