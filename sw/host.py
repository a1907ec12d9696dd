# SPDX-License-Identifier: Apache-2.0
"""The host: loads programs into the nodes of an array, starts them, waits for their end and reports it, by packets alone.

It drives any backend: the golden array, the compiled one, a board.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from golden.config import CONTROL_PAGE_OFFSET
from golden.layout import (
    DROPPED_BIT,
    LINK_PORTS,
    LOST_LINKS_BIT,
    OVERFLOW_BIT,
    SRAM_BASE,
    THREAD_BLOCK,
    THREAD_STRIDE,
    ControlRegister,
    ThreadRegister,
    control_offset,
    thread_offset,
)
from golden.link_loss import LinkLoss
from golden.mesh import NetworkAccessError, UnansweredError
from golden.program import Program
from golden.topology import Link
from sw.backend import (
    ArrayBackend,
    BatchBackend,
    BreakableBackend,
    HostError,
    RunOutcome,
    Site,
    ThreadSnapshot,
    all_sites,
    read_blocks,
    topology_of,
    write_blocks,
)
from sw.console import Console, Output, serves
from sw.list_report import list_faults, list_faults_cleared
from sw.routing import set_up_routes
from sw.run_report import NodeOutput, NodeReport, RunReport, ThreadReport, TrapReport, node_report, thread_report
from sw.run_state import RunState

__all__ = [
    "PLACEMENT_SYMBOL",
    "ArrayBackend",
    "BatchBackend",
    "HostError",
    "NodeOutput",
    "NodeReport",
    "RunOutcome",
    "RunReport",
    "Site",
    "ThreadReport",
    "ThreadSnapshot",
    "TrapReport",
    "all_sites",
    "check_thread",
    "control_registers",
    "load_program",
    "placement",
    "read_blocks",
    "run_program",
    "start",
    "write_blocks",
]

#: What STATUS remembers until it is written.
_REMEMBERED = 1 << OVERFLOW_BIT | 1 << DROPPED_BIT | (1 << len(LINK_PORTS)) - 1 << LOST_LINKS_BIT

#: Bytes of the control page that hold registers of the node.
_NODE_REGISTERS_BYTES = max(ControlRegister) + 8

#: Symbol of a program's table of the nodes that it is meant for.
PLACEMENT_SYMBOL = "d1_placement"


def control_registers(array: ArrayBackend, sites: Sequence[Site], registers: Sequence[ControlRegister]) -> list[tuple[int, ...]]:
    """Values of registers that exist once per node, for each site in the order of ``registers``."""
    pages = read_blocks(array, [(x, y, CONTROL_PAGE_OFFSET, _NODE_REGISTERS_BYTES) for x, y in sites])
    return [_values(page, registers) for page in pages]


def placement(array: ArrayBackend, program: Program) -> list[Site]:
    """The nodes that a program is meant for: those in its own table, or all.

    The table lies at the symbol ``d1_placement``: 16-bit numbers, first how many nodes, then row and column of each.

    Raises
    ------
    HostError
        If the table does not lie in the program, names a node that the array does not have, or names one twice.
    """
    address = program.symbols.get(PLACEMENT_SYMBOL)
    if address is None:
        return all_sites(array)

    def halfword(index: int) -> int:
        where = address + 2 * index
        for start, contents in program.segments:
            if start <= where and where + 2 <= start + len(contents):
                return int.from_bytes(contents[where - start : where - start + 2], "little")
        raise HostError(
            f"the table at {PLACEMENT_SYMBOL} = {address:#x} is not in the program at {where:#x}; it holds 16-bit numbers: "
            "how many nodes, then row and column of each"
        )

    count = halfword(0)
    sites = [(halfword(2 * n + 2), halfword(2 * n + 1)) for n in range(count)]
    if not sites:
        raise HostError(f"the table at {PLACEMENT_SYMBOL} = {address:#x} names no node; it needs at least one")
    for n, (x, y) in enumerate(sites):
        if (x, y) in sites[:n]:
            raise HostError(f"the table at {PLACEMENT_SYMBOL} names row {y}, column {x} twice")
    try:
        return list(_checked(array, sites))
    except HostError as error:
        raise HostError(f"the table at {PLACEMENT_SYMBOL} = {address:#x} does not fit the array: {error}") from None


def load_program(array: ArrayBackend, program: Program, sites: Sequence[Site] | None = None) -> None:
    """Write a program into nodes and tell them where its ``tohost`` is; nothing is started.

    Before that, an array with dead nodes or links is made to route around them, unless it does already.

    Parameters
    ----------
    array : ArrayBackend
    program : Program
    sites : sequence of (x, y), optional
        Nodes to load; every node if left out.

    Raises
    ------
    ProgramError
        If it does not fit into a node.
    HostError
        If a site is not in the array.
    sw.routing.RoutingError
        If there are no routes around what is dead.
    """
    program.check(array.config)
    blocks = []
    chosen = _checked(array, sites)
    set_up_routes(array)
    for x, y in chosen:
        blocks += [(x, y, address - SRAM_BASE, contents) for address, contents in program.segments]
        tohost = program.tohost or 0
        blocks.append((x, y, control_offset(ControlRegister.TOHOST_ADDRESS), tohost.to_bytes(8, "little")))
    write_blocks(array, blocks)


def check_thread(array: ArrayBackend, x: int, y: int, thread: int) -> None:
    """HostError if there is no such node or thread."""
    _checked(array, [(x, y)])
    if not 0 <= thread < array.config.threads:
        raise HostError(f"there is no thread {thread}; a node '{array.config.name}' has {array.config.threads}")


def start(array: ArrayBackend, x: int, y: int, thread: int, pc: int) -> None:
    """Start a thread.

    Raises
    ------
    HostError
        If there is no such node or thread.
    """
    check_thread(array, x, y, thread)
    array.write_register(x, y, thread_offset(thread, ThreadRegister.PC), pc)


def run_program(
    array: ArrayBackend,
    program: Program,
    max_cycles: int,
    sites: Sequence[Site] | None = None,
    *,
    load: bool = True,
    output: Output | None = None,
    state: RunState | None = None,
    kills: Sequence[tuple[int, Link]] = (),
) -> RunReport:
    """Load a program into nodes, start thread 0 of each at its entry, run until all have ended, and report.

    What a program asks of the host by ``tohost`` and ``fromhost`` is done meanwhile (:mod:`sw.console`). A semaphore that
    overflowed makes the run fail, and so does a network error for which a thread took no trap, a link that dies with packets on
    it, a response that a node had to drop, a list that has failed and a start of one that was ignored, in the nodes that run it.
    They forget it when it has been reported, errors when the thread starts again.

    Parameters
    ----------
    array : ArrayBackend
    program : Program
    max_cycles : int
        Give up after so many cycles; at least 1.
    sites : sequence of (x, y), optional
        Nodes that run it; those of :func:`placement` if left out.
    load : bool
        False if the program has been loaded already.
    output : callable, optional
        Gets what a node writes as it comes: its site, 1 or 2 (standard output or errors), bytes.
    state : RunState, optional
        Kept up to date while the program runs. A run that was started already goes on, and the limit counts from its start.
    kills : sequence of (cycle, link), optional
        Links between two nodes that die so many cycles after the start, where the backend can do that.

    Raises
    ------
    ProgramError
        If the program does not fit into a node.
    HostError
        If a site is not in the array, the limit is below 1, or links cannot die then, or not in this backend.
    sw.console.RequestError
        If a program asks for something that the host does not do.
    """
    if max_cycles < 1:
        raise HostError(f"a limit of {max_cycles} cycles is not allowed; it must be at least 1")
    chosen = placement(array, program) if sites is None else _checked(array, sites)
    state = state or RunState()
    if not state.started:
        if load:
            load_program(array, program, chosen)
        entry = program.entry.to_bytes(8, "little")
        write_blocks(array, [(x, y, thread_offset(0, ThreadRegister.PC), entry) for x, y in chosen])
        state.started = True
    _plan_kills(array, kills, state.passed)
    began = array.cycle - state.passed if isinstance(array, BreakableBackend) else 0
    unanswered = ""
    try:
        if serves(program):
            outcome = Console(array, program, chosen, output, state).run(max_cycles)
            reason, passed = outcome.reason, outcome.cycles
        else:
            outcome = array.run(max(0, max_cycles - state.passed))
            reason, passed = outcome.reason, state.passed + outcome.cycles
    except (NetworkAccessError, UnansweredError) as error:
        if not (isinstance(array, BreakableBackend) and array.lost_links):
            raise
        reason, passed, unanswered = "deadlock", state.passed, str(error)
    ended = reason == "ended"
    threads = () if ended else tuple(thread_report(snapshot) for snapshot in array.thread_states())

    nodes, span = _look_at(array, chosen, state)
    cycles = span if ended and span is not None else passed
    texts = tuple(
        NodeOutput(y, x, bytes(state.written[x, y]).decode(errors="replace")) for x, y in chosen if (x, y) in state.written
    )
    return RunReport(reason, cycles, nodes, threads, texts, _losses(array, began), unanswered)


def _look_at(array: ArrayBackend, sites: Sequence[Site], state: RunState) -> tuple[tuple[NodeReport, ...], int | None]:
    """How each node has ended, and the cycles from the first start to the last stop, if any node answers.

    What nodes remember of what went wrong they forget then.
    """
    counters = (
        ControlRegister.STATUS,
        ControlRegister.TOHOST,
        ControlRegister.RETIRED,
        ControlRegister.FIRST_START,
        ControlRegister.LAST_STOP,
    )
    pages = _read_answering(array, [(x, y, CONTROL_PAGE_OFFSET, _NODE_REGISTERS_BYTES) for x, y in sites])
    values = {site: _values(page, counters) for site, page in zip(sites, pages, strict=True) if page is not None}
    answering = list(values)
    blocks = [(x, y, CONTROL_PAGE_OFFSET + THREAD_BLOCK, THREAD_STRIDE * array.config.threads) for x, y in answering]
    threads = dict(zip(answering, read_blocks(array, blocks), strict=True))
    lists = dict(zip(answering, list_faults(array, answering), strict=True))
    forget = [
        (x, y, control_offset(ControlRegister.STATUS), bytes(8))
        for (x, y), (status, *_) in values.items()
        if status & _REMEMBERED
    ]
    for site, faults in lists.items():
        forget += list_faults_cleared(site, faults)
    if forget:
        write_blocks(array, forget)
    nodes = tuple(
        node_report(site, values[site][:3], threads[site], state.exit_codes.get(site), lists[site])
        if site in values
        else NodeReport(site[1], site[0], None, 0, None, answers=False)
        for site in sites
    )
    if not values:
        return nodes, None
    return nodes, max(each[4] for each in values.values()) - min(each[3] for each in values.values())


def _values(page: bytes, registers: Sequence[ControlRegister]) -> tuple[int, ...]:
    return tuple(int.from_bytes(page[register : register + 8], "little") for register in registers)


def _losses(array: ArrayBackend, began: int) -> tuple[LinkLoss, ...]:
    """Links that have died, by cycles since the start; of those that had died before it, a negative number or 0."""
    losses = array.lost_links if isinstance(array, BreakableBackend) else ()
    return tuple(replace(loss, cycle=loss.cycle - began) for loss in losses)


def _plan_kills(array: ArrayBackend, kills: Sequence[tuple[int, Link]], passed: int) -> None:
    """Let links die, by cycles since the start, of which some have passed."""
    if kills and not isinstance(array, BreakableBackend):
        raise HostError("links of this backend cannot die at will; take a simulated array or the golden one")
    for cycle, link in kills:
        assert isinstance(array, BreakableBackend)
        try:
            array.plan_kill(array.cycle + cycle - passed, link)
        except ValueError as error:
            raise HostError(f"a link cannot die in cycle {cycle}: {error}") from None


def _read_answering(array: ArrayBackend, blocks: list[tuple[int, int, int, int]]) -> list[bytes | None]:
    """Blocks as :func:`sw.backend.read_blocks` reads them; where a link has died, None for nodes that cannot be reached."""
    try:
        return list(read_blocks(array, blocks))
    except (NetworkAccessError, UnansweredError):
        if not (isinstance(array, BreakableBackend) and array.lost_links):
            raise
    contents: list[bytes | None] = []
    for block in blocks:
        try:
            contents.append(array.read(*block))
        except (NetworkAccessError, UnansweredError):
            contents.append(None)
    return contents


def _checked(array: ArrayBackend, sites: Sequence[Site] | None) -> list[Site]:
    if sites is None:
        return all_sites(array)
    topology = topology_of(array)
    for x, y in sites:
        if not topology.contains(x, y):
            raise HostError(f"there is no node in row {y}, column {x}; the array has {array.rows} rows, {array.columns} columns")
        if not topology.is_live(x, y):
            raise HostError(f"the node in row {y}, column {x} is dead in this array")
    return list(sites)
