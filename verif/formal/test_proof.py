# SPDX-License-Identifier: Apache-2.0
"""The proof helper: true statements are proved, false ones give their shortest run, empty ones are refused."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth import Module, Signal
from amaranth.hdl import Assert, Assume
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from verif.formal.proof import Counterexample, check_bounded, check_reachable, prove


class Counter(wiring.Component):
    """Counts cycles with ``enable`` up to 5 and then starts again; claims that it stays below ``limit``."""

    def __init__(self, limit: int | None, *, enabled: bool = True):
        self.limit = limit
        self.enabled = enabled
        super().__init__({"enable": In(1), "count": Out(3), "at_limit": Out(1)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        count = Signal(3)
        with m.If(self.enable):
            m.d.sync += count.eq(count + 1)
            with m.If(count == 5):
                m.d.sync += count.eq(0)
        m.d.comb += [self.count.eq(count), self.at_limit.eq(count == 5)]
        if self.limit is not None:
            m.d.comb += Assert(count < self.limit)
        if not self.enabled:
            m.d.comb += Assume(~self.enable)
        return m


def test_an_invariant_is_proved() -> None:
    prove(Counter(6))


def test_a_false_statement_gives_the_run_that_refutes_it() -> None:
    with pytest.raises(Counterexample, match=r"(?s)cycle 5: .*count=5"):
        check_bounded(Counter(5), 6)
    check_bounded(Counter(5), 5)


def test_a_statement_that_is_true_but_not_inductive_is_not_accepted() -> None:
    with pytest.raises(Counterexample, match="good cycles"):
        prove(Counter(7))


def test_assumptions_restrict_the_inputs() -> None:
    prove(Counter(1, enabled=False))


def test_what_can_happen_is_told_from_what_cannot() -> None:
    check_reachable(Counter(6), "at_limit", 6)
    with pytest.raises(AssertionError):
        check_reachable(Counter(6), "at_limit", 5)
    with pytest.raises(AssertionError):
        check_reachable(Counter(6, enabled=False), "at_limit", 12)


def test_a_component_that_asserts_nothing_is_refused() -> None:
    with pytest.raises(ValueError):
        prove(Counter(None))
