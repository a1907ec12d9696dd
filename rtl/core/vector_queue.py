# SPDX-License-Identifier: Apache-2.0
"""Queues behind stage X of a pipe: vector and matrix instructions that have committed, and wait to be executed."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from rtl.network.arbiter import RoundRobin

__all__ = ["BeginLayout", "VectorQueue"]


class BeginLayout(data.StructLayout):
    """A thread whose oldest instruction executes from the next cycle on; ``good`` if it does not leave X killed, or by a trap."""

    def __init__(self):
        super().__init__({"valid": 1, "good": 1, "thread": 2})


class VectorQueue(wiring.Component):
    """A queue for each thread, in front of one place, in which instructions execute one after the other.

    An instruction is in X for one cycle. There it executes if it is ``direct``, and goes on in the place if that cycle is not
    enough. Any other one is the oldest of its thread, or waits behind those in the queue. When the place becomes free, one of the
    threads whose oldest instruction is ``ready`` gets it: those that are ready take turns, so that each of them waits for one
    instruction of every other thread at most. Only if there is none, what is issued in that cycle may be direct.

    So instructions of a thread begin in their order, and each begins once, unless it is killed in X.

    Parameters
    ----------
    threads, entries : int
        Queues, and the places of each.
    names : data.StructLayout
        What an instruction names, which is looked at while it waits.
    operands : data.StructLayout
        What else it takes along.

    Members
    -------
    issue : In(1), issue_thread : In(2), issue_ready : In(1)
        An instruction enters X at the end of the cycle. It may begin, for all that does not lie in here. Only of threads that are
        not ``full``.
    in_x : In(1), x_thread : In(2), x_good : In(1); x_names, x_operands : In
        The instruction in X; it is not killed and does not trap.
    oldest : Out(threads x names), waiting : Out(threads)
        Of those that have not begun, the oldest of each thread.
    ready : In(threads)
        It could begin. Once it could, it can until it has begun.
    begins : Out(BeginLayout)
    begins_from_issue : Out(1)
        What is issued does so.
    direct : Out(1)
        What is in X executes there.
    executes : Out(1), names : Out, operands : Out, thread : Out(2)
        There is an instruction in the place, or a direct one in X, good or not; which it is.
    good : Out(1)
        It is in the place, or it is the one in X, and that is good.
    done : In(1)
        This is its last cycle.
    full : Out(threads)
        No further instruction of the thread may be issued.
    unstarted : Out(threads x (entries + 1)), unstarted_names : Out(threads x (entries + 1) x names)
        Instructions that have not begun, in no order; the last is what is in X, killed or not.
    remains : Out(threads)
        Something of the thread will be here in the next cycle, beside what is issued.
    busy : Out(1)
    """

    def __init__(self, *, threads: int, entries: int, names: data.StructLayout, operands: data.StructLayout):
        self.threads = threads
        self.entries = entries
        super().__init__(
            {
                "issue": In(1),
                "issue_thread": In(2),
                "issue_ready": In(1),
                "in_x": In(1),
                "x_thread": In(2),
                "x_good": In(1),
                "x_names": In(names),
                "x_operands": In(operands),
                "oldest": Out(data.ArrayLayout(names, threads)),
                "waiting": Out(threads),
                "ready": In(threads),
                "begins": Out(BeginLayout()),
                "begins_from_issue": Out(1),
                "direct": Out(1),
                "executes": Out(1),
                "names": Out(names),
                "operands": Out(operands),
                "thread": Out(2),
                "good": Out(1),
                "done": In(1),
                "full": Out(threads),
                "unstarted": Out(data.ArrayLayout(entries + 1, threads)),
                "unstarted_names": Out(data.ArrayLayout(data.ArrayLayout(names, entries + 1), threads)),
                "remains": Out(threads),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        threads, entries = self.threads, self.entries
        thread_bits, place_bits = ceil_log2(threads), ceil_log2(entries)

        # What is in X, and executes there or waits.
        x_direct, x_waits = Signal(), Signal()
        m.d.comb += [self.direct.eq(self.in_x & x_direct), x_waits.eq(self.in_x & ~x_direct)]

        # -- the queues --------------------------------------------------------------------------------------------
        # Only one instruction enters and one leaves in a cycle: what nobody looks at before lies in a memory.
        m.submodules.memory = memory = Memory(shape=self.x_operands.shape(), depth=threads * entries, init=[])
        write, read = memory.write_port(), memory.read_port(domain="comb")
        enters, begins_queued = Signal(threads), Signal(threads)
        first_places, last_places = [], []
        for thread in range(threads):
            places = [Signal(self.x_names.shape(), name=f"queue{thread}_{place}", reset_less=True) for place in range(entries)]
            valid = Signal(entries, name=f"valid{thread}")
            first, last = Signal(place_bits, name=f"first{thread}"), Signal(place_bits, name=f"last{thread}")
            here = Signal(name=f"x_waits{thread}")
            begins = self.begins.valid & (self.begins.thread == thread)
            m.d.comb += [
                here.eq(x_waits & (self.x_thread == thread)),
                self.waiting[thread].eq(valid.any() | here),
                self.oldest[thread].eq(Mux(valid.any(), Array(places)[first], self.x_names)),
                # What is in X needs the last free place, if it is not the one that begins.
                self.full[thread].eq(valid.all() | (here & _all_but_one(valid))),
                begins_queued[thread].eq(begins & valid.any()),
                enters[thread].eq(here & self.x_good & ~(begins & ~valid.any())),
                self.unstarted[thread].eq(Cat(valid, here)),
                *(self.unstarted_names[thread][place].eq(names) for place, names in enumerate((*places, self.x_names))),
                self.remains[thread].eq(valid.any() | (here & self.x_good) | (self.good & (self.thread == thread) & ~self.done)),
            ]
            with m.If(enters[thread]):
                m.d.sync += [Array(places)[last].eq(self.x_names), valid.bit_select(last, 1).eq(1), last.eq(last + 1)]
            with m.If(begins_queued[thread]):
                m.d.sync += [valid.bit_select(first, 1).eq(0), first.eq(first + 1)]
            first_places.append(first)
            last_places.append(last)
        number = self.begins.thread[:thread_bits]
        m.d.comb += [
            write.en.eq(enters.any()),
            write.addr.eq(Cat(Array(last_places)[self.x_thread[:thread_bits]], self.x_thread[:thread_bits])),
            write.data.eq(self.x_operands),
            read.addr.eq(Cat(Array(first_places)[number], number)),
        ]

        # -- who begins --------------------------------------------------------------------------------------------
        m.submodules.turns = turns = RoundRobin(threads)
        becomes_free = Signal()
        m.d.comb += [
            becomes_free.eq(~self.executes | self.done),
            turns.request.eq(self.waiting & self.ready),
            turns.serve.eq(becomes_free),
            self.begins.valid.eq(becomes_free & turns.request.any()),
        ]
        for thread in range(threads):
            with m.If(turns.grant[thread]):
                m.d.comb += self.begins.thread.eq(thread)
        others_wait = self.waiting.bit_select(self.issue_thread[:thread_bits], 1)
        m.d.comb += self.begins_from_issue.eq(self.issue & self.issue_ready & becomes_free & ~self.begins.valid & ~others_wait)
        m.d.sync += x_direct.eq(self.begins_from_issue)

        # -- the place ---------------------------------------------------------------------------------------------
        in_place, place_thread = Signal(), Signal(2, reset_less=True)
        place_names = Signal(self.x_names.shape(), reset_less=True)
        place_operands = Signal(self.x_operands.shape(), reset_less=True)
        m.d.comb += [
            self.executes.eq(in_place | self.direct),
            self.good.eq(in_place | (self.direct & self.x_good)),
            self.names.eq(Mux(in_place, place_names, self.x_names)),
            self.operands.eq(Mux(in_place, place_operands, self.x_operands)),
            self.thread.eq(Mux(in_place, place_thread, self.x_thread)),
            self.busy.eq(self.in_x | in_place | self.waiting.any()),
        ]
        queued = begins_queued.any()
        m.d.comb += self.begins.good.eq(self.begins.valid & (queued | self.x_good))
        with m.If(self.begins.valid):
            m.d.sync += [in_place.eq(self.begins.good), place_thread.eq(self.begins.thread)]
            with m.Switch(number):
                for thread in range(threads):
                    with m.Case(thread):
                        m.d.sync += place_names.eq(self.oldest[thread])
            m.d.sync += place_operands.eq(Mux(queued, read.data, self.x_operands))
        with m.Elif(becomes_free):
            m.d.sync += in_place.eq(0)
        with m.Elif(~in_place):
            m.d.sync += [
                in_place.eq(self.x_good),
                place_thread.eq(self.x_thread),
                place_names.eq(self.x_names),
                place_operands.eq(self.x_operands),
            ]
        return m


def _all_but_one(valid):
    """Whether all bits but one are set."""
    return Cat(Cat(bit for other, bit in enumerate(valid) if other != free).all() for free in range(len(valid))).any()
