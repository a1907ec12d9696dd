# SPDX-License-Identifier: Apache-2.0
"""Whatever is predicted, heads follow the program: proved with a predictor and a cache that answer anything at any time."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Array, Assert, Assume, C, Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from golden.isa import INSTRUCTIONS
from golden.layout import OFFSET_BITS, SRAM_BASE
from rtl.core.decoder import Decoder
from rtl.frontend.entry import WORD_ADDRESS_BITS, window_words
from rtl.frontend.frontend import FrontEnd
from rtl.frontend.icache import InstructionCache
from rtl.frontend.predictor import BranchPredictor
from verif.formal.proof import check_bounded, check_reachable
from verif.rtl.frontend.stub import Stub

#: Code repeats after so many words; each is one of the kinds below, with an offset of -2 to 1 words.
WORDS = 4
PLAIN, JAL, BRANCH, TAKEN, NEVER, JALR = range(6)


class Order(wiring.Component):
    """One thread's front end between an arbitrary program, arbitrary predictions, and an issue that takes and redirects at will.

    Inputs but ``kinds`` and ``offsets``, which are the program, change freely.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "kinds": In(3 * WORDS),
                "offsets": In(2 * WORDS),
                "hit": In(1),
                "taken": In(1),
                "word": In(range(window_words(config))),
                "target": In(WORD_ADDRESS_BITS),
                "redirect": In(1),
                "redirect_target": In(3),
                "run": In(1),
                "take": In(range(config.issue_width + 1)),
                "corrected": Out(1),
                "predicted": Out(1),
            }
        )

    def stubs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Replace what the proof is not about."""
        word_bits = (window_words(self.config) - 1).bit_length()

        def predictor(config: NodeConfig) -> Stub:
            stub: Any = Stub(BranchPredictor(config))
            stub.statements += [
                # Only words at or behind the address can be predicted.
                stub.taken.eq(self.taken & (self.word >= stub.address[:word_bits])),
                stub.word.eq(self.word),
                stub.target.eq(self.target),
            ]
            return stub

        def cache(config: NodeConfig) -> Stub:
            stub: Any = Stub(InstructionCache(config))
            start = Cat(C(0, word_bits), stub.address[word_bits:])
            stub.statements += [
                stub.hit.eq(self.hit),
                *(stub.words.word_select(i, 32).eq(self.code(start + i)) for i in range(window_words(config))),
            ]
            return stub

        monkeypatch.setattr("rtl.frontend.frontend.BranchPredictor", predictor)
        monkeypatch.setattr("rtl.frontend.frontend.InstructionCache", cache)
        monkeypatch.setattr("rtl.frontend.lane.Decoder", lambda config: Stub(Decoder(config)))

    def code(self, address: Any) -> Any:
        """The word of code at a word address."""
        return Array(self._word(i) for i in range(WORDS))[address[:2]]

    def _word(self, i: int) -> Any:
        kind = self.kinds.word_select(i, 3)
        offset = Cat(C(0, 2), self.offsets.word_select(i, 2)).as_signed()
        imm = Cat(offset, offset[-1].replicate(17))
        jal = Cat(C(INSTRUCTIONS["jal"].match, 12), imm[12:20], imm[11], imm[1:11], imm[20])
        other = (kind == NEVER, kind == TAKEN)
        branch = Cat(
            C(INSTRUCTIONS["beq"].match, 7), imm[11], imm[1:5], Cat(other[0], C(0, 2)), C(5, 5),
            Mux(other[0] | other[1], C(5, 5), C(6, 5)), imm[5:11], imm[12],
        )  # fmt: skip
        plain = C(INSTRUCTIONS["addi"].match, 32)
        jalr = C(INSTRUCTIONS["jalr"].match, 32)
        return Mux(kind == PLAIN, plain, Mux(kind == JAL, jal, Mux(kind == JALR, jalr, branch)))

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.front_end = front_end = FrontEnd(self.config)
        port = front_end.threads[0]
        first, kinds, offsets = Signal(init=1), Signal.like(self.kinds), Signal.like(self.offsets)
        m.d.sync += [first.eq(0), kinds.eq(self.kinds), offsets.eq(self.offsets)]
        m.d.comb += [
            Assume(first | ((kinds == self.kinds) & (offsets == self.offsets))),
            *(Assume(self.kinds.word_select(i, 3) <= JALR) for i in range(WORDS)),
            # Execution begins with a redirection.
            Assume(~first | self.redirect),
            Assume(self.take <= sum(port.valid[i] for i in range(self.config.issue_width))),
            port.run.eq(self.run),
            port.redirect.eq(self.redirect),
            port.target.eq(SRAM_BASE + Cat(C(0, 2), self.redirect_target)),
            port.take.eq(self.take),
        ]
        expected = Signal(WORD_ADDRESS_BITS)
        pc = expected
        after = [pc]
        for i in range(self.config.issue_width):
            head = port.heads[i]
            kind = self.kinds.word_select(head.pc[:2], 3)
            target = Signal(WORD_ADDRESS_BITS, name=f"target{i}")
            offset = Signal(signed(2), name=f"offset{i}")
            m.d.comb += [offset.eq(self.offsets.word_select(head.pc[:2], 2)), target.eq(head.pc + offset)]
            right = (head.pc == pc) & (head.fault | (head.insn == self.code(head.pc)))
            inside = head.pc < self.config.sram_bytes // 4
            certain = (kind == JAL) | (kind == TAKEN)
            # Offsets reach out of the node's window from its first words on.
            reachable = (head.pc + offset >= 0) & (head.pc + offset < 1 << WORD_ADDRESS_BITS)
            own = (kind == JALR) | (head.follows == target)
            legal = Mux(certain & reachable, head.predicted, ~head.predicted | (kind == BRANCH) | (kind == JALR))
            m.d.comb += [
                Assert(~port.valid[i] | (right & (head.fault == ~inside))),
                Assert(~port.valid[i] | head.fault | (legal & (~head.predicted | (own & ((kind == JALR) | reachable))))),
                Assert(~port.valid[i] | ~head.fault | ~head.predicted),
            ]
            following = Signal(WORD_ADDRESS_BITS, name=f"following{i}")
            m.d.comb += following.eq(Mux(head.fault, head.pc, Mux(head.predicted, head.follows, head.pc + 1)))
            pc = following
            after.append(pc)
        m.d.sync += expected.eq(Array(after)[self.take])
        # Something at the first words was predicted that does not jump.
        mispredicted = Signal()
        with m.If(self.hit & self.taken & (self.kinds == PLAIN)):
            m.d.sync += mispredicted.eq(1)
        first_kind = self.kinds.word_select(port.heads[0].pc[:2], 3)
        with m.If(self.redirect):
            m.d.sync += expected.eq(self.redirect_target)
        m.d.comb += [
            Assert(first | (port.next_pc == SRAM_BASE + Cat(C(0, 2), expected))),
            Assert(first | (port.upper == SRAM_BASE >> OFFSET_BITS)),
            self.predicted.eq(port.valid[0] & port.heads[0].predicted & (first_kind == BRANCH)),
            self.corrected.eq(port.valid[0] & ~port.heads[0].predicted & (first_kind == PLAIN) & mispredicted),
        ]
        return m


SMALLEST = NodeConfig(line_bytes=16, sram_blocks=1, sram_ways=1, bank_lines=16, threads=1, fetch_lines=2, fetch_bytes=8)
CONFIGS = [SMALLEST.replace(decode_width=2, issue_width=1), SMALLEST.replace(decode_width=3, issue_width=2)]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"decode{config.decode_width}-issue{config.issue_width}")
def test_no_prediction_changes_the_order_in_which_heads_follow_each_other(
    config: NodeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = Order(config)
    order.stubs(monkeypatch)
    # Redirected, fetched with a wrong prediction, corrected, fetched again, decoded, issued
    check_bounded(order, 6)


@pytest.mark.parametrize("output", ["predicted", "corrected"])
def test_predictions_and_corrections_reach_the_heads(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    order = Order(CONFIGS[0])
    order.stubs(monkeypatch)
    check_reachable(order, output, 6)
