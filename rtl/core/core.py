# SPDX-License-Identifier: Apache-2.0
"""The core of a node: all that executes instructions, with the control page behind it."""

import contextlib

from amaranth.hdl import C, Cat, ClockSignal, Instance, Module, Mux, ResetSignal, Signal
from amaranth.lib import data, wiring
from amaranth.utils import ceil_log2

from golden.config import NodeConfig
from golden.layout import OFFSET_BITS, Csr, ThreadState
from rtl.core.allocation import Allocation
from rtl.core.branch_at_issue import BranchAtIssue
from rtl.core.control_page import ControlPage
from rtl.core.csr import FLAG_BITS, ThreadCsrs
from rtl.core.debug import ThreadDebug
from rtl.core.format_table import FormatTable
from rtl.core.grouping import PIPES, Grouping
from rtl.core.multiply_divide import MultiplyDivide
from rtl.core.pipes.alu import AluPipe
from rtl.core.pipes.bundles import in_window
from rtl.core.pipes.control import ControlPipe
from rtl.core.pipes.load import LoadPipe
from rtl.core.pipes.matrix import MatrixNames, MatrixOperands, MatrixPipe
from rtl.core.pipes.simd import SimdNames, SimdOperands, SimdPipe
from rtl.core.pipes.store import StorePipe
from rtl.core.ports import core_members
from rtl.core.predicate_registers import PredicateRegisters
from rtl.core.queue_hazards import ThreadQueueHazards
from rtl.core.random_lanes import RANDOM_BITS, random_name
from rtl.core.retirement import Retirement
from rtl.core.scalar_registers import ScalarRegisters
from rtl.core.semaphores import Semaphores
from rtl.core.thread_control import ThreadControl
from rtl.core.vector_queue import VectorQueue
from rtl.core.vector_registers import VectorRegisters
from rtl.core.waiters import Waiters
from rtl.frontend.entry import QueueEntry
from rtl.frontend.frontend import FrontEnd
from rtl.matrix.array import matrix_name
from rtl.simd.unit import simd_name

__all__ = ["Core"]


