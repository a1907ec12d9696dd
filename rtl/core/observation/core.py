# SPDX-License-Identifier: Apache-2.0
"""A core that shows what it does, at ports beside those that it has anyway."""

from amaranth.hdl import C, Cat, Module, Mux, Signal
from amaranth.lib.wiring import Out
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from golden.layout import OFFSET_BITS, SRAM_BASE, Event, ThreadState
from rtl.core.core import Core
from rtl.core.grouping import PIPES
from rtl.core.observation.ports import RVFI_FIELDS, observation_ports
from rtl.core.observation.rvfi import LateKind, Rvfi, RvfiLayout
from rtl.core.observation.xvfi import Xvfi
from rtl.core.pipes.bundles import in_window
from rtl.core.ports import core_members
from rtl.matrix.array import MatrixOp

__all__ = ["ObservedCore"]

#: Privilege mode and register length, as RVFI encodes them.
_MACHINE_MODE, _XLEN_64 = 3, 2


class ObservedCore(Core):
    """In all but its further outputs it equals :class:`rtl.core.core.Core`.

    Members
    -------
    Those of :func:`rtl.core.ports.core_members`, and those of :func:`rtl.core.observation.ports.observation_ports`, which are
    flip-flops.

    Raises
    ------
    ValueError
        If the configuration's core is not pipelined.
    """

    _observe = True

    @staticmethod
    def _members(config: NodeConfig) -> dict:
        return core_members(config) | {name: Out(bits) for name, bits in observation_ports(config).items()}

    def elaborate(self, platform) -> Module:
        m = super().elaborate(platform)
        orders = self._connect_rvfi(m)
        self._connect_xvfi(m, orders)
        self._connect_view(m)
        return m

    def _of_thread(self, m, thread, values):
        """The value that belongs to a thread."""
        chosen = Signal.like(values[0])
        with m.Switch(thread):
            for number, value in enumerate(values):
                with m.Case(number):
                    m.d.comb += chosen.eq(value)
        return chosen

    # -- RVFI ---------------------------------------------------------------------------------------------------------

    def _connect_rvfi(self, m):
        m.submodules.rvfi = rvfi = Rvfi(self.config)
        load = self._load
        loads = load.x_valid & ~load.stall & load.x.entry.decoded.load
        for pipe, name, retiring in zip(self._pipes, PIPES, rvfi.retiring, strict=True):
            commit = pipe.commit
            m.d.comb += [
                retiring.valid.eq(commit.valid),
                retiring.thread.eq(commit.thread),
                retiring.position.eq(commit.position),
                retiring.record.eq(self._record(m, name, pipe)),
            ]
            if name == "load":
                # Where no register is written, something is read all the same.
                with m.If(pipe.x.entry.decoded.load & ~commit.trap):
                    m.d.comb += retiring.late.eq(LateKind.LOAD)
            elif name == "control":
                with m.If(commit.late & ~commit.trap):
                    m.d.comb += retiring.late.eq(Mux(pipe.x.entry.decoded.divide, LateKind.DIVIDE, LateKind.MULTIPLY))
        m.d.comb += [
            rvfi.restart.eq(Cat(self._goes_elsewhere(control) for control in self._controls)),
            rvfi.old_gather.eq(self._old_gather(m)),
            rvfi.load_leaves.eq(loads),
            rvfi.load_line.eq(load.read.data),
            *(write.eq(late) for write, late in zip(rvfi.late, self._late, strict=True)),
        ]
        for thread in range(self.config.threads):
            m.d.comb += getattr(self, f"rvfi{thread}_valid").eq(rvfi.valid[thread])
            for field in RVFI_FIELDS:
                shown = Cat(channel[field] for channel in rvfi.channels[thread])
                m.d.comb += getattr(self, f"rvfi{thread}_{field}").eq(shown)
        return rvfi.orders

    @staticmethod
    def _goes_elsewhere(control):
        """A thread goes on elsewhere than its instructions say, or after its end: behind a trap, a start, a debugger's stop."""
        ended = (control.state == ThreadState.HALTED) | (control.state == ThreadState.TRAPPED)
        return control.taken.valid | control.start | (control.debug_stop & ended)

    def _old_gather(self, m):
        """A gather that was in X when its thread was started commits behind that."""
        load, old = self._load, Signal(name="old_gather")
        starts = self._of_thread(m, load.x.thread, [control.start for control in self._controls])
        with m.If(~load.stall):
            m.d.sync += old.eq(0)
        with m.Elif(load.x_valid & starts):
            m.d.sync += old.eq(1)
        return old

    def _record(self, m, name, pipe):
        """What RVFI shows of the instruction in X when it commits."""
        x, commit = pipe.x, pipe.commit
        decoded, insn = x.entry.decoded, x.entry.insn
        record = Signal(RvfiLayout(), name=f"record_{name}")
        rs1 = x.rs1
        if name == "load":
            # Gathers count in this register.
            held = Signal(64, name="held_rs1", reset_less=True)
            rs1 = Mux(pipe.first, x.rs1, held)
            m.d.sync += held.eq(rs1)
        handler = self._of_thread(m, x.thread, [control.redirect_target for control in self._controls])
        taken = self._of_thread(m, x.thread, [control.taken.valid for control in self._controls])
        vector = self._of_thread(m, x.thread, [csr.vector for csr in self._csrs])
        # What is injected executes at the address where its thread goes on, and leaves it there, unless it jumps.
        injected = self._of_thread(m, x.thread, [debug.injecting for debug in self._debugs])
        stays = self._of_thread(m, x.thread, [control.next_pc for control in self._controls])
        goes_on = pipe.target if name == "control" else in_window((x.entry.pc + 1)[: len(x.entry.pc)])
        moves = pipe.redirect if name == "control" else C(0)
        ends = {"control": self._control.halt, "store": self._store.redirect}.get(name, C(0))
        m.d.comb += [
            record.insn.eq(commit.insn),
            record.trap.eq(commit.trap),
            record.halt.eq(Mux(commit.trap, taken & ~vector.any(), ends) & ~injected),
            record.debug.eq(injected),
            record.mode.eq(_MACHINE_MODE),
            record.ixl.eq(_XLEN_64),
            record.pc_rdata.eq(Mux(injected, stays, commit.pc)),
            record.pc_wdata.eq(goes_on),
        ]
        with m.If(injected & ~moves):
            m.d.comb += record.pc_wdata.eq(stays)
        with m.Elif(commit.trap):
            m.d.comb += record.pc_wdata.eq(Mux(taken, handler, commit.pc))
        for number, read, field, value in ((1, decoded.reads_rs1, insn[15:20], rs1), (2, decoded.reads_rs2, insn[20:25], x.rs2)):
            with m.If(read):
                m.d.comb += [record[f"rs{number}_addr"].eq(field), record[f"rs{number}_rdata"].eq(value)]
        for prefix, write in zip(("rd", "rd2"), commit.writes, strict=True):
            with m.If(write.valid & ~commit.trap):
                m.d.comb += [record[f"{prefix}_addr"].eq(write.number), record[f"{prefix}_wdata"].eq(write.data)]
        for of, mask in (("load", record.mem_rmask), ("store", record.mem_wmask)):
            if name == of:
                with m.If(decoded[of] & ~commit.trap):
                    m.d.comb += [record.mem_addr.eq(commit.value), mask.eq((1 << (1 << insn[12:14])) - 1)]
        m.d.comb += record.mem_wdata.eq(
            Cat(x.rs2.word_select(byte, 8) & record.mem_wmask[byte].replicate(8) for byte in range(8))
        )
        return record

    # -- XVFI ---------------------------------------------------------------------------------------------------------

    def _connect_xvfi(self, m, orders):
        m.submodules.xvfi = xvfi = Xvfi(self.config)
        store, simd, matrix, vectors = self._store, self._simd, self._matrix, self._vectors
        for number, (name, pipe, writer) in enumerate(zip(PIPES, self._pipes, xvfi.writers, strict=True)):
            decoded = pipe.x.entry.decoded
            if name in ("simd", "matrix"):
                self._connect_executing(m, name, pipe, xvfi, number, orders[number])
                continue
            m.d.comb += [
                xvfi.orders[number].eq(orders[number]),
                xvfi.first[number].eq(pipe.first | (self._load.gathers if name == "load" else 0)),
                writer.valid.eq(pipe.commit.valid & ~pipe.commit.trap),
                writer.thread.eq(pipe.x.thread),
                writer.number.eq(pipe.x.entry.insn[7:12]),
                writer.vector.eq(decoded.writes_vd),
                writer.predicate.eq(decoded.writes_pd),
                writer.accumulator.eq(1),
            ]
        events = xvfi.events
        for event, write, line in zip((events.vector0, events.vector1), vectors.write, vectors.write_data, strict=True):
            m.d.comb += [
                event.valid.eq(write.valid),
                event.thread.eq(write.thread),
                event.vd.eq(write.number),
                event.data.eq(line),
            ]
        m.d.comb += [
            events.predicate.valid.eq(simd.predicate_write.valid),
            events.predicate.thread.eq(simd.predicate_write.thread),
            events.predicate.pd.eq(simd.predicate_write.number),
            events.predicate.data.eq(simd.predicate_data),
            events.write.valid.eq(store.write.req & store.write.grant & store.write.mask.any()),
            events.write.thread.eq(store.x.thread),
            events.write.address.eq(self._address(store.write)),
            events.write.mask.eq(store.write.mask),
            events.write.data.eq(store.write.data),
            events.send.valid.eq(store.tx_valid),
            events.send.thread.eq(store.x.thread),
            *(
                events.send[field].eq(getattr(store, f"tx_{field}"))
                for field in ("read", "address", "mask", "data", "post", "sem")
            ),
            xvfi.due.eq(matrix.due),
        ]
        self._connect_reads(m, events)
        number = ceil_log2(self.config.accumulators)
        m.d.comb += [
            events.matrix.valid.eq(matrix.op != MatrixOp.NONE),
            events.matrix.accumulator.eq(matrix.entry[:number]),
            events.matrix.thread.eq(matrix.entry[number:]),
            *(events.matrix[field].eq(getattr(matrix, field)) for field in ("op", "line", "zero", "half", "a", "b")),
        ]
        for side in "ab":
            for field in ("kind", "bias"):
                m.d.comb += events.matrix[f"{field}_{side}"].eq(getattr(matrix, f"format_{side}")[field])
        for port in xvfi.ports.shape().members:
            for field in xvfi.layouts[port].members:
                m.d.comb += getattr(self, f"xvfi_{port}_{field}").eq(xvfi.ports[port][field])

    def _connect_executing(self, m, name, pipe, xvfi, number, order):
        """Of a register, only the operation that executes is known to be the next writer: others may be queued behind it."""
        held, writer = Signal(64, name=f"held_order_{name}", reset_less=True), xvfi.writers[number]
        m.d.comb += [
            pipe.x_order.eq(Mux(pipe.first, order, held)),
            xvfi.orders[number].eq(pipe.operands.order),
            xvfi.first[number].eq(1),
            writer.valid.eq(pipe.good),
            writer.thread.eq(pipe.thread),
            writer.accumulator.eq(1),
        ]
        m.d.sync += held.eq(pipe.x_order)
        names = pipe.names
        if name == "matrix":
            m.d.comb += writer.number.eq(names.accumulator)
        else:
            m.d.comb += [
                writer.number.eq(names.insn[7:12]),
                writer.vector.eq(names.writes_vd),
                writer.predicate.eq(names.writes_pd),
            ]

    def _connect_reads(self, m, events):
        load, matrix = self._load, self._matrix
        fails = load.killed | (load.commit.valid & load.commit.trap)
        of_matrix = Mux(matrix.due.valid, matrix.due.thread, matrix.thread)
        for event, port, wanted, thread in (
            (events.read0, load.read, ~fails, load.x.thread),
            (events.read1, matrix.load0, 1, of_matrix),
            (events.read2, matrix.load1, 1, of_matrix),
        ):
            m.d.comb += [
                event.valid.eq(port.req & port.grant & wanted),
                event.thread.eq(thread),
                event.address.eq(self._address(port)),
                event.data.eq(port.data),
            ]

    def _address(self, port):
        """The address of a line as threads see it."""
        low = (self.config.line_bytes - 1).bit_length()
        offset = Cat(C(0, low), port.address, C(0, OFFSET_BITS))[:OFFSET_BITS]
        return Cat(offset, C(SRAM_BASE >> OFFSET_BITS, 64 - OFFSET_BITS))

    # -- view ---------------------------------------------------------------------------------------------------------

    def _connect_view(self, m):
        front, load, store, matrix = self._frontend.observed, self._load, self._store, self._matrix
        refused = {
            "load": load.read.req & ~load.read.grant,
            "store": store.write.req & ~store.write.grant,
            "matrix": (matrix.load0.req & ~matrix.load0.grant) | (matrix.load1.req & ~matrix.load1.grant),
        }
        stays = [pipe.x_valid & pipe.stall for pipe in self._pipes]
        shown = {
            "fetch_count": front.count,
            "fetch_thread": front.thread,
            "fetch_pc": front.pc,
            "fetch_words": front.words,
            "inject": front.injected,
            "inject_word": front.injected_word,
            "injecting": Cat(debug.injecting for debug in self._debugs),
            "decode": front.decoded,
            "correct": front.correct,
            "redirect": Cat(thread.redirect for thread in self._frontend.threads),
            "issue": Cat(
                Mux(pipe.issue_valid, Cat(pipe.issue.position, C(0, 2), pipe.issue.thread, C(0, 1), C(1, 1)), 0)
                for pipe in self._pipes
            ),
            "valid": Cat(pipe.x_valid for pipe in self._pipes),
            "stays": Cat(stays),
            "waits": Cat(stay & refused.get(name, 0) for name, stay in zip(PIPES, stays, strict=True)),
            "killed": Cat(pipe.x_valid & pipe.killed for pipe in self._pipes),
            "commit": Cat(pipe.commit.valid for pipe in self._pipes),
            "trap": Cat(pipe.commit.valid & pipe.commit.trap for pipe in self._pipes),
            "stall": Cat(self._stall(csr) for csr in self._csrs),
        }
        if self._queues:
            shown["execute"] = Cat(
                Mux(pipe.good, Cat(~pipe.done, ~pipe.done & refused.get(name, 0), C(0, 2), pipe.thread, C(0, 1), C(1, 1)), 0)
                for name, pipe in (("simd", self._simd), ("matrix", matrix))
            )
            shown["starved"] = Cat(
                Cat(*(queue.waiting & ~queue.ready), C(0, 8 - self.config.threads)) for queue in self._queues.values()
            )
        m.d.sync += [getattr(self, f"view_{name}").eq(value) for name, value in shown.items()]

    @staticmethod
    def _stall(csr):
        """Number of the event that a thread counts in this cycle beside what retires, in 8 bits."""
        counted = [(getattr(csr.stall, name), Event[name.upper()]) for name in csr.stall.shape().members]
        number = C(0, 8)
        for happens, event in [*counted, (csr.waits, Event.SEMAPHORE)]:
            number = number | Mux(happens, C(event, 8), 0)
        return number
