# SPDX-License-Identifier: Apache-2.0
"""The branch predictor, proved: what the front end relies on, and that nothing is predicted that was not learned."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Assert, Assume, Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from rtl.frontend.entry import WORD_ADDRESS_BITS, window_words
from rtl.frontend.predictor import BranchPredictor
from verif.formal.proof import check_bounded, check_reachable, prove

CONFIGS = [NodeConfig(fetch_bytes=8, btb_entries=4), NodeConfig(fetch_bytes=32, btb_entries=8)]


class Lookup(wiring.Component):
    """Where a lookup finds a branch, for the front end: not before the address."""

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {"address": In(WORD_ADDRESS_BITS), "update": In(3 + 2 * WORD_ADDRESS_BITS), "flush": In(1), "taken": Out(1)}
        )

    def connect(self, m: Module) -> Any:
        m.submodules.predictor = predictor = BranchPredictor(self.config)
        m.d.comb += [
            predictor.address.eq(self.address),
            predictor.update.as_value().eq(self.update),
            predictor.flush.eq(self.flush),
            self.taken.eq(predictor.taken),
        ]
        return predictor

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        predictor = self.connect(m)
        m.d.comb += Assert(~predictor.taken | (predictor.word >= self.address[: len(predictor.word)]))
        return m


class Learned(Lookup):
    """An arbitrary branch and an arbitrary target: it is predicted only if an update since the last flush said so."""

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        predictor = self.connect(m)
        update = predictor.update
        branch, target = Signal(WORD_ADDRESS_BITS), Signal(WORD_ADDRESS_BITS)
        first, learned = Signal(init=1), Signal()
        m.d.sync += first.eq(0)
        # The first cycle, in which nothing is learned, says which branch and target these are.
        with m.If(first):
            m.d.sync += [branch.eq(update.pc), target.eq(update.target)]
        m.d.comb += Assume(~first | ~update.valid)
        with m.If(update.valid & update.taken & (update.pc == branch) & (update.target == target)):
            m.d.sync += learned.eq(1)
        with m.If(self.flush):
            m.d.sync += learned.eq(0)
        low = len(predictor.word)
        found = predictor.taken & (Cat(predictor.word, self.address[low:]) == branch) & (predictor.target == target)
        m.d.comb += [Assert(first | ~found | learned), self.taken.eq(found & learned)]
        return m


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"window{window_words(c)}")
def test_what_is_predicted_never_lies_before_the_address_whatever_was_learned(config: NodeConfig) -> None:
    prove(Lookup(config))
    check_reachable(Lookup(config), "taken", 3)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"window{window_words(c)}")
def test_nothing_is_predicted_that_was_not_learned_since_the_last_flush(config: NodeConfig) -> None:
    check_bounded(Learned(config), 6)
    check_reachable(Learned(config), "taken", 4)
