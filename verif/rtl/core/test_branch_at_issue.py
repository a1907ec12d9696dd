# SPDX-License-Identifier: Apache-2.0
"""Branches at issue: they go on where the golden node does, and only what was predicted wrong is corrected."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from hypothesis import given
from hypothesis import strategies as st

from golden.config import preset
from golden.layout import OFFSET_BITS, SRAM_BASE
from rtl.core.branch_at_issue import BranchAtIssue
from rtl.core.decoder import Decoder
from verif.golden.encoding import encode
from verif.rtl.core.pipes.pipe_bench import Entering, Model, with_operands
from verif.rtl.core.pipes.test_control import jumps, predicted
from verif.rtl.simulate import Simulation, property_settings

CONFIG = preset("tiny")
WINDOW = 1 << OFFSET_BITS


class _Decoded(wiring.Component):
    """The unit behind a decoder."""

    def __init__(self) -> None:
        self.unit: Any = BranchAtIssue()
        words = OFFSET_BITS - 2
        super().__init__({"insn": In(32), "pc": In(words), "fault": In(1), "predicted": In(1), "follows": In(words)})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.unit = self.unit
        m.submodules.decoder = decoder = Decoder(CONFIG)
        m.d.comb += [
            decoder.insn.eq(self.insn),
            *(getattr(self.unit.entry, name).eq(getattr(self, name)) for name in self.signature.members),
            self.unit.entry.decoded.eq(decoder.decoded),
        ]
        return m


SIMULATION = Simulation(_Decoded(), clocked=False)
DECODED = SIMULATION.component
UNIT = DECODED.unit


def issue(context: Any, entering: Entering, known: bool) -> None:
    context.set(DECODED.insn, entering.insn)
    context.set(DECODED.pc, entering.pc % WINDOW >> 2)
    context.set(DECODED.fault, entering.fault)
    context.set(DECODED.predicted, entering.follows is not None)
    context.set(DECODED.follows, (entering.follows or 0) % WINDOW >> 2)
    context.set(UNIT.rs1, entering.rs1)
    context.set(UNIT.rs2, entering.rs2)
    context.set(UNIT.known, known)


@property_settings(200)
@given(st.lists(st.tuples(jumps(), st.booleans()), min_size=1, max_size=12))
def test_what_is_corrected_goes_on_where_the_golden_node_does(stimuli: list[Any]) -> None:
    model = Model(CONFIG)

    async def check(context: Any) -> None:
        for (plain, prediction, _), known in stimuli:
            plain, registers = with_operands(plain)
            expected = model.execute(plain.insn, plain.pc, registers)
            entering = predicted(prediction, plain, expected.next_pc)
            issue(context, entering, known)
            behind = entering.pc + 4
            goes_on = behind if entering.follows is None else SRAM_BASE + entering.follows % WINDOW
            conditional = entering.insn & 0x7F == 0x63
            if not (known and conditional):
                assert not context.get(UNIT.corrects)
                continue
            if expected.record.cause is not None or expected.next_pc >> OFFSET_BITS != SRAM_BASE >> OFFSET_BITS:
                # Misaligned, or outside: the control pipe does it.
                assert not context.get(UNIT.corrects)
                continue
            # What goes on behind itself and was predicted to jump there may be corrected or not.
            if goes_on != expected.next_pc:
                assert context.get(UNIT.corrects)
            elif goes_on != behind:
                assert not context.get(UNIT.corrects)
            if context.get(UNIT.corrects):
                assert context.get(UNIT.follows) == expected.next_pc % WINDOW >> 2
                assert context.get(UNIT.jumps) or expected.next_pc == behind

    SIMULATION.run(check)


def test_what_cannot_be_fetched_is_no_branch() -> None:
    async def check(context: Any) -> None:
        taken = Entering(encode("beq", 1, 2, 0x40), SRAM_BASE, 5, 5)
        for fault in (False, True):
            issue(context, taken._replace(fault=fault), True)
            assert context.get(UNIT.corrects) == (not fault)

    SIMULATION.run(check)
