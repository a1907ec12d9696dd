# SPDX-License-Identifier: Apache-2.0
"""Traffic between all threads of an array of which it can be told afterwards what became of every packet."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any

from golden.config import NodeConfig
from golden.layout import (
    DROPPED_BIT,
    SRAM_BASE,
    ControlRegister,
    GlobalAddress,
    Kind,
    ThreadRegister,
    control_offset,
    semaphore_offset,
    thread_offset,
)
from golden.link_loss import Waiting
from golden.mesh import NetworkAccessError, RunResult, UnansweredError
from golden.program import Program
from golden.topology import Site
from sw.assembler import assemble
from sw.host import all_sites, load_program

#: Bytes in which a thread notes what it does: how many peers it has asked, how many errors there were, and their addresses.
_NOTES = 256

#: Bytes for the lines that others write into a node.
_LINES = 4096

#: Each thread writes a line to each peer, posts a semaphore there, reads the line back, and waits for it before it goes on.
_SOURCE = f"""
_start:   csrr s0, mhartid
          andi s0, s0, 3
          la s1, notes
          li t0, {_NOTES}
          mul t0, t0, s0
          add s1, s1, t0
          la t0, handler
          csrw mtvec, t0
          addi s4, s1, 16           # where the next error is noted
          la s2, peers
          ld s3, (s2)
          slli s5, s0, LINE         # each thread has its line
          la t1, marker
          vld v0, (t1)
          la s6, scratch
          add s6, s6, s5
1:        addi s2, s2, 8
          ld t1, (s2)
          add t1, t1, s5
          ld t0, (s1)
          addi t0, t0, 1
          sd t0, (s1)
          nwrite.s v0, (t1), 1
          nread v1, (t1)
          vst v1, (s6)
          addi s3, s3, -1
          bnez s3, 1b
          halt zero
# Both may fail, and the second error waits until the first is noted. A line that is not read stays what it was.
handler:  csrr t5, mtval
          sd t5, (s4)
          addi s4, s4, 8
          ld t5, 8(s1)
          addi t5, t5, 1
          sd t5, 8(s1)
          mret
          .balign 64
marker:   .fill 8, 8, -1
scratch:  .zero 4 * 64
          .balign 8
peers:    .zero 8 * 40
notes:    .zero 4 * {_NOTES}
          .balign 64