class Core(wiring.Component):
    """Up to four threads, front end, six pipes, queues, the registers, the matrix and SIMD macros, semaphores, control page.

    Members
    -------
    Those of :func:`rtl.core.ports.core_members`.
    """

    #: Whether the parts have the members that :class:`rtl.core.observation.core.ObservedCore` looks at.
    _observe = False

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(self._members(config))

    @staticmethod
    def _members(config: NodeConfig) -> dict:
        return core_members(config)

    def elaborate(self, platform):
        m = Module()
        config = self.config
        threads = range(config.threads)

        m.submodules.frontend = self._frontend = FrontEnd(config, self._observe)
        m.submodules.alu_pipe = self._alu = AluPipe()
        m.submodules.control_pipe = self._control = ControlPipe(config)
        m.submodules.load_pipe = self._load = LoadPipe(config)
        m.submodules.store_pipe = self._store = StorePipe(config)
        m.submodules.simd_pipe = self._simd = SimdPipe(config, self._observe)
        m.submodules.matrix_pipe = self._matrix = MatrixPipe(config, self._observe)
        self._pipes = [getattr(self, f"_{name}") for name in PIPES]
        m.submodules.multiply_divide = self._multiply_divide = MultiplyDivide(config)
        self._late = [self._load.late, *self._multiply_divide.late]
        m.submodules.predicates = self._predicates = PredicateRegisters(config)
        m.submodules.formats = self._formats = FormatTable(config, readers=2)
        m.submodules.semaphores = self._semaphores = Semaphores(config)
        m.submodules.waiters = self._waiters = Waiters(config.threads)
        m.submodules.control_page = self._page = ControlPage(config)
        self._csrs = [ThreadCsrs() for _ in threads]
        self._controls = [ThreadControl(config.semaphores) for _ in threads]
        self._debugs = [ThreadDebug() for _ in threads]
        for thread in threads:
            m.submodules[f"debug{thread}"] = self._debugs[thread]
            m.submodules[f"csrs{thread}"] = self._csrs[thread]
            m.submodules[f"control{thread}"] = self._controls[thread]

        # Registers keep what depends on inputs apart from everything else, which simulators would work out twice otherwise. A
        # node that was at rest uses none of these in the first cycle in which it hears something.
        self._time, self._x, self._y, self._links = (
            Signal.like(value, name=f"registered_{name}", reset_less=True)
            for name, value in (("time", self.cycle), ("x", self.x), ("y", self.y), ("links", self.links))
        )
        m.d.sync += [
            self._time.eq(self.cycle + 1),
            self._x.eq(self.x),
            self._y.eq(self.y),
            self._links.eq(self.links),
        ]

        # LUT memories know no reset: for sixteen cycles after it, everything in them is cleared, and nothing is issued.
        self._clearing, self._clear_number = Signal(init=1), Signal(4)
        with m.If(self._clearing):
            m.d.sync += [self._clear_number.eq(self._clear_number + 1), self._clearing.eq(self._clear_number != 15)]

        self._connect_memory(m)
        self._connect_execution(m)
        self._connect_macros(m)
        self._connect_multiply_divide(m)
        self._connect_kills(m)
        self._connect_threads(m)
        self._connect_debug(m)
        self._connect_vectors(m)
        self._connect_issue(m)
        self._connect_predicates(m)
        self._connect_formats(m)
        self._connect_network(m)
        self._connect_page(m)
        self._connect_retirement(m)

        states = [control.state for control in self._controls]
        m.d.comb += [
            self.running.eq(Cat(state == ThreadState.RUNNING for state in states)),
            self.waiting.eq(Cat(state == ThreadState.WAITING for state in states)),
            self.trapped.eq(Cat(state == ThreadState.TRAPPED for state in states)),
            self.stopped.eq(Cat(state == ThreadState.STOPPED for state in states)),
            self.exited.eq(self._page.exited),
            self.retires.eq(Cat(pipe.commit.valid for pipe in self._pipes).any()),
            self.quiet.eq(
                ~(
                    Cat(control.busy for control in self._controls).any()
                    | Cat(debug.busy for debug in self._debugs).any()
                    | Cat(pipe.x_valid for pipe in self._pipes).any()
                    | self._frontend.busy
                    | self._load.busy
                    | self._simd.busy
                    | self._multiply_divide.busy
                    | self._matrix.busy
                    | Cat(queue.busy for queue in self._queues.values()).any()
                    | self._page.busy
                    | (self._links != self.links)
                    | self._clearing
                    | self.network.rx_valid
                    | Cat(write.valid for write in self.vector_writes).any()
                    | Cat(write.valid for write in self.late_writes).any()
                    | Cat(port.valid for port in self.retirement).any()
                )
            ),
        ]
        return m

    def _connect_memory(self, m):
        wiring.connect(m, wiring.flipped(self.fetch), self._frontend.port)
        wiring.connect(m, wiring.flipped(self.scalar), self._load.read)
        wiring.connect(m, wiring.flipped(self.load0), self._matrix.load0)
        wiring.connect(m, wiring.flipped(self.load1), self._matrix.load1)
        wiring.connect(m, wiring.flipped(self.store), self._store.write)

    def _connect_execution(self, m):
        """What the SIMD and matrix pipes execute: what their queues give them, or without queues what is in X."""
        config, self._queues = self.config, {}
        executing = ("executes", "good", "thread", "names", "operands")
        layouts = {
            "simd": (SimdNames(), SimdOperands(self._observe)),
            "matrix": (MatrixNames(), MatrixOperands(config, self._observe)),
        }
        for name, (names, operands) in layouts.items():
            pipe = self._pipes[PIPES.index(name)]
            if not config.vector_queue:
                m.d.comb += [
                    pipe.executes.eq(pipe.x_valid),
                    pipe.good.eq(pipe.x_good),
                    pipe.thread.eq(pipe.x.thread),
                    pipe.names.eq(pipe.x_names),
                    pipe.operands.eq(pipe.x_operands),
                ]
                continue
            queue = VectorQueue(threads=config.threads, entries=config.vector_queue, names=names, operands=operands)
            m.submodules[f"{name}_queue"] = self._queues[name] = queue
            m.d.comb += [
                queue.issue.eq(pipe.issue_valid),
                queue.issue_thread.eq(pipe.issue.thread),
                queue.in_x.eq(pipe.x_valid),
                queue.x_thread.eq(pipe.x.thread),
                queue.x_good.eq(pipe.x_good),
                queue.x_names.eq(pipe.x_names),
                queue.x_operands.eq(pipe.x_operands),
                queue.done.eq(pipe.done),
                *(getattr(pipe, member).eq(getattr(queue, member)) for member in executing),
            ]

    def _connect_macros(self, m):
        store, simd, matrix, formats = self._store, self._simd, self._matrix, self._formats
        self._simd_flags, self._convert_flags = Signal(FLAG_BITS), Signal(FLAG_BITS)
        first, second = (Signal(RANDOM_BITS * self.config.fp32_lanes, name=f"{step}_random") for step in ("first", "second"))
        seed = Signal(32)
        for thread, csr in enumerate(self._csrs):
            with m.If(csr.reseed) if thread else contextlib.nullcontext():
                m.d.comb += seed.eq(csr.written)
        reseed = Cat(csr.reseed for csr in self._csrs).any()
        thread = Signal(2)
        with m.If(reseed):
            m.d.comb += thread.eq(self._control.x.thread)
        with m.Elif(store.draw):
            m.d.comb += thread.eq(store.x.thread)
        with m.Else():
            m.d.comb += thread.eq(simd.thread)
        m.submodules.random = Instance(
            random_name(self.config),
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
            i_thread=thread,
            i_reseed=reseed,
            i_seed=seed,
            i_draw=store.draw | simd.draw,
            i_advance=(store.draw & store.advance) | (simd.draw & simd.advance),
            i_twice=simd.draw & simd.draws_twice,
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
            i_read_entry=store.accumulator_entry,
            i_read_line=store.accumulator_line,
            o_read_data=store.accumulator_data,
            i_convert=store.convert,
            i_convert_format=store.convert_format.kind,
            i_convert_bias=store.convert_format.bias,
            i_convert_stochastic=store.convert_stochastic,
            i_convert_random=first,
            o_converted=store.converted,
            o_convert_flags=self._convert_flags,
        )
        insn = simd.names.insn
        self._simd_operands = [Signal(8 * self.config.line_bytes, name=f"simd_{name}") for name in "abc"]
        self._mask = Signal(self.config.line_bytes)
        m.submodules.simd = Instance(
            simd_name(self.config),
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
            i_valid=simd.valid,
            i_op=Cat(insn[25:29], insn[12:15], ~insn[5]),
            i_sub=insn[20:25],
            i_a=self._simd_operands[0],
            i_b=self._simd_operands[1],
            i_c=self._simd_operands[2],
            i_scalar=simd.scalar,
            i_mask=self._mask,
            i_format=formats.named[0].kind,
            i_bias=formats.named[0].bias,
            i_random=Cat(first, second),
            i_collect=simd.collect,
            i_row=simd.row,
            o_result=simd.result,
            o_flags=self._simd_flags,
        )

    def _connect_multiply_divide(self, m):
        unit, control = self._multiply_divide, self._control
        m.d.comb += [unit.valid.eq(control.commit.valid & ~control.commit.trap), unit.x.eq(control.x)]

    def _connect_kills(self, m):
        """What an instruction that traps, or goes on elsewhere, does to those that its thread issued with it behind it."""
        for pipe in self._pipes:
            older = [
                other.bad & (other.x.thread == pipe.x.thread) & (other.x.position < pipe.x.position)
                for other in self._pipes
                if other is not pipe
            ]
            m.d.comb += pipe.killed.eq(pipe.first & Cat(older).any())

    def _mine(self, pipe, thread):
        return pipe.x.thread == thread

    def _connect_threads(self, m):
        control_pipe, store, page, waiters = self._control, self._store, self._page, self._waiters
        # What is injected does not retire.
        injecting = Cat(debug.injecting for debug in self._debugs)
        self._retires = {name: Signal(name=f"{name}_retires") for name in PIPES}
        for name, pipe in zip(PIPES, self._pipes, strict=True):
            injected = injecting.bit_select(pipe.x.thread[: ceil_log2(self.config.threads)], 1)
            m.d.comb += self._retires[name].eq(pipe.commit.valid & ~pipe.commit.trap & ~injected)
        for thread, (control, csr, debug) in enumerate(zip(self._controls, self._csrs, self._debugs, strict=True)):
            front = self._frontend.threads[thread]
            in_control = Signal(name=f"in_control{thread}")
            in_store = Signal(name=f"in_store{thread}")
            retired = {name: Signal(name=f"retired_{name}{thread}") for name in PIPES}
            raised = [Signal(FLAG_BITS, name=f"raised{source}_{thread}") for source in ("simd", "convert")]
            uncertain = [pipe.first & self._mine(pipe, thread) for pipe in self._pipes]
            uncertain.append(self._load.gathers & self._mine(self._load, thread))
            redirects = [in_control & control_pipe.redirect, in_store & store.redirect & ~debug.injecting]
            m.d.comb += [
                in_control.eq(control_pipe.first & ~control_pipe.killed & self._mine(control_pipe, thread)),
                in_store.eq(store.first & ~store.killed & self._mine(store, thread)),
                *(
                    retired[name].eq(self._retires[name] & self._mine(pipe, thread))
                    for name, pipe in zip(PIPES, self._pipes, strict=True)
                ),
                control.start.eq(page.start[thread]),
                control.start_pc.eq(page.start_pc),
                control.stop.eq(page.stop[thread]),
                control.exit.eq(store.exit),
                control.jump.eq(redirects[0] | redirects[1]),
                control.target.eq(Mux(redirects[0], control_pipe.target, store.target)),
                control.halt.eq(in_control & control_pipe.halt),
                control.exit_operand.eq(control_pipe.x.rs1),
                control.park.eq(in_control & control_pipe.park),
                control.park_sem.eq(control_pipe.semaphore),
                control.park_amount.eq(control_pipe.amount),
                control.error.eq(self.network.error_valid & (self.network.error_tag[5:7] == thread)),
                control.error_address.eq(self.network.error_address),
                control.returns.eq(csr.mret),
                control.in_slot.eq(Cat(uncertain).any()),
                control.next_pc.eq(front.next_pc),
                control.vector.eq(csr.vector),
                control.semaphores.eq(self._semaphores.values),
                control.wake.eq(waiters.wake[thread]),
                waiters.numbers[thread].eq(control.wait_sem),
                waiters.covered[thread].eq(control.covered),
                waiters.parks[thread].eq(control.park),
                waiters.forget[thread].eq(control.redirect | Cat(retired.values()).any()),
                front.run.eq(control.run),
                csr.number.eq(control_pipe.csr_number),
                csr.operand.eq(control_pipe.csr_operand),
                csr.trap.eq(control.taken),
                csr.mret.eq(in_control & control_pipe.mret),
                csr.retired.eq(sum(retired.values())),
                csr.retired_by.integer.eq(retired["alu"] + retired["control"]),
                *(csr.retired_by[name].eq(retired[name]) for name in PIPES[2:]),
                csr.waits.eq(control.state == ThreadState.WAITING),
                csr.counter.eq(page.counter),
                csr.hart.eq(Cat(C(thread, 2), self._x, self._y)),
                csr.node.eq(Cat(C(0, OFFSET_BITS), self._x, self._y)),
                csr.config.eq(self.config.descriptor),
                csr.cycle.eq(self._time),
                csr.raise_flags.eq(raised[0] | raised[1]),
                csr.formats.eq(self._formats.scalar_csr),
                csr.injected.eq(debug.injecting),
                csr.debug_data.eq(debug.data),
            ]
            # Of one thread, at most one instruction traps in a cycle: what is younger is killed.
            for pipe in self._pipes:
                with m.If(pipe.trap.valid & self._mine(pipe, thread)):
                    m.d.comb += control.trap.eq(pipe.trap)
            due = self._simd.vector_write.thread
            with m.If(self._simd.flags_valid & (due == thread)):
                m.d.comb += raised[0].eq(self._simd_flags)
            with m.If(store.convert_flags_valid & self._mine(store, thread)):
                m.d.comb += raised[1].eq(self._convert_flags)
            with m.If(in_control):
                m.d.comb += csr.op.eq(control_pipe.csr_op)
            # Nobody looks at these where nothing is in the pipe.
            with m.If(self._mine(control_pipe, thread)) if thread else contextlib.nullcontext():
                m.d.comb += [
                    control_pipe.csr_read.eq(csr.read),
                    control_pipe.csr_exists.eq(csr.exists),
                    control_pipe.exception_pc.eq(csr.exception_pc),
                    control_pipe.upper.eq(front.upper),
                    control_pipe.injected.eq(debug.injecting),
                    control_pipe.stops_at_ebreak.eq(debug.stops_at_ebreak),
                ]
        semaphores = self._semaphores
        m.d.comb += [
            self._frontend.flush.eq(control_pipe.flush | Cat(control.flush for control in self._controls).any()),
            self._frontend.update.eq(control_pipe.update),
            waiters.thread.eq(control_pipe.x.thread),
            waiters.number.eq(control_pipe.semaphore),
            control_pipe.covered.eq(semaphores.covered & ~waiters.due_to_another),
            store.tohost.eq(page.tohost),
            semaphores.number.eq(control_pipe.semaphore),
            semaphores.amount.eq(control_pipe.amount),
            semaphores.take.eq(control_pipe.take),
            semaphores.post.eq(control_pipe.post),
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

    def _connect_debug(self, m):
        control_pipe, store, page = self._control, self._store, self._page
        for thread, (debug, control, csr) in enumerate(zip(self._debugs, self._controls, self._csrs, strict=True)):
            front = self._frontend.threads[thread]
            m.d.comb += [
                debug.written.eq(page.debug_written),
                debug.restart.eq(page.start[thread] | page.stop[thread]),
                debug.state.eq(control.state),
                debug.in_slot.eq(control.in_slot),
                debug.exiting.eq(store.exiting & self._mine(store, thread)),
                debug.parks.eq(control.park),
                debug.breaks.eq(control_pipe.breaks & self._mine(control_pipe, thread)),
                debug.handled.eq(control.handled),
                debug.trap.eq(control.trap.valid),
                debug.cause.eq(control.trap.cause),
                debug.write_data.eq(csr.write_debug_data),
                debug.data_written.eq(csr.written),
                control.debug_stop.eq(debug.stop),
                control.resume.eq(debug.resume),
                control.debug_hold.eq(debug.hold),
                control.injecting.eq(debug.injecting),
                front.inject.eq(debug.inject),
                front.word.eq(page.debug_written),
                front.injecting.eq(debug.injecting),
            ]
            with m.If(page.debug_thread[thread]):
                m.d.comb += debug.write.eq(page.debug)

    def _connect_issue(self, m):
        config = self.config
        width = config.issue_width
        m.submodules.allocation = allocation = Allocation(config.threads, width)
        m.submodules.scalars = scalars = ScalarRegisters(config, reads=2 * len(PIPES), writes=2 * len(PIPES) + len(self._late))
        load, store, simd, matrix = self._load, self._store, self._simd, self._matrix
        vector_pipes = (("simd", simd), ("matrix", matrix))

        stays = {name: Signal(name=f"{name}_stays") for name in PIPES}
        for name, pipe in zip(PIPES, self._pipes, strict=True):
            m.d.comb += stays[name].eq(pipe.x_valid & pipe.stall)
        for thread in range(config.threads):
            m.submodules[f"grouping{thread}"] = grouping = Grouping(config)
            front, control, debug = self._frontend.threads[thread], self._controls[thread], self._debugs[thread]
            goes_on = {name: pipe.good & ~pipe.done & (pipe.thread == thread) for name, pipe in vector_pipes}
            staying = {name: stays[name] & self._mine(pipe, thread) for name, pipe in zip(PIPES, self._pipes, strict=True)}
            in_store = store.x.entry.decoded
            mine = slice(thread * config.accumulators, (thread + 1) * config.accumulators)
            storing = Signal(config.accumulators, name=f"storing{thread}")
            with m.If(staying["store"] & in_store.accumulator_store):
                m.d.comb += storing.eq(1 << store.x.entry.insn[7:12][: ceil_log2(config.accumulators)])
            scalars_busy = self._late_registers(m, thread)
            state = grouping.state
            queued_accumulators, queued_reading, queued_simd = self._connect_queues(
                m, thread, grouping, goes_on, allocation.choices
            )
            m.d.comb += [
                *(head.eq(shown) for head, shown in zip(grouping.heads, front.heads, strict=True)),
                grouping.valid.eq(front.valid & Cat(C(1, 1), (~debug.single).replicate(width - 1))),
                grouping.runs.eq(
                    (control.run | debug.injecting)
                    & ~control.hold
                    & ~debug.hold
                    & ~self._clearing
                    & ~(store.exiting & self._mine(store, thread))
                ),
                state.scalars.eq(scalars_busy),
                state.vectors.eq(self._vectors.busy[thread]),
                state.predicates.eq(self._predicates.busy[thread]),
                state.accumulators_busy.eq(matrix.accumulators_busy[mine] | queued_accumulators),
                state.accumulators_closed.eq(matrix.accumulators_closed[mine] | storing),
                state.reading.eq(
                    staying["load"] | (goes_on["matrix"] & matrix.names.memory) | matrix.reads_later[thread] | queued_reading
                ),
                state.writing.eq(staying["store"]),
                state.gathering.eq(staying["load"] & load.gathers),
                state.held_operands.eq((goes_on["simd"] & simd.names.transpose) | (goes_on["matrix"] & matrix.names.step)),
                state.occupying.eq(Cat(*staying.values(), *(queue.remains[thread] for queue in self._queues.values())).any()),
                state.simd_pending.eq(simd.pending[thread] | queued_simd),
                state.ungranted.load.eq(staying["load"] & load.read.req & ~load.read.grant),
                state.ungranted.store.eq(staying["store"] & store.write.req & ~store.write.grant),
                state.ungranted.matrix.eq(matrix.ungranted[thread]),
                state.loading.scalar.eq(state.ungranted.load & load.x.entry.decoded.load & load.x.entry.insn[7:12].any()),
                state.loading.vector.eq(state.ungranted.load & load.x.entry.decoded.vector_load),
                state.loading.number.eq(load.x.entry.insn[7:12]),
                # Only one that a load keeps from its port: a stream of responses would keep out loads for ever.
                grouping.response_waiting.eq(self.network.rx_valid & ~self.network.rx_ready),
                grouping.network_room.eq(self.network.tx_room),
                grouping.division_room.eq(
                    ~self._multiply_divide.divides & ~(self._control.x_valid & self._control.x.entry.decoded.divide)
                ),
                *((grouping.list_room.eq(self.lists.room & ~store.list_in_x),) if config.lists else ()),
                allocation.ready[thread].eq(grouping.ready),
                allocation.wants[thread].eq(grouping.wants),
                allocation.kinds[thread].eq(grouping.kinds),
                front.take.eq(allocation.take[thread]),
            ]
            # What would be issued in the cycle of a redirection is not to be executed.
            with m.If(control.run & (control.redirect | ~allocation.take[thread].any())):
                with m.If(control.redirect):
                    m.d.comb += self._csrs[thread].stall.fetch.eq(1)
                with m.Else():
                    m.d.comb += self._csrs[thread].stall.eq(grouping.stall)
            for slot in range(width):
                head = front.heads[slot]
                m.d.comb += allocation.random[thread][slot].eq(
                    head.decoded.stochastic | (head.decoded.csr & (head.insn[20:32] == Csr.MSEED))
                )
        if config.vector_queue:
            simd_draws = self._draws_later(m)
        else:
            simd_draws = stays["simd"] & simd.x.entry.decoded.stochastic
        m.d.comb += [
            allocation.free.eq(~Cat(stays.values())),
            allocation.random_free.eq(~(simd_draws | (stays["store"] & store.x.entry.decoded.stochastic))),
            scalars.clear.eq(self._clearing),
            scalars.clear_number.eq(self._clear_number),
        ]

        killed = Signal(config.threads)
        m.d.comb += killed.eq(Cat(control.redirect for control in self._controls))
        entries = [Signal(QueueEntry(), name=f"{name}_entry") for name in PIPES]
        for number, (pipe, entry) in enumerate(zip(self._pipes, entries, strict=True)):
            choice, issue = allocation.choices[number], pipe.issue
            with m.If(choice.valid), m.Switch(Cat(choice.slot, choice.thread)):
                for thread in range(config.threads):
                    for slot in range(width):
                        with m.Case(thread << len(choice.slot) | slot):
                            m.d.comb += entry.eq(self._frontend.threads[thread].heads[slot])
            m.d.comb += [
                issue.entry.eq(entry),
                issue.thread.eq(choice.thread),
                issue.position.eq(choice.slot),
                pipe.issue_valid.eq(choice.valid & ~killed.bit_select(choice.thread[: ceil_log2(config.threads)], 1)),
            ]
            for port, (field, value) in enumerate(((slice(15, 20), issue.rs1), (slice(20, 25), issue.rs2))):
                operand = scalars.operands[2 * number + port]
                m.d.comb += [
                    operand.valid.eq(choice.valid),
                    operand.thread.eq(choice.thread),
                    operand.number.eq(entry.insn[field]),
                    value.eq(scalars.values[2 * number + port]),
                ]
            for port in range(2):
                written = pipe.commit.valid & ~pipe.commit.trap & pipe.writes[port].valid
                m.d.comb += [
                    scalars.forward[2 * number + port].eq(pipe.writes[port]),
                    scalars.written[2 * number + port].eq(written),
                ]
        for number, late in enumerate(self._late, start=2 * len(PIPES)):
            m.d.comb += [scalars.forward[number].eq(late), scalars.written[number].eq(late.valid)]
        self._connect_branches(m, entries[PIPES.index("control")], scalars)

    def _connect_branches(self, m, entry, scalars):
        """Where threads go on: as thread control says, or a branch that is issued and whose operands are in registers."""
        m.submodules.branch = branch = BranchAtIssue()
        issue, first = self._control.issue, 2 * PIPES.index("control")
        m.d.comb += [
            branch.entry.eq(entry),
            branch.rs1.eq(scalars.stored[first]),
            branch.rs2.eq(scalars.stored[first + 1]),
            branch.known.eq(~scalars.forwarded[first : first + 2].any()),
        ]
        corrects = Signal(self.config.threads)
        with m.If(corrects.any()):
            m.d.comb += [issue.entry.predicted.eq(branch.jumps), issue.entry.follows.eq(branch.follows), issue.corrected.eq(1)]
        for thread, (control, debug) in enumerate(zip(self._controls, self._debugs, strict=True)):
            front = self._frontend.threads[thread]
            m.d.comb += [
                corrects[thread].eq(branch.corrects & self._control.issue_valid & (issue.thread == thread) & ~debug.injecting),
                front.redirect.eq(control.redirect | corrects[thread]),
                front.target.eq(Mux(control.redirect, control.redirect_target, in_window(branch.follows))),
            ]

    def _connect_queues(self, m, thread, grouping, goes_on, choices):
        """Connects a thread's part of the queues with its hazards. Returns the accumulators of what has not begun, whether that
        reads SRAM, and whether there are SIMD operations among it."""
        if not self._queues:
            return 0, 0, 0
        m.submodules[f"queue_hazards{thread}"] = hazards = ThreadQueueHazards(self.config)
        members = ("unstarted", "unstarted_names", "waiting", "oldest", "full")
        for name, queue in self._queues.items():
            mine = getattr(hazards, name)
            m.d.comb += [
                *(mine[member].eq(getattr(queue, member)[thread]) for member in members),
                mine.executes.eq(goes_on[name]),
                mine.executing.eq(queue.names),
                queue.ready[thread].eq(getattr(hazards, f"{name}_ready")),
            ]
        state = grouping.state
        m.d.comb += [
            hazards.vectors.eq(state.vectors),
            hazards.predicates.eq(state.predicates),
            hazards.accumulators_closed.eq(state.accumulators_closed),
            state.queued.eq(hazards.hazards),
        ]
        for name, queue in self._queues.items():
            choice = choices[PIPES.index(name)]
            with m.If(choice.thread == thread):
                m.d.comb += queue.issue_ready.eq(grouping.there.bit_select(choice.slot, 1))
        return hazards.accumulators, hazards.reading, hazards.hazards.simd_waits

    def _draws_later(self, m):
        """A stochastic SIMD operation that has been issued will draw its random bits later than in this cycle."""
        simd, holds, draws_now = self._simd, Signal(name="simd_holds_random"), Signal()
        issued, in_x = simd.issue.entry.decoded, simd.x.entry.decoded
        m.d.comb += draws_now.eq((simd.done & simd.operands.stochastic) | (simd.x_valid & simd.killed & in_x.stochastic))
        with m.If(simd.issue_valid & issued.stochastic):
            m.d.sync += holds.eq(1)
        with m.Elif(draws_now):
            m.d.sync += holds.eq(0)
        return holds & ~draws_now

    def _late_registers(self, m, thread):
        """Scalar registers of a thread whose results come later than the end of X."""
        load, control = self._load, self._control
        late = Signal(32, name=f"late_registers{thread}")

        def number(entry):
            return entry.insn[7:12]

        # Who needs what a load reads may be issued in the cycle in which the data is there.
        decoded = load.x.entry.decoded
        with m.If(load.x_valid & ~load.stall & self._mine(load, thread) & decoded.load):
            m.d.sync += late.bit_select(number(load.x.entry), 1).eq(0)
        decoded = control.x.entry.decoded
        with m.If(control.killed & self._mine(control, thread) & (decoded.multiply | decoded.divide)):
            m.d.sync += late.bit_select(number(control.x.entry), 1).eq(0)
        for coming in self._multiply_divide.coming:
            with m.If(coming.valid & (coming.thread == thread)):
                m.d.sync += late.bit_select(coming.number, 1).eq(0)
        for pipe in (load, control):
            issue, decoded = pipe.issue, pipe.issue.entry.decoded
            comes_late = decoded.load if pipe is load else decoded.multiply | decoded.divide
            with m.If(pipe.issue_valid & (issue.thread == thread) & comes_late):
                m.d.sync += late.bit_select(number(issue.entry), 1).eq(number(issue.entry).any())
        return late

    def _connect_vectors(self, m):
        load, store, simd, matrix = self._load, self._store, self._simd, self._matrix
        m.submodules.vectors = self._vectors = vectors = VectorRegisters(self.config, reads=7, writes=2, marks=4)
        first, second, third, of_load, of_store, of_a, of_b = vectors.read

        def register(port: data.View, valid, number, thread):
            return [port.valid.eq(valid), port.number.eq(number), port.thread.eq(thread)]

        # Of an instruction that is killed they may be read as well: whatever was executed before has ended.
        begins = self._begins(m)
        insn, thread = begins.insn, begins.thread
        # A transpose goes on to read its group while it executes.
        partner = Mux(begins.transpose, insn[15:20] | 1, insn[20:25])
        for read, number, following in ((first, insn[15:20], simd.reread_first), (second, partner, simd.reread_second)):
            m.d.comb += register(read, begins.reads, number, thread)
            with m.If(simd.reread):
                m.d.comb += register(read, 1, following, simd.thread)
        m.d.comb += [
            *register(third, begins.reads, insn[7:12], thread),
            *register(of_load, load.issue_valid, load.issue.entry.insn[20:25], load.issue.thread),
            *register(of_store, store.issue_valid, store.issue.entry.insn[20:25], store.issue.thread),
            *register(of_a, 1, matrix.vs1_address[:5], matrix.vs1_address[5:]),
            *register(of_b, 1, matrix.vs2_address[:5], matrix.vs2_address[5:]),
            *(operand.eq(line) for operand, line in zip(self._simd_operands, vectors.data, strict=False)),
            load.vs2.eq(vectors.data[3]),
            store.vs2.eq(vectors.data[4]),
            matrix.vs1.eq(vectors.data[5]),
            matrix.vs2.eq(vectors.data[6]),
        ]

        for number, pipe in enumerate((load, store, simd)):
            issued, in_x = pipe.issue, pipe.x.entry
            fails = pipe.first & (pipe.killed | (pipe.bad if pipe is not load else 0))
            if pipe is load:
                fails = fails | pipe.trap.valid
            if pipe is simd and self._queues:
                # What waits has reserved nothing yet.
                fails = fails & self._queues["simd"].direct
            if pipe is simd:
                m.d.comb += register(vectors.reserve[number], begins.good & begins.writes_vd, insn[7:12], thread)
            else:
                m.d.comb += register(
                    vectors.reserve[number],
                    pipe.issue_valid & issued.entry.decoded.writes_vd,
                    issued.entry.insn[7:12],
                    issued.thread,
                )
            m.d.comb += [
                *register(vectors.release[number], fails & in_x.decoded.writes_vd, in_x.insn[7:12], pipe.x.thread),
            ]
        tag = data.View(data.StructLayout({"number": 5, "thread": 2, "read": 1}), self.network.error_tag)
        m.d.comb += register(vectors.release[3], self.network.error_valid & tag.read, tag.number, tag.thread)

        # Responses take the port of loads when it is free. One that nobody waits for is dropped.
        response = data.View(data.StructLayout({"number": 5, "thread": 2, "read": 1}), self.network.rx_tag)
        awaited = Signal()
        for thread in range(self.config.threads):
            with m.If(response.thread == thread):
                m.d.comb += awaited.eq(response.read & vectors.busy[thread].bit_select(response.number, 1))
        of_results, of_loads = vectors.write
        m.d.comb += [
            of_results.eq(simd.vector_write),
            vectors.write_data[0].eq(simd.result),
            self.network.rx_ready.eq(~load.vector_write.valid),
        ]
        with m.If(load.vector_write.valid):
            m.d.comb += [of_loads.eq(load.vector_write), vectors.write_data[1].eq(load.vector_data)]
        with m.Else():
            m.d.comb += [
                *register(of_loads, self.network.rx_valid & awaited, response.number, response.thread),
                vectors.write_data[1].eq(self.network.rx_data),
            ]

    def _begins(self, m):
        """The SIMD or predicate operation that executes from the next cycle on, and reads its operands in this one. It is
        ``good`` if it does not leave X killed; what is issued in this cycle may be found to be killed then."""
        simd = self._simd
        layout = data.StructLayout({"reads": 1, "good": 1, "thread": 2, **SimdNames().members})
        begins = Signal(layout, name="simd_begins")
        issued = simd.issue.entry
        names = [name for name in SimdNames().members if name != "insn"]
        m.d.comb += [
            begins.reads.eq(simd.issue_valid),
            begins.good.eq(simd.issue_valid),
            begins.thread.eq(simd.issue.thread),
            begins.insn.eq(issued.insn),
            *(begins[name].eq(issued.decoded[name]) for name in names),
        ]
        if self._queues:
            queue = self._queues["simd"]
            m.d.comb += [begins.reads.eq(queue.begins_from_issue), begins.good.eq(queue.begins_from_issue)]
            for thread in range(self.config.threads):
                with m.If(queue.begins.valid & (queue.begins.thread == thread)):
                    m.d.comb += [
                        begins.reads.eq(1),
                        begins.good.eq(queue.begins.good),
                        begins.thread.eq(thread),
                        *(begins[name].eq(queue.oldest[thread][name]) for name in ("insn", *names)),
                    ]
        self._simd_begins = begins
        return begins

    def _connect_predicates(self, m):
        predicates, simd, control = self._predicates, self._simd, self._control
        insn, begins = simd.names.insn, self._simd_begins
        killed = simd.killed & simd.x.entry.decoded.writes_pd
        if self._queues:
            killed = killed & self._queues["simd"].direct
        m.d.comb += [
            predicates.thread.eq(simd.thread),
            predicates.read[0].eq(Mux(simd.operands.predicate, insn[15:18], insn[29:32])),
            predicates.read[1].eq(insn[20:23]),
            predicates.other_thread.eq(control.x.thread),
            predicates.other_read.eq(control.x.entry.insn[15:18]),
            control.predicate.eq(predicates.other_data),
            self._mask.eq(predicates.read_data[0]),
            simd.predicate.eq(predicates.read_data),
            predicates.reserve.valid.eq(begins.good & begins.writes_pd),
            predicates.reserve.number.eq(begins.insn[7:10]),
            predicates.reserve.thread.eq(begins.thread),
            predicates.release.valid.eq(killed),
            predicates.release.number.eq(simd.x.entry.insn[7:10]),
            predicates.release.thread.eq(simd.x.thread),
            predicates.write.valid.eq(simd.predicate_write.valid),
            predicates.write.number.eq(simd.predicate_write.number),
            predicates.write.thread.eq(simd.predicate_write.thread),
            predicates.write_data.eq(simd.predicate_data),
        ]

    def _connect_formats(self, m):
        formats, control, matrix = self._formats, self._control, self._matrix
        insn = control.x.entry.insn
        writes_csr = Cat(csr.write_formats for csr in self._csrs).any()
        m.d.comb += [
            formats.scalar_thread.eq(control.x.thread),
            # The low bits of the number of mformat0 to mformat3 are those of the line.
            formats.scalar_number.eq(Mux(control.x.entry.decoded.csr, insn[20:22] << 2, insn[20:24])),
            formats.matrix_thread.eq(matrix.x.thread),
            formats.matrix_number.eq(matrix.x.entry.insn[28:32]),
            matrix.named_a.eq(formats.format_a),
            matrix.named_b.eq(formats.format_b),
            formats.write.eq(control.set_format | writes_csr),
            formats.whole.eq(writes_csr),
            # What setfmt writes is the operand of an instruction that leaves the CSRs alone.
            formats.value.eq(self._csrs[0].written),
            formats.clear.eq(self._clearing),
            formats.clear_number.eq(self._clear_number),
            self._store.named.eq(formats.named[1]),
        ]
        for csr in self._csrs[1:]:
            with m.If(csr.write_formats):
                m.d.comb += formats.value.eq(csr.written)
        named = ((self._simd.thread, self._simd.names.insn), (self._store.x.thread, self._store.x.entry.insn))
        for number, (thread, insn) in enumerate(named):
            m.d.comb += [formats.named_thread[number].eq(thread), formats.named_number[number].eq(insn[20:24])]

    def _connect_network(self, m):
        names = ("tx_valid", "tx_read", "tx_address", "tx_mask", "tx_data", "tx_post", "tx_sem", "tx_tag")
        m.d.comb += [getattr(self.network, name).eq(getattr(self._store, name)) for name in names]
        if self.config.lists:
            m.d.comb += [
                self.lists.start.eq(self._store.list_start),
                self.lists.thread.eq(self._store.x.thread),
                self.lists.offset.eq(self._store.list_offset),
            ]

    def _connect_page(self, m):
        page, matrix = self._page, self._matrix
        wiring.connect(m, wiring.flipped(self.control), page.port)
        m.d.comb += [
            page.descriptor.eq(self.config.descriptor),
            page.coordinates.eq(Cat(C(0, OFFSET_BITS), self._x, self._y)),
            page.cycle.eq(self._time),
            page.semaphores.eq(self._semaphores.values),
            page.links.eq(self._links),
            page.semaphore_overflow.eq(self._semaphores.overflow),
            page.overflowed_semaphore.eq(self._semaphores.overflowed),
            self._semaphores.clear.eq(page.clear_overflow),
            page.dropped.eq(self.dropped),
            page.stepped.eq(matrix.stepped),
            page.sent.eq(self.sent),
            page.received.eq(self.received),
            page.conflicts.eq(self.conflicts),
            page.lines_loaded.eq(self._load.loaded + matrix.load0.grant + matrix.load1.grant),
            page.lines_stored.eq(self._store.stored),
            page.retired.eq(sum(self._retires.values())),
            page.exit.eq(self._store.exit),
            page.exit_value.eq(self._store.exit_value),
        ]
        for thread, (control, csr, debug) in enumerate(zip(self._controls, self._csrs, self._debugs, strict=True)):
            shown = page.threads[thread]
            m.d.comb += [
                shown.pc.eq(self._frontend.threads[thread].next_pc),
                shown.state.eq(control.state),
                shown.cause.eq(csr.cause),
                shown.value.eq(csr.value),
                shown.exit_code.eq(control.exit_code),
                shown.retired.eq(csr.instret),
                shown.wait.eq(control.wait),
                shown.unhandled_errors.eq(control.unhandled_errors),
                shown.counted.eq(csr.counted),
                shown.debug_control.eq(debug.control),
                shown.debug_status.eq(debug.status),
                shown.debug_data.eq(debug.data),
            ]

    def _connect_retirement(self, m):
        m.submodules.retirement = retirement = Retirement(self.config)
        m.d.comb += [
            *(record.eq(pipe.commit) for record, pipe in zip(retirement.commits, self._pipes, strict=True)),
            *(write.eq(late) for write, late in zip(retirement.late, self._late, strict=True)),
            retirement.injected.eq(Cat(debug.injecting for debug in self._debugs)),
            retirement.vectors.eq(self._vectors.write),
            retirement.lines.eq(self._vectors.write_data),
        ]
        for mine, its in zip(self.retirement, retirement.retirement, strict=True):
            wiring.connect(m, wiring.flipped(mine), its)
        for shown, writes in ((self.late_writes, retirement.late_writes), (self.vector_writes, retirement.vector_writes)):
            m.d.comb += [mine.eq(its) for mine, its in zip(shown, writes, strict=True)]
