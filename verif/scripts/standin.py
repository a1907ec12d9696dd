# SPDX-License-Identifier: Apache-2.0
"""A small stand-in with the boundary of a node, so that the engine is tested apart from the core.

It forwards flits in dimension order (one per cycle in all), answers READ and WRITE to its SRAM and to a few control registers,
and "runs" a thread 0 that only counts. What that thread does is said by the value written to its PC register, see ``job``.
"""

from __future__ import annotations

from amaranth.hdl import Array, Cat, ClockSignal, Const, Instance, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from golden.config import CONTROL_PAGE_OFFSET, NodeConfig
from golden.layout import (
    COORDINATE_BITS,
    LINK_PORTS,
    ControlRegister,
    Kind,
    NetworkError,
    Port,
    ThreadRegister,
    TrafficClass,
    flit_bits,
    thread_offset,
)
from rtl.interfaces import FlitLayout
from rtl.node import observation_members

__all__ = ["StandInNode", "job"]


def job(cycles: int, *, wait: bool = False, stall: bool = False, send_to: tuple[int, int] | None = None) -> int:
    """What to write to the PC register of thread 0.

    Parameters
    ----------
    cycles : int
        Instructions to retire, one per cycle; below 65,536.
    wait : bool
        Wait for a semaphore for ever instead of halting.
    stall : bool
        Stay running without retiring anything, for ever.
    send_to : (x, y), optional
        Write a line to that node whenever there is room.
    """
    x, y = send_to or (0, 0)
    return cycles | wait << 16 | stall << 17 | (send_to is not None) << 18 | x << 20 | y << 20 + COORDINATE_BITS


def node_members(config: NodeConfig) -> dict[str, wiring.Member]:
    """The flat members of a node's boundary, but for those of each thread's retirement."""
    members: dict[str, wiring.Member] = {
        "x": In(COORDINATE_BITS),
        "y": In(COORDINATE_BITS),
        "links": In(4),
        "edges": In(4),
        "cycle": In(64),
    }
    for port in LINK_PORTS:
        side = port.name.lower()
        members |= {
            f"{side}_out_valid": Out(2),
            f"{side}_out_flit": Out(flit_bits(config)),
            f"{side}_out_credit": In(2),
            f"{side}_in_valid": In(2),
            f"{side}_in_flit": In(flit_bits(config)),
            f"{side}_in_credit": Out(2),
        }
    members |= {"idle": Out(1), "progress": Out(1), "exited": Out(1)}
    members |= dict.fromkeys(("running", "waiting", "trapped", "stopped"), Out(4))
    return members | {name: Out(Shape.cast(member.shape)) for name, member in observation_members(config).items()}


