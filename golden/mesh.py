# SPDX-License-Identifier: Apache-2.0
"""The golden array: nodes in a mesh, the host at its edge, and a run loop that knows when nothing can move.

Packets are delivered at once and in order; what the network does in between has no effect on programs without races.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from golden.clock import QUANTUM, Clock, run_round
from golden.config import NodeConfig
from golden.control_writes import check_control_write
from golden.layout import ROUTE_ENABLE, GlobalAddress, Kind, NetworkError, Port, ThreadState
from golden.link_loss import KillPlan, LinkLoss, without_link
from golden.memory_model import MemoryModel
from golden.multicast import ROUTE_CONTROL_OFFSET, multicast_targets
from golden.node import GoldenNode
from golden.packet import Packet, write_packets
from golden.topology import STEPS, Link, Topology, normal_link

_REASONS = {
    NetworkError.UNREACHABLE: "there is no such node or link in the array",
    NetworkError.BAD_OFFSET: "the offset is neither SRAM nor control page",
}


class NetworkAccessError(RuntimeError):
    """A host's access was answered by an ERROR packet.

    Attributes
    ----------
    address : GlobalAddress
        Where it went.
    reason : NetworkError
    """

    def __init__(self, address: GlobalAddress, reason: NetworkError):
        super().__init__(f"access to offset {address.offset:#x} of node x={address.x}, y={address.y} failed: {_REASONS[reason]}")
        self.address = address
        self.reason = reason


class UnansweredError(RuntimeError):
    """A host's access was not answered: what it asked, or the answer, is lost."""


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes
    ----------
    reason : "ended", "limit", "deadlock" or "stopped"
        No thread is RUNNING, WAITING or STOPPED any more; the cycle limit came first; threads are left, but nothing can move;
        nothing can move without a debugger, because it has stopped threads.
    cycles : int
        Cycles that passed in this run.
    """

    reason: Literal["ended", "limit", "deadlock", "stopped"]
    cycles: int


@dataclass(frozen=True)
class ThreadReport:
    """State of one thread.

    Attributes
    ----------
    x, y, thread : int
        Node and thread number.
    state : ThreadState
    pc : int
        Address of the next instruction; of a trapped thread, of the instruction that trapped.
    semaphore, needed, value : int or None
        Of a WAITING thread: the semaphore, what the thread needs of it, what it holds.
    register : int or None
        Vector register whose ``nread`` the next instruction waits for.
    """

    x: int
    y: int
    thread: int
    state: ThreadState
    pc: int
    semaphore: int | None = None
    needed: int | None = None
    value: int | None = None
    register: int | None = None


class GoldenArray:
    """Nodes of one configuration, linked as a mesh, with a host at a link of its edge.

    Parameters
    ----------
    config : NodeConfig
    rows, columns : int, optional
        Size of a whole array, whose host is at the west link of node (0, 0). Nodes lie at y = row, x = column; 1 to 8192 each.
    topology : Topology, optional
        The array, instead of rows and columns: what is dead, where the host is, and which memories there are.

    Members
    -------
    config, rows, columns, topology
    cycle : int
        Cycles since the array was made, as ``golden.clock`` counts them.
    host_inbox : list of Packet
        Packets that reached the host and answered none of its accesses, oldest first. The model's host answers no READ.
    lost_links : tuple of LinkLoss
        Links that have died, oldest first. Nothing is ever under way on a link here.

    Raises
    ------
    ValueError
        If rows or columns are out of range.
    """

    def __init__(self, config: NodeConfig, rows: int | None = None, columns: int | None = None, topology: Topology | None = None):
        self.topology = Topology.of(rows, columns, topology)
        self.config = config
        self.rows = self.topology.rows
        self.columns = self.topology.columns
        self.host_inbox: list[Packet] = []
        self.lost_links: tuple[LinkLoss, ...] = ()
        self._kills = KillPlan()
        self._clock = Clock()
        self._nodes = {
            (x, y): GoldenNode(config, x, y, self.topology.links(x, y), self._clock, self._carry, edges=self.topology.edges(x, y))
            for x, y in self.topology.sites()
        }
        self._memories = {memory.link: MemoryModel(memory, config.line_bytes) for memory in self.topology.memories}
        self._threads = [thread for node in self._nodes.values() for thread in node.threads]
        self._lists = [node.lists for node in self._nodes.values() if config.lists]

    @property
    def cycle(self) -> int:
        """Cycles since the array was made."""
        return self._clock.cycle

    def node(self, x: int, y: int) -> GoldenNode:
        """The node at these coordinates; ValueError if there is none."""
        try:
            return self._nodes[x, y]
        except KeyError:
            raise ValueError(self.topology.missing(x, y)) from None

    def memory(self, x: int, y: int, port: Port) -> MemoryModel:
        """The memory at a link that leads out of the array, to fill it and to read it; ValueError if there is none."""
        return self._memories[self.topology.memory(x, y, port).link]

    # -- host: packets ------------------------------------------------------------------------------------------------

    def write(self, x: int, y: int, offset: int, data: bytes) -> None:
        """Write bytes into a node's window by packets from the host.

        Raises
        ------
        NetworkAccessError
            If the node or the offset is not there.
        UnansweredError
            If the answer is lost.
        ValueError
            If coordinates or offset do not fit into a global address, or part of it would do nothing in the control page
            (:class:`golden.control_writes.ControlWriteError`).
        """
        self._write([(x, y, offset, data)])

    def write_many(self, writes: Iterable[tuple[int, int, int, bytes]]) -> None:
        """Any number of ``write``: each (x, y, offset, data), in this order; raises as ``write``."""
        if self.lost_links:
            self._write(writes)
            return
        for each in writes:
            self.write(*each)

    def _write(self, writes: Iterable[tuple[int, int, int, bytes]]) -> None:
        line = self.config.line_bytes
        written = {}
        for x, y, offset, data in writes:
            check_control_write(self.config, offset, len(data))
            position = 0
            while position < len(data):
                target = GlobalAddress(x, y, offset + position)
                inside = target.offset % line
                part = data[position : position + line - inside]
                padded = bytes(inside) + part + bytes(line - inside - len(part))
                self._access(Kind.WRITE, target, mask=(1 << len(part)) - 1 << inside, data=padded)
                position += len(part)
                written[x, y] = offset
        if self.lost_links:
            # Where a link has died the ERROR may be lost as well; an answer tells that there was none.
            for (x, y), offset in written.items():
                self.read(x, y, offset, 1)

    def read(self, x: int, y: int, offset: int, length: int) -> bytes:
        """Read bytes of a node's window by packets from the host; raises as ``write`` does."""
        line = self.config.line_bytes
        result = bytearray()
        while len(result) < length:
            target = GlobalAddress(x, y, offset + len(result))
            inside = target.offset % line
            answer = self._access(Kind.READ, target)
            if answer is None:
                raise UnansweredError(f"a READ of offset {target.offset:#x} of node x={x}, y={y} was not answered")
            result += answer.data[inside : inside + length - len(result)]
        return bytes(result)

    def read_many(self, reads: Iterable[tuple[int, int, int, int]]) -> list[bytes]:
        """Any number of ``read``: each (x, y, offset, length); raises as ``write``."""
        return [self.read(*each) for each in reads]

    def multicast(self, x: int, y: int, columns: int, rows: int, offset: int, data: bytes, post: int | None = None) -> None:
        """Write the same bytes into all live nodes of a rectangle.

        The network copies the packets on their way. Where it would not, because routing tables count or sites of the rectangle
        have no node, each live node gets packets of its own, with the same result; it takes the host as many more packets.

        Parameters
        ----------
        x, y, columns, rows : int
            The rectangle, by its north-west corner and its sides; it may be a single node.
        offset : int
            Of the first byte in a node's window.
        data : bytes
        post : int, optional
            Semaphore that each packet posts in each node, one packet for each line that the bytes touch.

        Raises
        ------
        NetworkAccessError
            If the rectangle reaches beyond the array, a node cannot be reached, or the offset is not there. Other nodes may have
            been written then. Dead nodes are no error.
        ValueError
            If there is no such address, or as ``write``.
        """
        check_control_write(self.config, offset, len(data))
        rectangle, host = GlobalAddress.rectangle(x, y, columns, rows, offset), self.topology.host_link
        tables = bool(self.config.route_bits and self.read_register(*host[:2], ROUTE_CONTROL_OFFSET) & ROUTE_ENABLE)
        targets, beyond = multicast_targets(self.topology, tables, rectangle)
        before = len(self.host_inbox)
        for target in targets:
            for packet in write_packets(self.config.line_bytes, target, data, host, post=post):
                self.send(packet)
        answers = self.host_inbox[before:]
        del self.host_inbox[before:]
        if answers:
            raise NetworkAccessError(GlobalAddress.unpack(answers[0].failed_address), NetworkError(answers[0].sem))
        if beyond:
            raise NetworkAccessError(rectangle, NetworkError.UNREACHABLE)

    def write_register(self, x: int, y: int, offset: int, value: int) -> None:
        """Write a 64-bit register of the control page, given its offset in the window, a multiple of 8; raises as ``write``."""
        self._check_register(offset)
        self.write(x, y, offset, value.to_bytes(8, "little"))

    def read_register(self, x: int, y: int, offset: int) -> int:
        """Read a 64-bit register of the control page, given its offset in the window, a multiple of 8; raises as ``write``."""
        self._check_register(offset)
        return int.from_bytes(self.read(x, y, offset, 8), "little")

    def send(self, packet: Packet) -> None:
        """Let the host send any packet; it enters through the host's link."""
        x, y, port = self.topology.host_link
        self._walk(packet, self._nodes[x, y], port)

    # -- host: back door ----------------------------------------------------------------------------------------------

    def peek(self, x: int, y: int, offset: int, length: int) -> bytes:
        """Bytes of a node's SRAM, without packets; ValueError if they are not there."""
        self._check_sram(offset, length)
        return bytes(self.node(x, y).sram[offset : offset + length])

    def poke(self, x: int, y: int, offset: int, data: bytes) -> None:
        """Change bytes of a node's SRAM, without packets; ValueError if they are not there."""
        self._check_sram(offset, len(data))
        self.node(x, y).sram[offset : offset + len(data)] = data

    # -- running ------------------------------------------------------------------------------------------------------

    def run(self, max_cycles: int | None = None, until: str = "ended") -> RunResult:
        """Run until every node has ended, ``max_cycles`` are over, or nothing can move any more.

        With threads that a debugger has stopped nothing has ended, but what cannot move is no deadlock either. A node has not
        ended as long as a list is under way.

        Parameters
        ----------
        max_cycles : int or None
            Limit for this run, as ``golden.clock`` counts cycles: in each round the instructions of the busiest thread.
        until : str
            "ended" is all there is.
        """
        if until != "ended":
            raise ValueError(f"until = {until!r} is not 'ended'")
        start = self._clock.cycle
        while self._is_active():
            for link in self._kills.take(self._clock.cycle):
                self.kill_link(*link)
            budget = QUANTUM if self._kills.next_cycle is None else min(QUANTUM, self._kills.next_cycle - self._clock.cycle)
            if max_cycles is not None:
                budget = min(budget, max_cycles - (self._clock.cycle - start))
            if budget <= 0:
                return RunResult("limit", self._clock.cycle - start)
            if run_round([*self._threads, *self._lists], self._clock, budget) == 0 and self._is_active():
                return RunResult("stopped" if self._has_stopped() else "deadlock", self._clock.cycle - start)
        return RunResult("stopped" if self._has_stopped() else "ended", self._clock.cycle - start)

    def _is_active(self) -> bool:
        """Whether a thread is RUNNING or WAITING, or a list under way."""
        return any(thread.active for thread in self._threads) or any(lists.busy for lists in self._lists)

    def _has_stopped(self) -> bool:
        """Whether a debugger has stopped a thread."""
        return any(thread.state is ThreadState.STOPPED for thread in self._threads)

    def thread_states(self) -> list[ThreadReport]:
        """State of every thread, row by row."""
        reports = []
        for thread in self._threads:
            node = thread.node
            report = {"x": node.x, "y": node.y, "thread": thread.number, "pc": thread.pc}
            if thread.state is ThreadState.WAITING:
                semaphore, needed = thread.awaited
                report |= {"semaphore": semaphore, "needed": needed, "value": node.semaphores[semaphore]}
            reports.append(ThreadReport(**report, state=thread.state, register=thread.blocked))
        return reports

    # -- links that die -----------------------------------------------------------------------------------------------

    def kill_link(self, x: int, y: int, port: Port) -> LinkLoss:
        """Let a link between two nodes die, as :meth:`scripts.simulator.SimulatedArray.kill_link` does.

        Raises
        ------
        TopologyError
            If there is no such link between two nodes.
        """
        topology = without_link(self.topology, (x, y, port))
        end = normal_link((x, y, port))
        step_x, step_y = STEPS[port]
        self._nodes[x, y].lose_link(port)
        self._nodes[x + step_x, y + step_y].lose_link(port.opposite)
        self.topology = topology
        self.lost_links += (LinkLoss(*end, self._clock.cycle),)
        return self.lost_links[-1]

    def plan_kill(self, cycle: int, link: Link) -> None:
        """Let a link die before that cycle of the array, if it runs so far; raises as :meth:`golden.link_loss.KillPlan.add`."""
        self._kills.add(self.topology, self._clock.cycle, cycle, link)

    # -- network ------------------------------------------------------------------------------------------------------

    def _carry(self, node: GoldenNode, packet: Packet) -> None:
        """Transport of the nodes: the packet enters the router of its sender."""
        self._walk(packet, node, Port.LOCAL)

    def _walk(self, packet: Packet, node: GoldenNode, arrival: Port) -> None:
        """Carry a packet, with all copies that it becomes, from router to router to its end."""
        under_way = deque([(node, arrival)])
        while under_way:
            node, arrival = under_way.popleft()
            for port in node.router.next_ports(packet, arrival):
                if port is None:
                    node.refuse(packet)
                elif port is Port.LOCAL:
                    node.deliver(packet)
                elif (neighbour := self._neighbour(node, port)) is not None:
                    under_way.append((neighbour, port.opposite))
                else:
                    self._leave(packet, node, port)

    def _neighbour(self, node: GoldenNode, port: Port) -> GoldenNode | None:
        """The node at the other end of a link; None if the link leads out of the array."""
        step_x, step_y = STEPS[port]
        return self._nodes.get((node.x + step_x, node.y + step_y))

    def _leave(self, packet: Packet, node: GoldenNode, port: Port) -> None:
        """A packet leaves the array, for a memory or for the host."""
        memory = self._memories.get((node.x, node.y, port))
        if memory is None:
            self.host_inbox.append(packet)
        elif (answer := memory.serve(packet)) is not None:
            self._walk(answer, node, port)

    def _access(self, kind: Kind, target: GlobalAddress, mask: int = 0, data: bytes = b"") -> Packet | None:
        """Send a request from the host; returns what answers it, None if nothing does, NetworkAccessError if it failed.

        Lists go on meanwhile, so that a host can wait for one without running the array.
        """
        run_round(self._lists, self._clock)
        before = len(self.host_inbox)
        x, y, port = self.topology.host_link
        self.send(Packet(kind, target.x, target.y, target.offset, src_x=x, src_y=y, src_exit=port, mask=mask, data=data))
        if len(self.host_inbox) == before:
            return None
        answer = self.host_inbox.pop()
        if answer.kind is Kind.ERROR:
            raise NetworkAccessError(target, NetworkError(answer.sem))
        return answer

    @staticmethod
    def _check_register(offset: int) -> None:
        if offset % 8:
            raise ValueError(f"register offset {offset:#x} is not a multiple of 8")

    def _check_sram(self, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or offset + length > self.config.sram_bytes:
            raise ValueError(f"{length} bytes at offset {offset:#x} are not in an SRAM of {self.config.sram_bytes} bytes")