lines:    .zero {_LINES}
"""


@dataclass
class Outcome:
    """What became of the traffic.

    Attributes
    ----------
    result : RunResult
    arrived, failed, lost, unexplained : int
        WRITEs that arrived; whose senders got an ERROR; that, or whose ERROR, the loss report has; for which a node says that it
        has dropped a response.
    stuck : set of (x, y, thread)
        Threads that wait for ever.
    status : dict
        STATUS of each node; None if it cannot be reached any more.
    """

    result: RunResult
    arrived: int = 0
    failed: int = 0
    lost: int = 0
    unexplained: int = 0
    stuck: set[tuple[int, int, int]] = field(default_factory=set)
    status: dict[Site, int | None] = field(default_factory=dict)


class Traffic:
    """All threads of all nodes of an array, from load to the count of packets.

    Parameters
    ----------
    array
        Any backend with ``plan_kill`` and ``lost_links``.
    rounds : int
        How often each thread goes through its peers.
    """

    def __init__(self, array: Any, rounds: int = 1):
        self.array = array
        self.config: NodeConfig = array.config
        line = self.config.line_bytes.bit_length() - 1
        self.program: Program = assemble(_SOURCE.replace("LINE", str(line)), config=self.config)
        self.sites: list[Site] = all_sites(array)
        self.rounds = rounds
        lines = len(self.sites) * rounds * self.config.threads * self.config.line_bytes
        assert max(lines - _LINES, 16 + 8 * len(self.sites) * rounds - _NOTES) <= 0, "there is no room for so much traffic"
        load_program(array, self.program)
        self._posts = {site: self._register(site, semaphore_offset(1)) or 0 for site in self.sites}
        for number, (x, y) in enumerate(self.sites):
            peers = [self._target(number, n) for n in range(len(self.sites) * rounds)]
            words = [len(peers), *map(int, peers)]
            array.poke(x, y, self._offset("peers"), b"".join(word.to_bytes(8, "little") for word in words))
            array.poke(x, y, self._offset("notes"), bytes(self.config.threads * _NOTES))
            array.poke(x, y, self._offset("lines"), bytes(_LINES))

    def _offset(self, symbol: str) -> int:
        return self.program.symbols[symbol] - SRAM_BASE

    def _target(self, sender: int, n: int) -> GlobalAddress:
        """The first line of four that a sender's threads write in their n-th step, in turn from its neighbour on."""
        x, y = self.sites[(sender + n) % len(self.sites)]
        place = (n // len(self.sites) * len(self.sites) + sender) * self.config.threads
        return GlobalAddress(x, y, self._offset("lines") + place * self.config.line_bytes)

    def start(self) -> None:
        """Start all threads that can be reached, by packets."""
        for x, y in self.sites:
            for thread in range(self.config.threads):
                with contextlib.suppress(NetworkAccessError, UnansweredError):
                    self.array.write_register(x, y, thread_offset(thread, ThreadRegister.PC), self.program.entry)

    def finish(self, limit: int = 60_000) -> Outcome:
        """Run until nothing moves, and tell what became of every packet; fails if one is silently gone, or came twice."""
        array = self.array
        outcome = Outcome(array.run(limit))
        assert outcome.result.reason in ("ended", "deadlock")
        lost = [each.packet for loss in array.lost_links for each in loss.lost]
        waiting = {waiting for loss in array.lost_links for waiting in loss.waiting}
        outcome.status = {site: self._register(site, control_offset(ControlRegister.STATUS)) for site in self.sites}
        dropped = any(value is None or value >> DROPPED_BIT & 1 for value in outcome.status.values())
        came = dict.fromkeys(self.sites, 0)
        marker = b"\xff" * self.config.line_bytes
        for sender, (x, y) in enumerate(self.sites):
            for thread in range(self.config.threads):
                notes = array.peek(x, y, self._offset("notes") + thread * _NOTES, _NOTES)
                asked, errors, *addresses = (int.from_bytes(notes[n : n + 8], "little") for n in range(0, _NOTES, 8))
                failed = addresses[:errors]
                for n in range(asked):
                    first = self._target(sender, n)
                    target = GlobalAddress(first.x, first.y, first.offset + thread * self.config.line_bytes)
                    contents = array.peek(target.x, target.y, target.offset, self.config.line_bytes)
                    assert contents in (marker, bytes(len(marker))), "a packet was damaged"
                    if contents == marker:
                        outcome.arrived += 1
                        came[target.x, target.y] += 1
                        continue
                    write = any(p.kind is Kind.WRITE and (p.x, p.y, p.offset) == target_place(target) for p in lost)
                    error = any(p.kind is Kind.ERROR and (p.src_x, p.src_y, p.offset) == target_place(target) for p in lost)
                    if int(target) in failed:
                        outcome.failed += 1
                    elif write or error:
                        outcome.lost += 1
                    else:
                        assert dropped, f"the WRITE of thread {thread} of {x, y} to {target} is silently gone"
                        outcome.unexplained += 1
                if array_running(array, x, y, thread):
                    outcome.stuck.add((x, y, thread))
                    known = Waiting(y, x, thread, 1) in waiting
                    assert known or dropped, f"thread {thread} of {x, y} waits for ever, and nobody tells why"
        for site, count in came.items():
            posted = self._register(site, semaphore_offset(1))
            assert posted is None or posted - self._posts[site] == count, (
                f"{posted} WRITEs were obeyed in {site}, and {count} arrived"
            )
        assert bool(outcome.stuck) == (outcome.result.reason == "deadlock")
        return outcome

    def _register(self, site: Site, offset: int) -> int | None:
        """None if the node cannot be reached any more."""
        try:
            return int(self.array.read_register(*site, offset))
        except (NetworkAccessError, UnansweredError):
            return None


def target_place(target: GlobalAddress) -> tuple[int, int, int]:
    """Coordinates and offset."""
    return target.x, target.y, target.offset


def array_running(array: Any, x: int, y: int, thread: int) -> bool:
    """Whether a thread still runs, looked at past all packets."""
    if hasattr(array, "node_state"):
        return bool(array.node_state(x, y).running >> thread & 1)
    return bool(array.node(x, y).threads[thread].active)
