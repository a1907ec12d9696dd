# SPDX-License-Identifier: Apache-2.0
"""Who of the threads that wait for semaphores goes on, and what is due to whom."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from golden.layout import SEMAPHORE_ID_BITS

__all__ = ["Waiters"]


class Waiters(wiring.Component):
    """Wakes waiting threads one after another, and keeps others from what it has woken them for.

    Of the threads that wait for one semaphore, and are covered, the one that has waited longest is woken, and no other until it
    has taken its amount or has gone elsewhere. From the cycle on in which a waiting thread is covered, nobody takes of that
    semaphore but who was woken for it. So what a thread is woken for is there when its ``swait`` is executed again; and while a
    thread waits and is covered, each of the other threads takes of its semaphore once at most.

    Parameters
    ----------
    threads : int

    Members
    -------
    numbers : In(threads x 5)
        The semaphore that each thread waits for, or has waited for last.
    covered : In(threads)
        The thread waits, and its semaphore holds its amount.
    parks : In(threads)
        The thread waits from the next cycle on; of one thread at a time.
    forget : In(threads)
        The thread retires an instruction or goes on elsewhere: nothing is due to it any more.
    thread : In(2), number : In(5)
        Of the ``swait`` that is executed in this cycle.
    wake : Out(threads)
        The thread does not wait any more from the next cycle on.
    due_to_another : Out(1)
        That ``swait`` must not take.
    """

    def __init__(self, threads: int):
        self.threads = threads
        super().__init__(
            {
                "numbers": In(data.ArrayLayout(SEMAPHORE_ID_BITS, threads)),
                "covered": In(threads),
                "parks": In(threads),
                "forget": In(threads),
                "thread": In(2),
                "number": In(SEMAPHORE_ID_BITS),
                "wake": Out(threads),
                "due_to_another": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        threads = range(self.threads)
        pairs = [(low, high) for high in threads for low in range(high)]
        # Of every two: whether the lower number has waited longer.
        longer = self._longer = {(low, high): Signal(name=f"longer{low}_{high}") for low, high in pairs}
        woken = self._woken = [Signal(name=f"woken{thread}") for thread in threads]
        same = {(low, high): Signal(name=f"same{low}_{high}") for low, high in pairs}

        m.d.comb += [same[low, high].eq(self.numbers[low] == self.numbers[high]) for low, high in pairs]
        for thread in threads:
            before = []
            for other in threads:
                if other != thread:
                    pair = min(thread, other), max(thread, other)
                    longest = longer[pair] if other < thread else ~longer[pair]
                    before.append(same[pair] & (woken[other] | (self.covered[other] & longest)))
            m.d.comb += self.wake[thread].eq(self.covered[thread] & ~Cat(before).any())
            m.d.sync += woken[thread].eq((woken[thread] | self.wake[thread]) & ~self.forget[thread])
        for (low, high), bit in longer.items():
            with m.If(self.parks[low]):
                m.d.sync += bit.eq(0)
            with m.Elif(self.parks[high]):
                m.d.sync += bit.eq(1)

        asked = Cat(number == self.number for number in self.numbers)
        due = Cat(self.covered[thread] | woken[thread] for thread in threads) & asked
        its_own = Cat(woken[thread] & (self.thread == thread) for thread in threads) & asked
        m.d.comb += self.due_to_another.eq(due.any() & ~its_own.any())
        return m
