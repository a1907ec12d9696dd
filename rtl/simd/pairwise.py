# SPDX-License-Identifier: Apache-2.0
"""The order in which one lane reduces a vector."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

from golden.config import NodeConfig

__all__ = ["PUSH_CYCLES", "PairwiseOrder"]


#: Cycles from a number that goes onto the stack to one that may be combined with it.
PUSH_CYCLES = 2


class PairwiseOrder(wiring.Component):
    """Reduces neighbours, then neighbouring results, and so on, with a stack and one operation at a time.

    Elements come one after the other. Each, and each result, either goes onto the stack, if it is the left one of a pair, or is
    combined with the number on top of the stack.

    Parameters
    ----------
    config : NodeConfig
    cycles : int
        From an operation's start to its result.

    Members
    -------
    start : In(1)
        ``size`` holds from the next cycle on until ``done``.
    size : In(2)
        Logarithm of the bytes of elements.
    active : Out(1)
        From the cycle after ``start`` on until ``done``.
    push, combine : Out(1)
        The operand goes onto the stack; it is combined with the number on the stack at ``top``, which is taken.
    top : Out
        Where on the stack is the number to combine with, or room for one to push.
    element : Out(range(line_bytes)), use_result : Out(1)
        The operand is this element of the vector, or with ``use_result`` the result of ``cycles`` before or more. 0 if nothing
        is reduced.
    done : Out(1)
        For a cycle, when everything is in the last result.
    """

    def __init__(self, config: NodeConfig, cycles: int):
        self.config = config
        self.cycles = cycles
        super().__init__(
            {
                "start": In(1),
                "size": In(2),
                "active": Out(1),
                "push": Out(1),
                "combine": Out(1),
                "top": Out(range(exact_log2(config.line_bytes) + 1)),
                "element": Out(range(config.line_bytes)),
                "use_result": Out(1),
                "done": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        # ``left`` has a set bit for each result of pairs that the operand is the right one of.
        element, left = Signal.like(self.element), Signal.like(self.element)
        depth, wait = Signal(self.top.shape()), Signal(range(self.cycles))
        following = Signal.like(element)
        use_result, last, ready = Signal(), Signal(), Signal()
        with m.Switch(self.size):
            for log in range(3):
                with m.Case(log):
                    m.d.comb += last.eq(element[: len(element) - log].all())
        m.d.comb += [
            following.eq(element + 1),
            ready.eq(self.active & (wait == 0)),
            self.use_result.eq(use_result),
            self.top.eq(depth),
            self.element.eq(element),
        ]
        with m.If(self.active & wait.any()):
            m.d.sync += wait.eq(wait - 1)
        with m.If(ready):
            with m.If(left[0]):
                m.d.comb += [self.combine.eq(1), self.top.eq(depth - 1)]
                m.d.sync += [left.eq(left >> 1), use_result.eq(1), wait.eq(self.cycles - 1), depth.eq(depth - 1)]
            with m.Elif(~last | ~use_result):
                m.d.comb += self.push.eq(1)
                m.d.sync += [element.eq(following), left.eq(following), use_result.eq(0), wait.eq(PUSH_CYCLES - 1)]
                m.d.sync += depth.eq(depth + 1)
            with m.Else():
                m.d.comb += self.done.eq(1)
                m.d.sync += [self.active.eq(0), element.eq(0)]
        with m.If(self.start):
            m.d.sync += [self.active.eq(1), element.eq(0), left.eq(0), use_result.eq(0), depth.eq(0), wait.eq(0)]
        return m
