# SPDX-License-Identifier: Apache-2.0
"""A host on the west link of a node under cocotb: sends packets, takes responses, records what retires."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from cocotb.triggers import FallingEdge

from golden.config import NodeConfig
from golden.instruction import Retirement
from golden.layout import ControlRegister as Register
from golden.layout import Kind, Port, ThreadRegister, TrafficClass, control_offset, thread_offset
from rtl.core.ports import late_ports, retirement_width, vector_ports
from rtl.interfaces import RetirementSignature
from verif.rtl.network.flits import join_phits, pack, phits, unpack

#: Cycles without an end after which a bench gives up.
LIMIT_CYCLES = 20_000


class NodeHost:
    """Drives a node's ports, one call of ``step`` per cycle.

    Parameters
    ----------
    dut
        The node; its clock runs and it is out of reset.
    config : NodeConfig
    x, y : int
        Coordinates to give to the node.

    Members
    -------
    retired : list of list of Retirement
        Per thread, what its retirement port showed.
    vector_writes : dict of (thread, register) to list of bytes
    received : deque of dict
        Flits that came out of the west link.
    active_cycles, issue_cycles : list of int
        Per thread, cycles in which it ran or waited, and those in which it issued anything that did not have to be dropped.
    watchers : list of callables
        Called in each cycle, when the outputs have settled.
    """

    def __init__(self, dut: Any, config: NodeConfig, x: int = 0, y: int = 0):
        self.dut, self.config, self.x, self.y = dut, config, x, y
        self.cycle = 0
        self.retired: list[list[Retirement]] = [[] for _ in range(config.threads)]
        self.vector_writes: dict[tuple[int, int], list[bytes]] = {}
        self.received: deque[dict[str, int]] = deque()
        self.active_cycles, self.issue_cycles = [0] * config.threads, [0] * config.threads
        self.watchers: list[Callable[[], object]] = []
        self._waiting = 0
        self._queues: tuple[deque[int], ...] = (deque(), deque())
        self._credits = [config.channel_depth, config.channel_depth]
        #: Phits of the flit that goes to the node, each with its class, and of the one that comes.
        self._going: deque[tuple[int, int]] = deque()
        self._coming: list[int] = []
        self._driving = False
        self._returning = 0
        self._ports = [
            {name: getattr(dut, f"retire{number}_{name}") for name in RetirementSignature().members}
            for number in range(config.threads * retirement_width(config))
        ]
        self._late_ports, self._vector_ports = (
            [
                {name: getattr(dut, f"{kind}{number}_{name}") for name in ("valid", "thread", "register", "data")}
                for number in range(count)
            ]
            for kind, count in (("late", late_ports(config)), ("vector", vector_ports(config)))
        )
        #: Per thread and register, the places of instructions in ``retired`` whose result is still to come.
        self._late: dict[tuple[int, int], deque[int]] = {}
        for name in ("north", "east", "south", "west"):
            for signal in ("in_valid", "in_flit", "out_credit"):
                getattr(dut, f"{name}_{signal}").value = 0
        dut.x.value, dut.y.value, dut.links.value, dut.edges.value, dut.cycle.value = x, y, 0b1000, 0b1000, 0

    # -- one cycle ----------------------------------------------------------------------------------------------------

    async def step(self) -> None:
        """Let one rising edge pass, with the inputs that are due, and take what the outputs then show."""
        dut = self.dut
        for traffic_class, queue in enumerate(self._queues):
            if queue and self._credits[traffic_class] and not self._going:
                self._going.extend((1 << traffic_class, phit) for phit in phits(self.config, queue.popleft()))
                self._credits[traffic_class] -= 1
        driven = bool(self._going)
        if driven:
            dut.west_in_valid.value, dut.west_in_flit.value = self._going.popleft()
        if not driven and self._driving:
            dut.west_in_valid.value = 0
        self._driving = driven
        undisturbed = bool(int(dut.idle.value)) and not driven and not self._returning and not int(dut.rst.value)
        self.cycle += 1
        dut.cycle.value = self.cycle
        await FallingEdge(dut.clk)

        returned = int(dut.west_in_credit.value)
        for traffic_class in TrafficClass:
            self._credits[traffic_class] += returned >> traffic_class & 1
        valid = int(dut.west_out_valid.value)
        if valid:
            self._coming.append(int(dut.west_out_flit.value))
        self._returning = valid if len(self._coming) == self.config.link_passes else 0
        dut.west_out_credit.value = self._returning
        moved = valid or int(dut.progress.value) or any(int(port["valid"].value) for port in self._vector_ports)
        assert not (undisturbed and moved), "a node that was idle and heard nothing has done something"
        if self._returning:
            self.received.append(unpack(self.config, join_phits(self.config, self._coming)))
            self._coming.clear()
        self._record()
        self._tally()
        for watcher in self.watchers:
            watcher()

    def _tally(self) -> None:
        """Of what is issued together, the oldest instruction always retires, traps, or is a ``swait`` that parks its thread."""
        running, waiting = int(self.dut.running.value), int(self.dut.waiting.value)
        for thread in range(self.config.threads):
            oldest = self._ports[thread * retirement_width(self.config)]
            parks = (waiting & ~self._waiting) >> thread & 1
            self.active_cycles[thread] += (running | waiting) >> thread & 1
            self.issue_cycles[thread] += int(oldest["valid"].value) + parks
        self._waiting = waiting

    def _record(self) -> None:
        for port in self._late_ports:
            if int(port["valid"].value):
                where, result = (int(port["thread"].value), int(port["register"].value)), int(port["data"].value)
                retired = self.retired[where[0]]
                place = self._late[where].popleft()
                retired[place] = dataclasses.replace(retired[place], writes=((where[1], result),))
        for number, port in enumerate(self._ports):
            if int(port["valid"].value):
                thread = number // retirement_width(self.config)
                trap = int(port["trap"].value)
                valid, address, value = (int(port[f"rd_{name}"].value) for name in ("valid", "address", "data"))
                writes = [
                    (address >> 5 * half & 31, value >> 64 * half & (1 << 64) - 1) for half in range(2) if valid >> half & 1
                ]
                if int(port["late"].value):
                    register = int(port["insn"].value) >> 7 & 31
                    self._late.setdefault((thread, register), deque()).append(len(self.retired[thread]))
                cause = int(port["cause"].value) if trap else None
                self.retired[thread].append(
                    Retirement(
                        thread,
                        int(port["pc"].value),
                        0 if cause == 1 else int(port["insn"].value),
                        cause,
                        int(port["value"].value) if trap else None,
                        tuple(writes),
                    )
                )
        for port in self._vector_ports:
            if int(port["valid"].value):
                where = int(port["thread"].value), int(port["register"].value)
                data = int(port["data"].value).to_bytes(self.config.line_bytes, "little")
                self.vector_writes.setdefault(where, []).append(data)

    async def until(self, condition: Callable[[], bool], what: str, limit: int = LIMIT_CYCLES) -> None:
        """Step until the condition holds; fails after ``limit`` cycles, naming what did not come."""
        for _ in range(limit):
            if condition():
                return
            await self.step()
        raise AssertionError(f"{what} did not happen within {limit} cycles")

    # -- packets ------------------------------------------------------------------------------------------------------

    @property
    def queued(self) -> int:
        """Packets that have not been sent yet, as a whole."""
        return sum(map(len, self._queues)) + bool(self._going)

    def send(self, **fields: int) -> None:
        """Queue a request from the host; fields as in ``golden.layout.flit_fields``, the node's own address by default."""
        source = {"src_x": self.x, "src_y": self.y, "src_exit": Port.WEST}
        flit = pack(self.config, {"x": self.x, "y": self.y} | source | fields)
        self._queues[TrafficClass.REQUEST].append(flit)

    def respond(self, **fields: int) -> None:
        """Queue a response from the host, to the node by default."""
        self._queues[TrafficClass.RESPONSE].append(pack(self.config, {"x": self.x, "y": self.y} | fields))

    def write(self, offset: int, contents: bytes) -> None:
        """Queue the packets that write bytes anywhere in the node's window."""
        line_bytes = self.config.line_bytes
        for line in range(offset - offset % line_bytes, offset + len(contents), line_bytes):
            first, last = max(line, offset), min(line + line_bytes, offset + len(contents))
            data = int.from_bytes(contents[first - offset : last - offset], "little") << 8 * (first - line)
            mask = (1 << last - line) - (1 << first - line)
            self.send(kind=Kind.WRITE, offset=line, mask=mask, data=data)

    def write_register(self, offset: int, value: int) -> None:
        """Queue the packet that writes a register of the control page."""
        self.write(offset, value.to_bytes(8, "little"))

    async def read_lines(self, offsets: Iterable[int]) -> list[bytes]:
        """Lines of the node's window; everything queued before goes first."""
        offsets = list(offsets)
        self.received.clear()
        for offset in offsets:
            self.send(kind=Kind.READ, offset=offset)
        await self.until(lambda: len(self.received) >= len(offsets), f"{len(offsets)} responses")
        lines = {flit["offset"]: flit for flit in self.received}
        assert all(flit["kind"] == Kind.READ_DATA for flit in self.received)
        return [lines[offset]["data"].to_bytes(self.config.line_bytes, "little") for offset in offsets]

    async def read(self, offset: int, length: int) -> bytes:
        """Bytes of the node's window."""
        line_bytes = self.config.line_bytes
        first = offset - offset % line_bytes
        data = b"".join(await self.read_lines(range(first, offset + length, line_bytes)))
        return data[offset - first : offset - first + length]

    async def read_register(self, offset: int) -> int:
        """A register of the control page."""
        return int.from_bytes(await self.read(offset, 8), "little")

    # -- programs -----------------------------------------------------------------------------------------------------

    def start_thread(self, thread: int, pc: int) -> None:
        """Queue the packet that starts a thread."""
        self.write_register(thread_offset(thread, ThreadRegister.PC), pc)

    def set_tohost(self, address: int) -> None:
        """Queue the packet that names the address of ``tohost``."""
        self.write_register(control_offset(Register.TOHOST_ADDRESS), address)

    async def finish(self, limit: int = LIMIT_CYCLES) -> None:
        """Step until all that was queued is delivered and the node is idle with no thread running."""

        def delivered() -> bool:
            return not any(self._queues) and self._credits == [self.config.channel_depth] * 2

        await self.until(delivered, "delivery of all packets", limit)
        dut = self.dut
        await self.until(lambda: bool(int(dut.idle.value)) and not int(dut.running.value), "the end of the program", limit)
