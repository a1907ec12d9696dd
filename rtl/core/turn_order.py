# SPDX-License-Identifier: Apache-2.0
"""The order in which threads choose: in turn, and before that by how long they have been passed over."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["TurnOrder"]


class TurnOrder(wiring.Component):
    """An order of all threads for each cycle, from registers alone.

    Threads that were passed over in a cycle come first in the next one, in the order in which they were. Behind them come the
    others, in turn: in turn t, thread t ^ n stands at place n. So of any two threads that nobody passes over, each goes before
    the other as often as behind it; and nobody who is passed over again and again gets behind anyone again, so that each of the
    others can go before it once.

    Parameters
    ----------
    threads : int
        A power of two, as turns need it.

    Members
    -------
    advance : In(1)
        The next order follows at the end of the cycle; else this one stays.
    passed : In(threads)
        Threads that are passed over in this cycle.
    numbers : Out(threads x thread)
        Who is at each place, the first one first.

    Raises
    ------
    ValueError
        If ``threads`` is not a power of two.
    """

    def __init__(self, threads: int):
        if threads < 1 or threads & (threads - 1):
            raise ValueError(f"threads = {threads} is not a power of two, as turns by exclusive or need it")
        self.threads = threads
        super().__init__(
            {
                "advance": In(1),
                "passed": In(threads),
                "numbers": Out(data.ArrayLayout(range(threads), threads)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        threads = range(self.threads)
        # Of every two: whether the lower number goes first.
        first = {(low, high): Signal(name=f"first{low}_{high}", init=1) for high in threads for low in range(high)}
        # That of the cycle to come, which has been added up by the time passed is known.
        turn = Signal(range(self.threads), init=1 % self.threads)

        for place, number in enumerate(self.numbers):
            for thread in threads:
                earlier = Cat(
                    first[other, thread] if other < thread else ~first[thread, other] for other in threads if other != thread
                )
                with m.If(sum(earlier) == place):
                    m.d.comb += number.eq(thread)

        with m.If(self.advance):
            if first:
                m.d.sync += turn.eq(turn + 1)
            for (low, high), before in first.items():
                # Exclusive or with the turn exchanges the two if it has the highest bit in which they differ.
                in_turn = ~turn[(low ^ high).bit_length() - 1]
                both = self.passed[low] & self.passed[high]
                m.d.sync += before.eq(Mux(both, before, self.passed[low] | (~self.passed[high] & in_turn)))
        return m
