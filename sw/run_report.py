# SPDX-License-Identifier: Apache-2.0
"""What became of a run: of the array, of each node, of threads that have not ended, and of what went wrong with links."""

from __future__ import annotations

import struct
from dataclasses import asdict, dataclass
from typing import Any

from golden.layout import (
    DROPPED_BIT,
    LINK_PORTS,
    LOST_LINKS_BIT,
    MAX_UNHANDLED_ERRORS,
    OVERFLOW_BIT,
    OVERFLOWED_SEMAPHORE_BIT,
    SEMAPHORE_ID_BITS,
    SEMAPHORE_VALUE_BITS,
    THREAD_STRIDE,
    Cause,
    ThreadRegister,
    ThreadState,
)
from golden.link_loss import LinkLoss, Waiting
from sw.backend import Site, ThreadSnapshot
from sw.list_report import ListFailure, ListFaults

__all__ = [
    "NodeOutput",
    "NodeReport",
    "RunReport",
    "ThreadReport",
    "TrapReport",
    "UnhandledErrors",
    "node_report",
    "thread_report",
]

#: STATUS: the node's program ended by ``tohost``.
_EXITED = 1 << 12

#: What a semaphore counts to.
_MAX_COUNT = (1 << SEMAPHORE_VALUE_BITS) - 1

#: What a run that did not end is called.
_TITLES = {
    "limit": "the cycle limit is reached",
    "deadlock": "no thread can go on",
    "stopped": "a debugger has stopped threads, and no other thread can go on,",
}


@dataclass(frozen=True)
class TrapReport:
    """A thread that stopped at a trap.

    Attributes
    ----------
    thread : int
    pc : int
        Address of the instruction.
    cause : int
        ``mcause``; names are those of ``golden.layout.Cause``.
    value : int
        ``mtval``.
    """

    thread: int
    pc: int
    cause: int
    value: int

    def __str__(self) -> str:
        name = Cause(self.cause).name if self.cause in set(Cause) else f"cause {self.cause}"
        return f"thread {self.thread} trapped at pc {self.pc:#x}: {name}, value {self.value:#x}"


@dataclass(frozen=True)
class UnhandledErrors:
    """Network errors for which a thread took no trap.

    Attributes
    ----------
    thread : int
    count : int
        At most MAX_UNHANDLED_ERRORS.
    """

    thread: int
    count: int

    def __str__(self) -> str:
        at_least = "at least " if self.count == MAX_UNHANDLED_ERRORS else ""
        errors = "a network error" if self.count == 1 else f"{at_least}{self.count} network errors"
        return f"{errors} of thread {self.thread} went unhandled: it took no trap for {'it' if self.count == 1 else 'them'}"


@dataclass(frozen=True)
class NodeReport:
    """How a node's program ended.

    Attributes
    ----------
    row, column : int
    exit_code : int or None
        None if the node has not ended.
    retired : int
        Instructions, all threads.
    trap : TrapReport or None
        Of the lowest thread that is trapped.
    overflowed_semaphore : int or None
        The first semaphore that a post found full, which loses counts.
    lost_links : tuple of str
        Ports of links that the node has seen go away.
    dropped : bool
        Whether it has dropped a packet, such as a response that could not go on.
    failed_lists : tuple of ListFailure
        Lists that have failed, the last one of each place, unless the program has cleared that.
    ignored_lists : int
        Starts of lists by packets that found no free place.
    unhandled_errors : tuple of UnhandledErrors
        Of each thread that has any.
    answers : bool
        False if the host cannot reach it any more, so that nothing of the above is known.
    """

    row: int
    column: int
    exit_code: int | None
    retired: int
    trap: TrapReport | None
    overflowed_semaphore: int | None = None
    lost_links: tuple[str, ...] = ()
    dropped: bool = False
    failed_lists: tuple[ListFailure, ...] = ()
    ignored_lists: int = 0
    unhandled_errors: tuple[UnhandledErrors, ...] = ()
    answers: bool = True

    @property
    def passed(self) -> bool:
        """Whether it ended with success."""
        return self.exit_code == 0 and self.trap is None and not self.faults

    @property
    def faults(self) -> tuple[str, ...]:
        """What went wrong beside exit codes and traps, each as a sentence."""
        faults = []
        if self.overflowed_semaphore is not None:
            faults.append(f"semaphore {self.overflowed_semaphore} overflowed: it was posted beyond {_MAX_COUNT:,}")
        faults += map(str, self.unhandled_errors)
        faults += map(str, self.failed_lists)
        if self.ignored_lists:
            times = "a start of a list was" if self.ignored_lists == 1 else f"{self.ignored_lists:,} starts of lists were"
            faults.append(f"{times} ignored: all places were taken")
        return tuple(faults)

    def __str__(self) -> str:
        if not self.answers:
            outcome = "does not answer the host"
        elif self.trap is not None:
            outcome = str(self.trap)
        elif self.exit_code is None:
            outcome = "did not end"
        else:
            outcome = f"exit code {self.exit_code}"
        return f"node row {self.row}, column {self.column}: {', and '.join((outcome, *self.faults))}"