class StandInNode(wiring.Component):
    """See the module. Members are those of docs/architecture.md, "Boundary of a node"."""

    def __init__(self, config: NodeConfig):
        self.config = config
        super().__init__(node_members(config))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        layout = FlitLayout(config)
        line = 8 * config.line_bytes
        line_bits = (config.line_bytes - 1).bit_length()

        # One source each: eight input queues, the response to the last request served here, and thread 0.
        heads: list[Value] = []
        ready: list[Value] = []
        classes: list[TrafficClass] = []
        take = Signal(10)
        heard = Signal()
        for port in LINK_PORTS:
            side = port.name.lower()
            valid, flit = getattr(self, f"{side}_in_valid"), getattr(self, f"{side}_in_flit")
            for kind in TrafficClass:
                queue = SyncFIFO(width=flit_bits(config), depth=config.channel_depth)
                m.submodules[f"{side}_{kind.name.lower()}"] = queue
                m.d.comb += [queue.w_data.eq(flit), queue.w_en.eq(valid[kind]), queue.r_en.eq(take[len(heads)])]
                m.d.sync += getattr(self, f"{side}_in_credit")[kind].eq(take[len(heads)])
                heads.append(queue.r_data)
                ready.append(queue.r_rdy)
                classes.append(kind)
        answer, answer_valid, answer_read = Signal(layout), Signal(), Signal()
        sent, sent_valid = Signal(layout), Signal()
        heads += [answer.as_value(), sent.as_value()]
        ready += [answer_valid, sent_valid]
        classes += [TrafficClass.RESPONSE, TrafficClass.REQUEST]

        credits = [Signal(range(config.channel_depth + 1), init=config.channel_depth) for _ in range(8)]
        spend = Signal(8)
        for n, count in enumerate(credits):
            back = getattr(self, f"{LINK_PORTS[n // 2].name.lower()}_out_credit")[n % 2]
            m.d.sync += count.eq(count + back - spend[n])

        targets, movable = [], Signal(10)
        for n, head in enumerate(heads):
            flit = data.View(layout, head)
            target, usable = Signal(3, name=f"target_{n}"), Signal(4, name=f"usable_{n}")
            m.d.comb += usable.eq(self.links)
            with m.If(flit.x != self.x):
                m.d.comb += target.eq(Mux(flit.x > self.x, Port.EAST, Port.WEST))
            with m.Elif(flit.y != self.y):
                m.d.comb += target.eq(Mux(flit.y > self.y, Port.SOUTH, Port.NORTH))
            with m.Else():
                m.d.comb += [target.eq(flit.exit), usable.eq(self.links & self.edges)]
            reachable = Array([Const(0), *usable])[target]
            room = Array([Const(0), *(credits[2 * side + classes[n]] != 0 for side in range(4))])[target]
            here = ~answer_valid & ~answer_read if classes[n] == TrafficClass.REQUEST else Const(1)
            m.d.comb += movable[n].eq(ready[n] & Mux(reachable, room, here))
            targets.append(Mux(reachable, target, Port.LOCAL))
        m.d.comb += take.eq(movable & -movable)
        moved, target, kind = Signal(layout), Signal(3), Signal()
        for n, head in enumerate(heads):
            with m.If(take[n]):
                m.d.comb += [moved.eq(head), target.eq(targets[n]), kind.eq(classes[n])]
        local = Signal()
        m.d.comb += local.eq(take.any() & (target == Port.LOCAL) & (kind == TrafficClass.REQUEST))
        outputs_busy = []
        for n, port in enumerate(LINK_PORTS):
            valid = getattr(self, f"{port.name.lower()}_out_valid")
            go = take.any() & (target == port)
            m.d.comb += spend.word_select(n, 2).eq(Mux(go, 1 << kind, 0))
            m.d.sync += valid.eq(Mux(go, 1 << kind, 0))
            with m.If(go):
                m.d.sync += getattr(self, f"{port.name.lower()}_out_flit").eq(moved)
            outputs_busy += [valid, getattr(self, f"{port.name.lower()}_in_credit")]
            arriving = getattr(self, f"{port.name.lower()}_in_valid") | getattr(self, f"{port.name.lower()}_out_credit")
            with m.If(arriving.any()):
                m.d.comb += heard.eq(1)

        # SRAM and control page
        address = moved.offset >> line_bits
        in_sram = moved.offset < config.sram_bytes
        in_page = moved.offset >= CONTROL_PAGE_OFFSET
        at_home = (moved.x == self.x) & (moved.y == self.y) & (moved.exit == Port.LOCAL)
        sram_data = Signal(line)
        m.submodules.sram = Instance(
            f"d1_sram_{config.sram_blocks}x{config.sram_ways}x{config.bank_lines}x{config.line_bytes}",
            i_clk=ClockSignal(),
            **{f"i_{p}_r_{x}": Const(0, 1) for p in ("fetch", "scalar", "load1", "load0") for x in ("en", "address")},
            **{f"i_store_w_{x}": Const(0, 1) for x in ("en", "address", "mask", "data")},
            i_network_r_en=local & in_sram & (moved.kind == Kind.READ),
            i_network_r_address=address[: (config.sram_lines - 1).bit_length()],
            o_network_r_data=sram_data,
            i_network_w_en=local & in_sram & at_home & (moved.kind == Kind.WRITE),
            i_network_w_address=address[: (config.sram_lines - 1).bit_length()],
            i_network_w_mask=moved.mask,
            i_network_w_data=moved.data,
        )
        work = Signal(64)
        coordinates = Cat(Const(0, 21), self.x, self.y)
        status = Cat(self.running, self.waiting, self.trapped, self.exited, Const(0, 3), self.links)
        registers = {
            ControlRegister.CONFIG: Const(config.descriptor, 64),
            ControlRegister.COORDINATES: coordinates,
            ControlRegister.CYCLE: self.cycle,
            ControlRegister.STATUS: status,
            thread_offset(0, ThreadRegister.PC) - CONTROL_PAGE_OFFSET: work,
        }
        page = Signal(line)
        for lane in range(config.line_bytes // 8):
            with m.Switch(moved.offset[line_bits:12]):
                for offset, value in registers.items():
                    if offset % config.line_bytes == 8 * lane:
                        with m.Case(offset // config.line_bytes):
                            m.d.comb += page.word_select(lane, 64).eq(value)
        start_lane = thread_offset(0, ThreadRegister.PC) % config.line_bytes // 8
        start_line = thread_offset(0, ThreadRegister.PC) // config.line_bytes
        start = (
            local & at_home & (moved.kind == Kind.WRITE) & (address == start_line) & moved.mask.word_select(start_lane, 8).all()
        )

        with m.If(take[8]):
            m.d.sync += answer_valid.eq(0)
        with m.If(answer_read):
            m.d.sync += [answer.data.eq(sram_data), answer_read.eq(0), answer_valid.eq(1)]
        bad = ~(in_sram | in_page)
        with m.If(local & (bad | ~at_home | (moved.kind == Kind.READ))):
            failed = bad | ~at_home
            m.d.sync += [
                answer.eq(0),
                answer.kind.eq(Mux(failed, Kind.ERROR, Kind.READ_DATA)),
                answer.x.eq(moved.src_x),
                answer.y.eq(moved.src_y),
                answer.exit.eq(moved.src_exit),
                answer.offset.eq(moved.offset),
                answer.src_x.eq(moved.x),
                answer.src_y.eq(moved.y),
                answer.src_exit.eq(moved.exit),
                answer.tag.eq(moved.tag),
                answer.sem.eq(Mux(failed, Mux(at_home, NetworkError.BAD_OFFSET, NetworkError.UNREACHABLE), 0)),
                answer.data.eq(page),
                answer_read.eq(in_sram & ~failed),
                answer_valid.eq(~in_sram | failed),
            ]

        # Thread 0
        retired = Signal(32)
        m.d.sync += [self.retire0_valid.eq(0), self.vector0_valid.eq(0)]
        with m.If(take[9]):
            m.d.sync += sent_valid.eq(0)
        with m.If(start):
            m.d.sync += [work.eq(moved.data.word_select(start_lane, 64)), self.running.eq(1), self.waiting.eq(0)]
        with m.Elif(self.running[0] & ~work[17]):
            with m.If(work[:16] == 0):
                m.d.sync += [self.running.eq(0), self.waiting.eq(work[16])]
            with m.Else():
                m.d.sync += [
                    work[:16].eq(work[:16] - 1),
                    retired.eq(retired + 1),
                    self.retire0_valid.eq(1),
                    self.retire0_pc.eq(Cat(Const(0, 2), work[:16])),
                    self.retire0_insn.eq(retired),
                    self.retire0_rd_valid.eq(2),
                    self.retire0_rd_address[5:].eq(work[:5]),
                    self.retire0_rd_data[64:].eq(self.cycle),
                    self.vector0_valid.eq(work[:3] == 0),
                    self.vector0_register.eq(work[:5]),
                    self.vector0_data.eq(retired.replicate(line // 32)),
                ]
                with m.If(work[18] & (~sent_valid | take[9])):
                    m.d.sync += [
                        sent_valid.eq(1),
                        sent.eq(0),
                        sent.kind.eq(Kind.WRITE),
                        sent.x.eq(work[20:33]),
                        sent.y.eq(work[33:46]),
                        sent.src_x.eq(self.x),
                        sent.src_y.eq(self.y),
                        sent.offset.eq(Cat(Const(0, line_bits), work[:4])),
                        sent.mask.eq(-1),
                        sent.data.eq(Cat(retired, self.x, self.y)),
                    ]
        quiet = ~(
            Cat(*ready).any()
            | Cat(*outputs_busy).any()
            | answer_read
            | self.running.any()
            | self.retire0_valid
            | self.vector0_valid
            | self.progress
            | heard
        )
        m.d.sync += [self.progress.eq(take.any() | (self.running[0] & ~work[17])), self.idle.eq(quiet)]
        return m
