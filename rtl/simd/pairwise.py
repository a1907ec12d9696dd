# SPDX-License-Identifier: Apache-2.0
"""The order in which one lane reduces a vector."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from golden.config import NodeConfig

__all__ = ["PairwiseOrder"]


class PairwiseOrder(wiring.Component):
    """Reduces neighbours, then neighbouring results, and so on, with a stack and one operation at a time.

    Elements come one after the other. Each, and each result, either goes onto the stack, if it is the left one of a pair, or is
    combined with the number on top of the stack. Floating-point elements are combined one by one. Integers, whose order does
    not matter, are combined by whole words first, and then what is left in one word: the upper half with the lower half, of
    bytes also byte 1 with byte 0.

    Parameters
    ----------
    config : NodeConfig
    cycles : int
        From an operation's start to its result.

    Members
    -------
    start : In(1)
        The members below hold from the next cycle on until ``done``.
    floats : In(1), size : In(2)
        Whether elements are floating-point numbers, and the logarithm of their bytes.
    active : Out(1)
        From the cycle after ``start`` on until ``done``.
    push, combine : Out(1)
        The operand goes onto the stack; it is combined with the number on the stack at ``top``, which is taken.
    top : Out
        Where on the stack is the number to combine with, or room for one to push.
    address : Out(range(line_bytes)), use_result : Out(1)
        The operand is the element at this byte of the vector, or with ``use_result`` of the result of ``cycles`` before or more.
    fold : Out(2)
        Of an operand from the result: all of it (0), its byte (1) or its half (2) at ``address``.
    done : Out(1)
        For a cycle, when everything is in the last result.
    """

    def __init__(self, config: NodeConfig, cycles: int):
        self.config = config
        self.cycles = cycles
        super().__init__(
            {
                "start": In(1),
                "floats": In(1),
                "size": In(2),
                "active": Out(1),
                "push": Out(1),
                "combine": Out(1),
                "top": Out(range(exact_log2(2 * config.fp32_lanes) + 1)),
                "address": Out(range(config.line_bytes)),
                "use_result": Out(1),
                "fold": Out(2),
                "done": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        lanes = self.config.fp32_lanes
        word_bits = exact_log2(lanes)
        # ``left`` has a set bit for each result of pairs that the operand is the right one of.
        element, left = Signal(word_bits + 1), Signal(word_bits + 1)
        depth, wait = Signal(self.top.shape()), Signal(range(self.cycles))
        use_result, folds, pushed = Signal(), Signal(), Signal()
        halves = self.floats & (self.size == 1)
        following = Signal.like(element)
        last, ready = Signal(), Signal()
        m.d.comb += [
            following.eq(element + 1),
            last.eq(element[:word_bits].all() & (element[word_bits] | ~halves)),
            ready.eq(self.active & (wait == 0)),
            self.use_result.eq(use_result),
            self.top.eq(depth),
            self.address.eq(Mux(halves, element << 1, element << 2)),
        ]
        with m.If(self.active & wait.any()):
            m.d.sync += wait.eq(wait - 1)
        folded = Signal(2)
        with m.If(folds & pushed):
            m.d.comb += [self.fold.eq(Mux(folded == 2, 2, 1)), self.address.eq(self.fold)]
        with m.If(ready):
            with m.If((folds & pushed) | (~folds & left[0])):
                m.d.comb += [self.combine.eq(1), self.top.eq(depth - 1)]
                m.d.sync += [left.eq(left >> 1), use_result.eq(1), wait.eq(self.cycles - 1), depth.eq(depth - 1), pushed.eq(0)]
                with m.If(folds):
                    m.d.sync += folded.eq(folded - 1)
            with m.Elif(~last | ~use_result):
                m.d.comb += self.push.eq(1)
                m.d.sync += [element.eq(following), left.eq(following), use_result.eq(0), depth.eq(depth + 1)]
            with m.Elif(~self.floats & (folded != self.size)):
                m.d.comb += self.push.eq(1)
                m.d.sync += [folds.eq(1), pushed.eq(1), depth.eq(depth + 1)]
            with m.Else():
                m.d.comb += self.done.eq(1)
                m.d.sync += self.active.eq(0)
        with m.If(self.start):
            m.d.sync += [
                self.active.eq(1),
                element.eq(0),
                left.eq(0),
                use_result.eq(0),
                folds.eq(0),
                folded.eq(2),
                pushed.eq(0),
                depth.eq(0),
                wait.eq(0),
            ]
        return m
