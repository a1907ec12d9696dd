# SPDX-License-Identifier: Apache-2.0
"""RVFI: every instruction once, with all that it read and wrote."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, enum, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from rtl.core.grouping import PIPES
from rtl.core.multiply_divide import MULTIPLY_CYCLES
from rtl.core.observation.ports import RVFI_FIELDS, rvfi_channels
from rtl.core.pipes.bundles import ScalarWriteLayout

__all__ = ["LateKind", "RetiringLayout", "Rvfi", "RvfiLayout"]


class LateKind(enum.Enum, shape=2):
    """Where the result of an instruction comes from, if it comes late."""

    NONE = 0
    LOAD = 1
    MULTIPLY = 2
    DIVIDE = 3


class RvfiLayout(data.StructLayout):
    """What a channel shows of an instruction."""

    def __init__(self):
        super().__init__(RVFI_FIELDS)


class RetiringLayout(data.StructLayout):
    """An instruction that commits in a pipe. Of ``record``, ``order`` and ``intr`` are still to be found, and late results."""

    def __init__(self):
        super().__init__({"record": RvfiLayout(), "valid": 1, "thread": 2, "position": 2, "late": LateKind})


class Rvfi(wiring.Component):
    """Numbers what retires, keeps it until its result is there, and shows it.

    Loads complete in order, a multiplication a fixed time after it committed, and there is one division at a time: so each kind
    needs a place for as many as can be under way.

    Members
    -------
    retiring : In(6 x RetiringLayout)
        By pipe.
    restart : In(threads)
        The thread goes on elsewhere than its instructions say: the next one but those of this cycle is the first of a handler,
        or behind a start.
    old_gather : In(1)
        What is in the load pipe was issued before the last restart of its thread.
    load_leaves : In(1), load_line : In(line)
        A scalar load leaves X; the line that was read a cycle before.
    late : In(3 x ScalarWriteLayout)
        What loads, multiplications, divisions write at the end of the cycle.
    orders : Out(6 x 64)
        The number of what commits, or of what is to commit next in its thread behind that.
    valid : Out(threads x channels), channels : Out(threads x channels x RvfiLayout)
        Flip-flops.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        channels = rvfi_channels(config)
        super().__init__(
            {
                "retiring": In(data.ArrayLayout(RetiringLayout(), len(PIPES))),
                "restart": In(config.threads),
                "old_gather": In(1),
                "load_leaves": In(1),
                "load_line": In(8 * config.line_bytes),
                "late": In(data.ArrayLayout(ScalarWriteLayout(), 3)),
                "orders": Out(data.ArrayLayout(64, len(PIPES))),
                "valid": Out(data.ArrayLayout(channels, config.threads)),
                "channels": Out(data.ArrayLayout(data.ArrayLayout(RvfiLayout(), channels), config.threads)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        numbered = self._number(m)
        width = self.config.issue_width
        for thread in range(self.config.threads):
            for slot in range(width):
                here = [
                    each.valid & (each.thread == thread) & (each.position == slot) & (each.late == LateKind.NONE)
                    for each in self.retiring
                ]
                m.d.sync += self.valid[thread][slot].eq(Cat(here).any())
                for mine, record in zip(here, numbered, strict=True):
                    with m.If(mine):
                        m.d.sync += self.channels[thread][slot].eq(record)
        for channel, (done, record, of) in enumerate(self._late(m, numbered), start=width):
            for thread in range(self.config.threads):
                mine = done & (of == thread)
                m.d.sync += self.valid[thread][channel].eq(mine)
                with m.If(mine):
                    m.d.sync += self.channels[thread][channel].eq(record)
        return m

    def _number(self, m):
        """What commits, with ``order`` and ``intr``."""
        threads = range(self.config.threads)
        following = [Signal(64, name=f"following{thread}") for thread in threads]
        restarted = Signal(len(threads))
        for thread in threads:
            mine = Cat(each.valid & (each.thread == thread) for each in self.retiring)
            news = [
                each.valid & (each.thread == thread) & ~(self.old_gather & (name == "load"))
                for name, each in zip(PIPES, self.retiring, strict=True)
            ]
            m.d.sync += following[thread].eq(following[thread] + sum(mine))
            with m.If(self.restart[thread]):
                m.d.sync += restarted[thread].eq(1)
            with m.Elif(Cat(news).any()):
                m.d.sync += restarted[thread].eq(0)
        numbered = []
        for number, (name, each) in enumerate(zip(PIPES, self.retiring, strict=True)):
            record = Signal(RvfiLayout(), name=f"numbered_{name}")
            older = Cat(
                other.valid & (other.thread == each.thread) & (other.position < each.position)
                for place, other in enumerate(self.retiring)
                if place != number
            )
            base, first = Signal(64, name=f"base_{name}"), Signal(name=f"first_{name}")
            with m.Switch(each.thread):
                for thread in threads:
                    with m.Case(thread):
                        m.d.comb += [base.eq(following[thread]), first.eq(restarted[thread] & ~older.any())]
            m.d.comb += [
                self.orders[number].eq(base + sum(older)),
                record.eq(each.record),
                record.order.eq(self.orders[number]),
                record.intr.eq(first & ~self.old_gather if name == "load" else first),
            ]
            numbered.append(record)
        return numbered

    def _late(self, m, numbered):
        """Of loads, multiplications and divisions: whether one is done, which, and its thread."""
        load, control = PIPES.index("load"), PIPES.index("control")
        return [
            self._load(m, self.retiring[load], numbered[load]),
            self._multiplication(m, self.retiring[control], numbered[control]),
            self._division(m, self.retiring[control], numbered[control]),
        ]

    @staticmethod
    def _place(name):
        """Room for an instruction whose result is to come: whether there is one, what it is, its thread."""
        return (
            Signal(name=f"{name}_valid"),
            Signal(RvfiLayout(), name=name, reset_less=True),
            Signal(2, name=f"{name}_thread", reset_less=True),
        )

    def _result(self, m, name, record, late):
        """The instruction with what it writes."""
        done = Signal(RvfiLayout(), name=f"{name}_done")
        m.d.comb += [
            done.eq(record),
            done.rd_addr.eq(Mux(late.valid, late.number, 0)),
            done.rd_wdata.eq(Mux(late.valid, late.data, 0)),
        ]
        return done

    def _load(self, m, entering, numbered):
        """A load that waits in X, and one whose line has been read."""
        waits, waiting, waiting_thread = self._place("waiting_load")
        reads, read, read_thread = self._place("read_load")
        enters = entering.valid & (entering.late == LateKind.LOAD)
        m.d.sync += reads.eq(self.load_leaves & (enters | waits))
        with m.If(self.load_leaves):
            m.d.sync += waits.eq(0)
            with m.If(waits):
                m.d.sync += [read.eq(waiting), read_thread.eq(waiting_thread)]
            with m.Else():
                m.d.sync += [read.eq(numbered), read_thread.eq(entering.thread)]
        with m.Elif(enters):
            m.d.sync += [waits.eq(1), waiting.eq(numbered), waiting_thread.eq(entering.thread)]
        done = self._result(m, "load", read, self.late[0])
        eight, value = Signal(64), Signal(64)
        m.d.comb += [
            eight.eq(self.load_line.word_select(read.mem_addr[3 : ceil_log2(self.config.line_bytes)], 64)),
            value.eq(eight >> (read.mem_addr[:3] << 3)),
            done.mem_rdata.eq(Cat(value.word_select(byte, 8) & read.mem_rmask[byte].replicate(8) for byte in range(8))),
        ]
        return reads, done, read_thread

    def _multiplication(self, m, entering, numbered):
        valid, record, thread = entering.valid & (entering.late == LateKind.MULTIPLY), numbered, entering.thread
        for stage in range(MULTIPLY_CYCLES):
            holds, held, held_thread = self._place(f"multiplication{stage}")
            m.d.sync += holds.eq(valid)
            with m.If(valid):
                m.d.sync += [held.eq(record), held_thread.eq(thread)]
            valid, record, thread = holds, held, held_thread
        return valid, self._result(m, "multiplication", record, self.late[1]), thread

    def _division(self, m, entering, numbered):
        divides, division, thread = self._place("division")
        done = divides & self.late[2].valid
        with m.If(done):
            m.d.sync += divides.eq(0)
        with m.If(entering.valid & (entering.late == LateKind.DIVIDE)):
            m.d.sync += [divides.eq(1), division.eq(numbered), thread.eq(entering.thread)]
        return done, self._result(m, "division", division, self.late[2]), thread
