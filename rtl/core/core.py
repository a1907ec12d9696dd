# SPDX-License-Identifier: Apache-2.0
"""The core of a node: all that executes instructions, with the control page behind it."""

import contextlib

from amaranth.hdl import C, Cat, ClockSignal, Instance, Module, Mux, ResetSignal, Signal
from amaranth.lib import data, wiring

from golden.config import NodeConfig
from golden.layout import OFFSET_BITS, ThreadState
from rtl.core.control_page import ControlPage
from rtl.core.csr import FLAG_BITS, ThreadCsrs
from rtl.core.fetch import Fetch
from rtl.core.format_table import FormatTable
from rtl.core.issue import Issue
from rtl.core.matrix_slot import MatrixSlot
from rtl.core.ports import core_members
from rtl.core.predicate_registers import PredicateRegisters
from rtl.core.random_lanes import RANDOM_BITS, random_name
from rtl.core.registered_grant import RegisteredGrant, registers_grants
from rtl.core.scalar_slot import ScalarSlot
from rtl.core.semaphores import Semaphores
from rtl.core.thread_control import ThreadControl
from rtl.core.vector_registers import VectorRegisters
from rtl.matrix.array import matrix_name
from rtl.simd.unit import simd_name

__all__ = ["Core"]


class Core(wiring.Component):
    """Four threads (or fewer), their two slots, the vector registers, the matrix and SIMD macros, semaphores, control page.

    Members
    -------
    Those of :func:`rtl.core.ports.core_members`.
    """

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(core_members(config))

    def elaborate(self, platform):
        m = Module()
        config = self.config
        threads = range(config.threads)

        m.submodules.fetch = fetch = Fetch(config)
        m.submodules.issue = issue = Issue(config)
        m.submodules.scalar_slot = scalar = ScalarSlot(config)
        m.submodules.matrix_slot = matrix = MatrixSlot(config)
        m.submodules.vector_registers = vectors = VectorRegisters(config)
        m.submodules.predicates = predicates = PredicateRegisters(config)
        m.submodules.formats = formats = FormatTable(config)
        m.submodules.semaphores = semaphores = Semaphores(config)
        m.submodules.control_page = page = ControlPage(config)
        csrs = [ThreadCsrs(gates=registers_grants(config)) for _ in threads]
        controls = [ThreadControl(config.semaphores) for _ in threads]
        for thread in threads:
            m.submodules[f"csrs{thread}"] = csrs[thread]
            m.submodules[f"control{thread}"] = controls[thread]

        self._connect_memory(m, fetch, scalar, matrix)
        self._connect_macros(m, scalar, matrix, vectors, csrs)
        self._connect_threads(m, fetch, issue, scalar, matrix, page, semaphores, formats, csrs, controls)
        self._connect_issue(m, issue, scalar, matrix, vectors, predicates)
        self._connect_vectors(m, issue, scalar, matrix, vectors)
        self._connect_predicates(m, issue, scalar, predicates)
        self._connect_formats(m, scalar, matrix, formats, csrs)
        self._connect_network(m, scalar)
        self._connect_page(m, page, scalar, matrix, semaphores, csrs, controls, fetch)
        self._retire(m, scalar, matrix, vectors)

        # LUT memories know no reset: for sixteen cycles after it, everything in them is cleared, and nothing is issued.
        clearing, clear_number = Signal(init=1), Signal(4)
        with m.If(clearing):
            m.d.sync += [clear_number.eq(clear_number + 1), clearing.eq(clear_number != 15)]
        m.d.comb += [
            *(port.eq(clearing) for port in (issue.clear, formats.clear, page.clear)),
            *(port.eq(clear_number) for port in (issue.clear_number, formats.clear_number, page.clear_number)),
            *(issue.hold[thread].eq(controls[thread].hold | clearing) for thread in threads),
        ]

        states = [control.state for control in controls]
        m.d.comb += [
            self.running.eq(Cat(state == ThreadState.RUNNING for state in states)),
            self.waiting.eq(Cat(state == ThreadState.WAITING for state in states)),
            self.trapped.eq(Cat(state == ThreadState.TRAPPED for state in states)),
            self.exited.eq(page.exited),
            self.retires.eq(scalar.retire.valid | matrix.retire.valid),
            self.quiet.eq(
                ~(
                    Cat(control.busy for control in controls).any()
                    | fetch.busy
                    | scalar.busy
                    | matrix.busy
                    | page.busy
                    | clearing
                    | self.network.rx_valid
                    | self.vector_write.valid
                    | Cat(self.retirement[thread].valid for thread in threads).any()
                )
            ),
        ]
        return m

    def _connect_memory(self, m, fetch, scalar, matrix):
        wiring.connect(m, wiring.flipped(self.fetch), fetch.port)

        def access(name, wants, granted, data, stays):
            """Request and grant of a port of SRAM on behalf of a requester, whose grant and data are driven."""
            grant, read_data = Signal(name=f"{name}_grant"), Signal(8 * self.config.line_bytes, name=f"{name}_data")
            if not registers_grants(self.config):
                m.d.comb += [granted.eq(grant), data.eq(read_data)]
                return wants, grant, read_data
            m.submodules[name] = late = RegisteredGrant(self.config)
            m.d.comb += [
                late.wants.eq(wants),
                granted.eq(late.granted),
                data.eq(late.data),
                late.stays.eq(stays),
                late.grant.eq(grant),
                late.read_data.eq(read_data),
            ]
            return late.req, grant, read_data

        # What is in X of the scalar slot may trap and leave. The matrix slot asks for good addresses only.
        slot, written = scalar.scalar, Signal(8 * self.config.line_bytes)
        req, grant, read_data = access("scalar_access", slot.req, slot.grant, slot.data, scalar.stall)
        m.d.comb += [
            self.scalar.req.eq(req),
            self.scalar.address.eq(slot.address),
            grant.eq(self.scalar.grant),
            read_data.eq(self.scalar.data),
        ]
        slot = scalar.store
        req, grant, _ = access("store_access", slot.req, slot.grant, written, scalar.stall)
        m.d.comb += [
            self.store.req.eq(req),
            self.store.address.eq(slot.address),
            self.store.mask.eq(slot.mask),
            self.store.data.eq(slot.data),
            grant.eq(self.store.grant),
        ]
        slot = matrix.load1
        req, grant, read_data = access("load1_access", slot.req, slot.grant, slot.data, 1)
        m.d.comb += [
            self.load1.req.eq(req),
            self.load1.address.eq(slot.address),
            grant.eq(self.load1.grant),
            read_data.eq(self.load1.data),
        ]
        # A vector load takes the port of operand A for a cycle. If that was held up, it goes before the next vector load.
        slot = matrix.load0
        req, grant, read_data = access("load0_access", slot.req, slot.grant, slot.data, 1)
        vector_req, vector_grant, vector_data = access(
            "vector_access", scalar.vector_req, scalar.vector_grant, scalar.vector_data, scalar.stall
        )
        held_up, vector_goes = Signal(), Signal()
        m.d.comb += vector_goes.eq(vector_req & ~(held_up & req))
        with m.If(self.load0.grant):
            m.d.sync += held_up.eq(vector_goes & req)
        m.d.comb += [
            self.load0.req.eq(vector_req | req),
            self.load0.address.eq(Mux(vector_goes, scalar.vector_address, slot.address)),
            vector_grant.eq(self.load0.grant & vector_goes),
            grant.eq(self.load0.grant & ~vector_goes),
            vector_data.eq(self.load0.data),
            read_data.eq(self.load0.data),
        ]

    def _connect_macros(self, m, scalar, matrix, vectors, csrs):
        self.simd_flags, self.convert_flags = Signal(FLAG_BITS), Signal(FLAG_BITS)
        convert_format = scalar.convert_format
        first, second = (Signal(RANDOM_BITS * self.config.fp32_lanes, name=f"{step}_random") for step in ("first", "second"))
        seed = Signal(32)
        for thread, csr in enumerate(csrs):
            with m.If(csr.reseed) if thread else contextlib.nullcontext():
                m.d.comb += seed.eq(csr.written)
        m.submodules.random = Instance(
            random_name(self.config),
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
            i_thread=scalar.x.thread,
            i_reseed=Cat(csr.reseed for csr in csrs).any(),
            i_seed=seed,
            i_draw=scalar.draw,
            i_advance=scalar.advance,
            i_twice=scalar.draws_twice,
            o_first=first,
            o_second=second,
        )
        m.submodules.matrix_array = Instance(
            matrix_name(self.config),
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
            i_op=matrix.op,
            i_entry=matrix.entry,
            i_line=matrix.line,
            i_zero=matrix.zero,
            i_half=matrix.half,
            # The kinds that the array takes are the lowest four; issue lets no other through.
            i_format_a=matrix.format_a.kind[:2],
            i_bias_a=matrix.format_a.bias,
            i_format_b=matrix.format_b.kind[:2],
            i_bias_b=matrix.format_b.bias,
            i_a=matrix.a,
            i_b=matrix.b,
            i_read_entry=scalar.accumulator_entry,
            i_read_line=scalar.accumulator_line,
            o_read_data=scalar.accumulator_data,
            i_convert=scalar.convert,
            i_convert_format=convert_format.kind,
            i_convert_bias=convert_format.bias,
            i_convert_stochastic=scalar.convert_stochastic,
            i_convert_random=first,
            o_converted=scalar.converted,
            o_convert_flags=self.convert_flags,
        )
        in_x = scalar.x.fetched
        insn = in_x.insn
        m.submodules.simd = Instance(
            simd_name(self.config),
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
            i_valid=scalar.simd_valid,
            i_op=Cat(insn[25:29], insn[12:15], ~insn[5]),
            i_sub=insn[20:25],
            i_a=vectors.scalar_data[0],
            i_b=vectors.scalar_data[1],
            i_c=vectors.scalar_data[2],
            i_scalar=scalar.simd_scalar,
            i_mask=scalar.mask,
            i_format=scalar.named.kind,
            i_bias=scalar.named.bias,
            i_random=Cat(first, second),
            i_collect=scalar.simd_collect,
            i_row=scalar.simd_row,
            o_result=scalar.simd_result,
            o_flags=self.simd_flags,
        )

    def _connect_threads(self, m, fetch, issue, scalar, matrix, page, semaphores, formats, csrs, controls):
        for thread, (control, csr) in enumerate(zip(controls, csrs, strict=True)):
            front = fetch.threads[thread]
            in_scalar, in_matrix = Signal(name=f"in_scalar{thread}"), Signal(name=f"in_matrix{thread}")
            retired = Signal(name=f"retired{thread}")
            raised = [Signal(FLAG_BITS, name=f"raised{source}_{thread}") for source in ("simd", "convert")]
            m.d.comb += [
                in_scalar.eq(scalar.x_valid & (scalar.x.thread == thread)),
                in_matrix.eq(matrix.x_valid & (matrix.x.thread == thread)),
                retired.eq((in_scalar & scalar.completes) | (in_matrix & matrix.completes)),
                control.start.eq(page.start[thread]),
                control.start_pc.eq(page.start_pc),
                control.stop.eq(page.stop[thread]),
                control.exit.eq(scalar.exit),
                control.jump.eq(in_scalar & scalar.redirect),
                control.target.eq(scalar.target),
                control.halt.eq(in_scalar & scalar.halt),
                control.exit_operand.eq(scalar.x.rs1),
                control.park.eq(in_scalar & scalar.park),
                control.park_sem.eq(scalar.semaphore),
                control.park_amount.eq(scalar.amount),
                control.error.eq(self.network.error_valid & (self.network.error_tag[5:7] == thread)),
                control.error_address.eq(self.network.error_address),
                control.in_slot.eq(in_scalar | in_matrix),
                control.next_pc.eq(front.next_pc),
                control.vector.eq(csr.vector),
                control.semaphores.eq(semaphores.values),
                front.run.eq(control.run),
                front.redirect.eq(control.redirect),
                front.target.eq(control.redirect_target),
                front.flush.eq(control.flush | (in_scalar & scalar.flush)),
                front.take.eq(issue.take[thread]),
                csr.number.eq(scalar.csr_number),
                csr.operand.eq(scalar.csr_operand),
                csr.trap.eq(control.taken),
                csr.mret.eq(in_scalar & scalar.mret),
                csr.retired.eq(retired),
                csr.hart.eq(Cat(C(thread, 2), self.x, self.y)),
                csr.node.eq(Cat(C(0, OFFSET_BITS), self.x, self.y)),
                csr.config.eq(self.config.descriptor),
                csr.cycle.eq(self.cycle),
            ]
            with m.If(in_matrix & matrix.trap.valid):
                m.d.comb += control.trap.eq(matrix.trap)
            with m.Elif(in_scalar):
                m.d.comb += control.trap.eq(scalar.trap)
            with m.If(scalar.simd_flags_valid & (scalar.result_thread == thread)):
                m.d.comb += raised[0].eq(self.simd_flags)
            with m.If(scalar.convert_flags_valid & (scalar.x.thread == thread)):
                m.d.comb += raised[1].eq(self.convert_flags)
            m.d.comb += [csr.raise_flags.eq(raised[0] | raised[1]), csr.formats.eq(formats.scalar_csr)]
            with m.If(in_scalar):
                m.d.comb += csr.op.eq(scalar.csr_op)
            # Nobody looks at these where nothing is in the slot.
            with m.If(in_scalar) if thread else contextlib.nullcontext():
                m.d.comb += [
                    scalar.csr_read.eq(csr.read),
                    scalar.csr_exists.eq(csr.exists),
                    scalar.exception_pc.eq(csr.exception_pc),
                    scalar.next_pc.eq(front.next_pc),
                ]
            m.d.comb += [
                issue.heads_valid[thread].eq(front.head_valid),
                issue.heads[thread].eq(front.head),
                issue.run[thread].eq(control.run),
                issue.kill[thread].eq(control.redirect),
            ]
        m.d.comb += [
            scalar.covered.eq(semaphores.covered),
            scalar.tohost.eq(page.tohost),
            semaphores.number.eq(scalar.semaphore),
            semaphores.amount.eq(scalar.amount),
            semaphores.take.eq(scalar.take),
            semaphores.post.eq(scalar.post),
        ]
        # The network interface never writes a register of the control page in the cycle of a post.
        with m.If(self.network.post_valid):
            m.d.comb += [
                semaphores.outside.valid.eq(1),
                semaphores.outside.sem.eq(self.network.post_sem),
                semaphores.outside.amount.eq(self.network.post_amount),
            ]
        with m.Else():
            m.d.comb += semaphores.outside.eq(page.post)

    def _connect_issue(self, m, issue, scalar, matrix, vectors, predicates):
        for view, slot in ((issue.scalar, scalar), (issue.matrix, matrix)):
            m.d.comb += [
                view.x_valid.eq(slot.x_valid),
                view.x.eq(slot.x),
                view.stall.eq(slot.stall),
                view.x_writes.eq(slot.x_writes),
                view.retire.eq(slot.retire),
            ]
        m.d.comb += [
            scalar.issue_valid.eq(issue.scalar_valid),
            scalar.issue.eq(issue.scalar_issue),
            matrix.issue_valid.eq(issue.matrix_valid),
            matrix.issue.eq(issue.matrix_issue),
            issue.vector_busy.eq(vectors.busy),
            issue.predicate_busy.eq(predicates.busy),
            issue.accumulators_busy.eq(matrix.accumulators_busy),
            issue.accumulators_closed.eq(matrix.accumulators_closed),
            issue.reads_later.eq(matrix.reads_later),
            issue.simd_pending.eq(scalar.simd_pending),
            issue.response_waiting.eq(self.network.rx_valid),
            issue.network_room.eq(self.network.tx_room),
        ]

    def _connect_vectors(self, m, issue, scalar, matrix, vectors):
        issued = issue.scalar_issue
        insn = issued.fetched.insn
        # A transpose goes on to read its group while it is in X.
        second = Mux(issued.fetched.decoded.transpose, insn[15:20] | 1, insn[20:25])
        for port, (number, following) in enumerate(
            ((insn[15:20], scalar.reread_first), (second, scalar.reread_second), (insn[7:12], None))
        ):
            read = vectors.scalar_read[port]
            # Of an instruction that is killed they may be read as well: whatever was in X before has left it.
            m.d.comb += [read.valid.eq(issue.scalar_chosen), read.number.eq(number), read.thread.eq(issued.thread)]
            if following is not None:
                with m.If(scalar.reread):
                    m.d.comb += [read.valid.eq(1), read.number.eq(following), read.thread.eq(scalar.x.thread)]
        tag = data.View(data.StructLayout({"number": 5, "thread": 2, "read": 1}), self.network.error_tag)
        response = data.View(data.StructLayout({"number": 5, "thread": 2, "read": 1}), self.network.rx_tag)
        in_x = scalar.x.fetched

        def register(port: data.View, valid, number, thread):
            return [port.valid.eq(valid), port.number.eq(number), port.thread.eq(thread)]

        m.d.comb += [
            scalar.vs1.eq(vectors.scalar_data[0]),
            scalar.vs2.eq(vectors.scalar_data[1]),
            vectors.matrix_read[0].eq(matrix.vs1_address),
            vectors.matrix_read[1].eq(matrix.vs2_address),
            matrix.vs1.eq(vectors.matrix_data[0]),
            matrix.vs2.eq(vectors.matrix_data[1]),
            *register(vectors.reserve, issue.scalar_valid & issued.fetched.decoded.writes_vd, insn[7:12], issued.thread),
            *register(vectors.release, scalar.trap.valid & in_x.decoded.writes_vd, in_x.insn[7:12], scalar.x.thread),
            *register(vectors.abandon, self.network.error_valid & tag.read, tag.number, tag.thread),
            self.network.rx_ready.eq(~scalar.vector_write),
        ]
        # A response that nobody waits for is dropped.
        awaited = Signal()
        for thread in range(self.config.threads):
            with m.If(response.thread == thread):
                m.d.comb += awaited.eq(response.read & vectors.busy[thread].bit_select(response.number, 1))
        with m.If(scalar.vector_write):
            m.d.comb += [
                *register(vectors.write, 1, scalar.result_register, scalar.result_thread),
                vectors.write_data.eq(scalar.vector_value),
            ]
        with m.Else():
            m.d.comb += [
                *register(vectors.write, self.network.rx_valid & awaited, response.number, response.thread),
                vectors.write_data.eq(self.network.rx_data),
            ]

    def _connect_predicates(self, m, issue, scalar, predicates):
        issued = issue.scalar_issue
        insn, in_x = scalar.x.fetched.insn, scalar.x.fetched.decoded
        m.d.comb += [
            predicates.thread.eq(scalar.x.thread),
            predicates.read[0].eq(Mux(in_x.predicate, insn[15:18], insn[29:32])),
            predicates.read[1].eq(insn[20:23]),
            scalar.mask.eq(predicates.read_data[0]),
            scalar.predicate.eq(predicates.read_data),
            predicates.reserve.valid.eq(issue.scalar_valid & issued.fetched.decoded.writes_pd),
            predicates.reserve.number.eq(issued.fetched.insn[7:10]),
            predicates.reserve.thread.eq(issued.thread),
            predicates.write.valid.eq(scalar.predicate_write),
            predicates.write.number.eq(scalar.result_register),
            predicates.write.thread.eq(scalar.result_thread),
            predicates.write_data.eq(scalar.predicate_value),
        ]

    def _connect_formats(self, m, scalar, matrix, formats, csrs):
        insn = scalar.x.fetched.insn
        writes_csr = Cat(csr.write_formats for csr in csrs).any()
        m.d.comb += [
            formats.scalar_thread.eq(scalar.x.thread),
            # The low bits of the number of mformat0 to mformat3 are those of the line.
            formats.scalar_number.eq(Mux(scalar.x.fetched.decoded.csr, insn[20:22] << 2, insn[20:24])),
            scalar.named.eq(formats.scalar_format),
            formats.matrix_thread.eq(matrix.x.thread),
            formats.matrix_number.eq(matrix.x.fetched.insn[28:32]),
            matrix.named_a.eq(formats.format_a),
            matrix.named_b.eq(formats.format_b),
            formats.write.eq(scalar.set_format | writes_csr),
            formats.whole.eq(writes_csr),
            # What setfmt writes is the operand of an instruction that leaves the CSRs alone.
            formats.value.eq(csrs[0].written),
        ]
        for csr in csrs[1:]:
            with m.If(csr.write_formats):
                m.d.comb += formats.value.eq(csr.written)

    def _connect_network(self, m, scalar):
        names = ("tx_valid", "tx_read", "tx_address", "tx_mask", "tx_data", "tx_post", "tx_sem", "tx_tag")
        m.d.comb += [getattr(self.network, name).eq(getattr(scalar, name)) for name in names]

    def _connect_page(self, m, page, scalar, matrix, semaphores, csrs, controls, fetch):
        wiring.connect(m, wiring.flipped(self.control), page.port)
        m.d.comb += [
            page.descriptor.eq(self.config.descriptor),
            page.coordinates.eq(Cat(C(0, OFFSET_BITS), self.x, self.y)),
            page.cycle.eq(self.cycle),
            page.semaphores.eq(semaphores.values),
            page.links.eq(self.links),
            page.semaphore_overflow.eq(semaphores.overflow),
            page.dropped.eq(self.dropped),
            page.stepped.eq(matrix.stepped),
            page.sent.eq(self.sent),
            page.received.eq(self.received),
            page.conflicts.eq(self.conflicts),
            page.lines_loaded.eq(scalar.loaded + matrix.load0.grant + matrix.load1.grant),
            page.lines_stored.eq(scalar.stored),
            page.retired.eq((scalar.retire.valid & ~scalar.retire.trap) + (matrix.retire.valid & ~matrix.retire.trap)),
            page.exit.eq(scalar.exit),
            page.exit_value.eq(scalar.exit_value),
        ]
        for thread, (control, csr) in enumerate(zip(controls, csrs, strict=True)):
            shown = page.threads[thread]
            m.d.comb += [
                shown.pc.eq(fetch.threads[thread].next_pc),
                shown.state.eq(control.state),
                shown.cause.eq(csr.cause),
                shown.value.eq(csr.value),
                shown.exit_code.eq(control.exit_code),
                shown.retired.eq(csr.instret),
                shown.wait.eq(control.wait),
            ]

    def _retire(self, m, scalar, matrix, vectors):
        for thread in range(self.config.threads):
            port = self.retirement[thread]
            of_scalar, of_matrix = (slot.retire.valid & (slot.retire.thread == thread) for slot in (scalar, matrix))
            m.d.sync += port.valid.eq(of_scalar | of_matrix)
            for slot, mine in ((scalar, of_scalar), (matrix, of_matrix)):
                retire = slot.retire
                with m.If(mine):
                    m.d.sync += [
                        port.trap.eq(retire.trap),
                        port.cause.eq(retire.cause),
                        port.value.eq(retire.value),
                        port.pc.eq(retire.pc),
                        port.insn.eq(retire.insn),
                        port.rd_valid.eq(Cat(retire.writes.valid[0], retire.writes.valid[1])),
                        *(
                            statement
                            for parity in range(2)
                            for statement in (
                                port.rd_address[parity].eq(Cat(C(parity, 1), retire.writes.number[parity])),
                                port.rd_data[parity].eq(retire.writes.data[parity]),
                            )
                        ),
                    ]
        m.d.sync += self.vector_write.valid.eq(vectors.write.valid)
        with m.If(vectors.write.valid):
            m.d.sync += [
                self.vector_write.thread.eq(vectors.write.thread),
                self.vector_write.register.eq(vectors.write.number),
                self.vector_write.data.eq(vectors.write_data),
            ]
