# SPDX-License-Identifier: Apache-2.0
"""Bounded proofs on circuits: the first cycle is found, with the run that leads there, and assumptions are kept."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Assume, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from verif.formal.circuit import Circuit
from verif.formal.unrolled import first_cycle, first_cycles


class Counter(wiring.Component):
    """Counts cycles with ``enable``, by steps that a memory keeps; an instance, of which nothing is known, can hold it back."""

    def __init__(self) -> None:
        super().__init__(
            {
                "enable": In(1),
                "step": In(2),
                "count": Out(4),
                "at_three": Out(1),
                "at_eight": Out(1),
                "never": Out(1),
                "held": Out(1),
                "always": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.steps = steps = Memory(shape=2, depth=2, init=[1, 1])
        write, read, holds = steps.write_port(), steps.read_port(domain="comb"), Signal()
        m.submodules.holds = Instance("d1_unknown", i_count=self.count, o_holds=holds)
        m.d.comb += [
            write.en.eq(self.enable),
            write.addr.eq(self.count[0]),
            write.data.eq(self.step),
            read.addr.eq(self.count[0]),
            Assume(self.step != 3),
            Assume(self.step != 0),
        ]
        with m.If(self.enable & ~holds):
            m.d.sync += self.count.eq(self.count + read.data)
        m.d.comb += [
            self.at_three.eq(self.count == 3),
            self.at_eight.eq(self.count == 8),
            self.never.eq((read.data == 3) | (read.data == 0)),
            self.held.eq(self.enable & holds),
            self.always.eq(1),
        ]
        return m


CIRCUIT = Circuit.of(Counter())


def test_the_first_cycle_is_found_with_a_run_that_leads_there() -> None:
    answer = first_cycle(CIRCUIT, "at_three", 8)
    # Both places hold 1 at first; what is written over one is added when the count is there again.
    assert answer.cycle == 3
    assert [cycle["count"] for cycle in answer.run] == [0, 1, 2, 3]
    assert all(cycle["enable"] for cycle in answer.run[:3])
    assert first_cycle(CIRCUIT, "at_eight", 8).cycle == 5


def test_what_assumptions_exclude_is_not_reached_and_bounds_are_kept() -> None:
    assert first_cycle(CIRCUIT, "never", 8).cycle is None
    assert first_cycle(CIRCUIT, "at_eight", 5).cycle is None


def test_cycles_before_the_first_are_not_asked_about() -> None:
    answer = first_cycle(CIRCUIT, "at_three", 8, start=5)
    assert (answer.cycle, answer.run[5]["count"]) == (5, 3)


def test_inputs_can_be_fixed() -> None:
    assert first_cycle(CIRCUIT, "at_eight", 9, fixed={"step": 1}).cycle == 8
    assert first_cycle(CIRCUIT, "at_three", 8, fixed={"enable": 0}).cycle is None


def test_instances_do_what_they_like_and_constants_are_known() -> None:
    assert first_cycle(CIRCUIT, "held", 2).cycle == 0
    assert first_cycle(CIRCUIT, "always", 2).cycle == 0


def test_several_outputs_are_decided_at_once() -> None:
    answers = first_cycles(CIRCUIT, ["at_three", "never", "at_eight"], 6)
    assert {name: answer.cycle for name, answer in answers.items()} == {"at_three": 3, "never": None, "at_eight": 5}
