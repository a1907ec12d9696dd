# SPDX-License-Identifier: Apache-2.0
"""Which threads' instructions go to which pipes in a cycle."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from rtl.core.grouping import PIPES, PipeKind
from rtl.core.turn_order import TurnOrder

__all__ = ["Allocation", "ChoiceLayout"]


class ChoiceLayout(data.StructLayout):
    """The instruction that a pipe gets: its thread, and its place among the thread's oldest."""

    def __init__(self):
        super().__init__({"valid": 1, "thread": 2, "slot": 2})


class Allocation(wiring.Component):
    """Threads choose in turn, each as many of its oldest instructions as find their pipes free, in order.

    Their order is that of :class:`rtl.core.turn_order.TurnOrder`: who wants to issue, and could not, goes before all who could.
    So while a thread waits for what threads share, each of the others takes it away in at most one cycle, and in the first cycle
    thereafter in which it is free the thread has it; however long a pipe, the divider or room in the network is taken each time,
    and whatever rhythm it comes free in.

    An oldest instruction that draws random bits keeps the generators for itself while its pipe is not free: others could draw in
    another pipe, so that the two would never be free together. What else it may need beside its pipe only those can take who
    have the same pipe.

    Parameters
    ----------
    threads : int
    width : int
        Oldest instructions of a thread that are looked at.

    Members
    -------
    ready : In(threads x width)
        The instruction may be issued if all older ones are.
    wants : In(threads)
        Of the oldest instruction, nothing but what threads share keeps it from being issued.
    kinds : In(threads x width x PipeKind)
    random : In(threads x width)
        It uses the generators of random bits, which serve one instruction at a time.
    free : In(6)
        Pipes that take an instruction, in the order of ``PIPES``.
    random_free : In(1)
    choices : Out(6 x ChoiceLayout)
        What each pipe gets.
    take : Out(threads x count)
        How many instructions each thread issues.
    """

    def __init__(self, threads: int, width: int):
        self.threads = threads
        self.width = width
        super().__init__(
            {
                "ready": In(data.ArrayLayout(width, threads)),
                "wants": In(threads),
                "kinds": In(data.ArrayLayout(data.ArrayLayout(PipeKind(), width), threads)),
                "random": In(data.ArrayLayout(width, threads)),
                "free": In(len(PIPES)),
                "random_free": In(1),
                "choices": Out(data.ArrayLayout(ChoiceLayout(), len(PIPES))),
                "take": Out(data.ArrayLayout(range(width + 1), threads)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        threads, width = self.threads, self.width
        m.submodules.order = order = TurnOrder(threads)
        m.d.comb += [
            order.advance.eq(self.wants.any()),
            *(order.passed[thread].eq(self.wants[thread] & (self.take[thread] == 0)) for thread in range(threads)),
        ]

        # The threads' requests in the order in which they choose.
        request_layout = data.StructLayout({"ready": width, "kinds": data.ArrayLayout(PipeKind(), width), "random": width})
        requests = [Signal(request_layout, name=f"request{place}") for place in range(threads)]
        for request, number in zip(requests, order.numbers, strict=True):
            with m.Switch(number):
                for thread in range(threads):
                    with m.Case(thread):
                        m.d.comb += [
                            request.ready.eq(self.ready[thread]),
                            request.kinds.eq(self.kinds[thread]),
                            request.random.eq(self.random[thread]),
                        ]

        alu, control = PIPES.index("alu"), PIPES.index("control")
        free, random_free = self.free, self.random_free
        for place, (request, number) in enumerate(zip(requests, order.numbers, strict=True)):
            goes, granted = 1, []
            for slot in range(width):
                kind = Signal(PipeKind(), name=f"kind{place}_{slot}")
                pipes = Signal(len(PIPES), name=f"pipes{place}_{slot}")
                grant = Signal(name=f"grant{place}_{slot}")
                m.d.comb += kind.eq(request.kinds[slot])
                # A plain operation leaves the pipe of branches to others if it can.
                for index, name in enumerate(PIPES):
                    if index != control:
                        m.d.comb += pipes[index].eq(kind[name] & free[index])
                m.d.comb += [
                    pipes[control].eq((kind.control | (kind.alu & ~free[alu])) & free[control]),
                    grant.eq(goes & request.ready[slot] & pipes.any() & (random_free | ~request.random[slot])),
                ]
                still_free = Signal(len(PIPES), name=f"free{place}_{slot}")
                random_still_free = Signal(name=f"random_free{place}_{slot}")
                m.d.comb += [
                    still_free.eq(free & ~(pipes & grant.replicate(len(PIPES)))),
                    random_still_free.eq(random_free & ~(request.random[slot] & (grant if slot else request.ready[slot]))),
                ]
                for index in range(len(PIPES)):
                    choice = self.choices[index]
                    with m.If(grant & pipes[index]):
                        m.d.comb += [choice.valid.eq(1), choice.thread.eq(number), choice.slot.eq(slot)]
                free, random_free, goes = still_free, random_still_free, grant
                granted.append(grant)
            count = Signal(range(width + 1), name=f"count{place}")
            m.d.comb += count.eq(sum(granted))
            with m.Switch(number):
                for thread in range(threads):
                    with m.Case(thread):
                        m.d.comb += self.take[thread].eq(count)
        return m
