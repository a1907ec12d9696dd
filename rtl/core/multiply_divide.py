# SPDX-License-Identifier: Apache-2.0
"""Multiplication and division beside the control pipe."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.config import NodeConfig
from rtl.core.divider import DivideOp, Divider
from rtl.core.multiplier import Multiplier, MultiplyOp
from rtl.core.pipes.bundles import IssueLayout, ScalarWriteLayout

__all__ = ["MULTIPLY_CYCLES", "MultiplyDivide"]

#: Cycles from a multiplication in X to its result.
MULTIPLY_CYCLES = 2


class MultiplyDivide(wiring.Component):
    """Takes a multiplication per cycle, and a division when the one before is done. What has entered comes out.

    Members
    -------
    valid : In(1), x : In(IssueLayout)
        The instruction in X of the control pipe retires.
    late : Out(2 x ScalarWriteLayout)
        Results of multiplications and of divisions, to be written at the end of the cycle.
    coming : Out(2 x ScalarWriteLayout)
        The registers of ``late``, in the next cycle for multiplications, in this one for divisions: who needs them may be issued
        in the next cycle. ``data`` is undefined.
    divides : Out(1)
        A division is in X or under way.
    busy : Out(1)
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(
            {
                "valid": In(1),
                "x": In(IssueLayout()),
                "late": Out(ScalarWriteLayout()).array(2),
                "coming": Out(ScalarWriteLayout()).array(2),
                "divides": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        threads, x = self.config.threads, self.x
        decoded, insn = x.entry.decoded, x.entry.insn
        rd = insn[7:12]
        m.submodules.multiplier = multiplier = Multiplier(stages=MULTIPLY_CYCLES, threads=threads, tag_bits=len(rd))
        m.submodules.divider = divider = Divider(threads=threads, tag_bits=len(rd))
        starts = Signal()
        for unit, op in ((multiplier, MultiplyOp), (divider, DivideOp)):
            m.d.comb += [
                unit.op.eq(op(insn[12:14])),
                unit.word.eq(decoded.word),
                unit.a.eq(x.rs1),
                unit.b.eq(x.rs2),
                unit.thread.eq(x.thread),
                unit.tag.eq(rd),
            ]
        product, quotient = self.late
        next_product, next_quotient = self.coming
        m.d.comb += [
            multiplier.valid.eq(self.valid & decoded.multiply & rd.any()),
            starts.eq(self.valid & decoded.divide & rd.any()),
            divider.start.eq(starts),
            product.valid.eq(multiplier.result_valid),
            product.thread.eq(multiplier.result_thread),
            product.number.eq(multiplier.result_tag),
            product.data.eq(multiplier.result),
            quotient.valid.eq(divider.done),
            quotient.thread.eq(divider.result_thread),
            quotient.number.eq(divider.result_tag),
            quotient.data.eq(divider.result),
            next_quotient.eq(quotient),
            self.divides.eq(starts | divider.busy),
            self.busy.eq(multiplier.busy | divider.busy | divider.done),
        ]
        m.d.sync += next_product.valid.eq(multiplier.valid)
        with m.If(multiplier.valid):
            m.d.sync += [next_product.thread.eq(x.thread), next_product.number.eq(rd)]
        return m