@dataclass(frozen=True)
class ThreadReport:
    """A thread when a run was given up.

    Attributes
    ----------
    row, column, thread : int
    state : str
        Name of the ThreadState.
    pc : int
        Next instruction; of a trapped thread, the one that trapped.
    semaphore, needed, value : int or None
        Of a waiting thread, if the backend knows it: the semaphore, what the thread needs of it, what it holds.
    """

    row: int
    column: int
    thread: int
    state: str
    pc: int
    semaphore: int | None = None
    needed: int | None = None
    value: int | None = None

    def __str__(self) -> str:
        text = f"node row {self.row}, column {self.column}, thread {self.thread}: {self.state} at pc {self.pc:#x}"
        if self.semaphore is not None:
            text += f", semaphore {self.semaphore} holds {self.value}"
            text += "" if self.needed is None else f" of {self.needed}"
        return text


@dataclass(frozen=True)
class NodeOutput:
    """What a node's program wrote through the host.

    Attributes
    ----------
    row, column : int
    text : str
        All of it, to whichever descriptor; what is no UTF-8 is replaced.
    """

    row: int
    column: int
    text: str


@dataclass(frozen=True)
class RunReport:
    """How a run ended.

    Attributes
    ----------
    reason : str
        "ended", "limit", "deadlock", or "stopped" where nothing moves any more and a debugger has stopped threads.
    cycles : int
        From the first start of a thread to the last stop in any of the nodes; if they did not end, the cycles that were run.
    nodes : tuple of NodeReport
        In the order of the sites.
    threads : tuple of ThreadReport
        State of every thread if the run was given up, else empty.
    console : tuple of NodeOutput
        Of the nodes that wrote something, in the order of the sites.
    links : tuple of LinkLoss
        Links that have died, each in the cycle that it was since the start.
    unanswered : str
        What the host did not get while programs ran; the run was given up then. Empty if it got everything.
    """

    reason: str
    cycles: int
    nodes: tuple[NodeReport, ...]
    threads: tuple[ThreadReport, ...] = ()
    console: tuple[NodeOutput, ...] = ()
    links: tuple[LinkLoss, ...] = ()
    unanswered: str = ""

    @property
    def passed(self) -> bool:
        """Whether every node ended with success, and no packet was lost."""
        return self.reason == "ended" and all(node.passed for node in self.nodes) and not self.lost_packets

    @property
    def lost_packets(self) -> bool:
        """Whether packets were lost: on a link that died, or responses that a node had to drop."""
        return any(link.lost for link in self.links) or any(node.dropped for node in self.nodes)

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """Who waits for what was lost on links."""
        return tuple(waiting for link in self.links for waiting in link.waiting)

    def summary(self) -> str:
        """What went wrong, or that nothing did, for users."""
        links = [line for link in self.links for line in (str(link), *(f"    {lost}" for lost in link.lost))]
        noticed = [
            f"node row {node.row}, column {node.column} has seen its link to the {port} go away"
            for node in self.nodes
            for port in node.lost_links
        ]
        dropped = [
            f"node row {node.row}, column {node.column} has dropped a response that could not go on"
            for node in self.nodes
            if node.dropped
        ]
        losses = [*links, *noticed, *dropped, *map(str, self.waiting)]
        if self.reason == "ended":
            failed = [str(node) for node in self.nodes if not node.passed]
            title = f"{len(failed)} of {len(self.nodes)} nodes failed" if failed else "every node passed"
            return "\n".join([f"{title}, but packets were lost" if self.lost_packets else title, *failed, *losses])
        title = f"{_TITLES[self.reason]} after {self.cycles} cycles"
        failed = [str(node) for node in self.nodes if node.trap or node.faults or not node.answers]
        host = [f"the host waits in vain: {self.unanswered}"] if self.unanswered else []
        return "\n".join([title, *failed, *losses, *host, *map(str, self.threads)])

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it."""
        return {
            "passed": self.passed,
            "reason": self.reason,
            "cycles": self.cycles,
            "nodes": [asdict(node) for node in self.nodes],
            "threads": [asdict(thread) for thread in self.threads],
            "console": [asdict(output) for output in self.console],
            "links": [link.as_dict() for link in self.links],
            "waiting": [asdict(waiting) for waiting in self.waiting],
            "unanswered": self.unanswered,
        }


def thread_report(snapshot: ThreadSnapshot) -> ThreadReport:
    """What a backend says of a thread that has not ended, as a report."""
    return ThreadReport(
        row=snapshot.y,
        column=snapshot.x,
        thread=snapshot.thread,
        state=ThreadState(snapshot.state).name,
        pc=snapshot.pc,
        semaphore=getattr(snapshot, "semaphore", None),
        needed=getattr(snapshot, "needed", None),
        value=getattr(snapshot, "value", None),
    )


def node_report(site: Site, values: tuple[int, ...], threads: bytes, asked: int | None, lists: ListFaults) -> NodeReport:
    """A node's report from its registers.

    ``values`` are those of STATUS, TOHOST and RETIRED, ``threads`` the bytes of all its threads' registers, ``asked`` the exit
    code with which it asked the host to end it, ``lists`` what it remembers of lists.
    """
    x, y = site
    status, tohost, retired = values
    trap, active, stopped, first_code = None, False, False, 0
    unhandled = []
    for thread in range(len(threads) // THREAD_STRIDE):
        registers = struct.unpack_from("<8Q", threads, thread * THREAD_STRIDE)
        pc, state, cause, value, exit_code, errors = (
            registers[register // 8]
            for register in (
                ThreadRegister.PC, ThreadRegister.STATE, ThreadRegister.CAUSE, ThreadRegister.VALUE, ThreadRegister.EXIT_CODE,
                ThreadRegister.UNHANDLED_ERRORS,
            )
        )  # fmt: skip
        if errors:
            unhandled.append(UnhandledErrors(thread, errors))
        if thread == 0:
            first_code = exit_code
        if state == ThreadState.TRAPPED and trap is None:
            trap = TrapReport(thread, pc, cause, value)
        active |= state in (ThreadState.RUNNING, ThreadState.WAITING)
        stopped |= state == ThreadState.STOPPED
    exited = asked is not None or bool(status & _EXITED)
    ended_with = asked if asked is not None else tohost >> 1 if exited else first_code
    code = None if active or (stopped and not exited) else ended_with
    overflowed = status >> OVERFLOWED_SEMAPHORE_BIT & (1 << SEMAPHORE_ID_BITS) - 1 if status >> OVERFLOW_BIT & 1 else None
    lost = tuple(port.name.lower() for bit, port in enumerate(LINK_PORTS) if status >> LOST_LINKS_BIT + bit & 1)
    dropped = bool(status >> DROPPED_BIT & 1)
    return NodeReport(y, x, code, retired, trap, overflowed, lost, dropped, lists.failures, lists.ignored, tuple(unhandled))
