# SPDX-License-Identifier: Apache-2.0
"""A compiled node and the golden one, which a debugger drives alike by packets, and whose states are compared."""

from __future__ import annotations

from golden.config import NodeConfig
from golden.instruction import Retirement
from golden.isa import Unit, decode
from golden.layout import (
    DEBUG_BUSY,
    DEBUG_CAUSE,
    DEBUG_FAILED,
    SRAM_BASE,
    Csr,
    DebugCommand,
    DebugReason,
    DebugRegister,
    ThreadRegister,
    ThreadState,
    debug_offset,
    thread_offset,
)
from golden.mesh import GoldenArray
from golden.program import Program
from scripts.simulator import SimulatedArray, SimulatorLibrary
from sw.disassembler import disassemble
from verif.golden.encoding import encode

__all__ = ["Debugged", "Site", "StatusFields"]

#: CSRs that follow from what a thread has executed.
_CSRS = tuple(csr for csr in Csr if csr not in (Csr.MCYCLE, Csr.DSCRATCH0))

#: Exchanges a0 with DATA.
_EXCHANGE = encode("csrrw", 10, Csr.DSCRATCH0, 10)

_LIMIT_POLLS, _LIMIT_CYCLES = 400, 20_000

#: In these the node has answered what an injected instruction asked of it.
_REQUEST_CYCLES = 200


class StatusFields:
    """The debug register STATUS."""

    def __init__(self, value: int):
        self.reason = DebugReason(value & 7)
        self.busy = bool(value >> DEBUG_BUSY & 1)
        self.failed = bool(value >> DEBUG_FAILED & 1)
        self.cause = value >> DEBUG_CAUSE & 63


class Site:
    """One node of an array, compiled or golden, in column 0."""

    def __init__(self, array: SimulatedArray | GoldenArray, y: int):
        self.array, self.y = array, y

    def write(self, *registers: tuple[int, int]) -> None:
        """Write registers of the control page, (offset, value), by packets that follow each other as closely as they can."""
        contents = [(0, self.y, offset, value.to_bytes(8, "little")) for offset, value in registers]
        if isinstance(self.array, SimulatedArray):
            self.array.write_many(contents)
        else:
            for each in contents:
                self.array.write(*each)

    def read(self, offset: int) -> int:
        """A register of the control page."""
        return self.array.read_register(0, self.y, offset)

    def write_bytes(self, offset: int, contents: bytes) -> None:
        """Write anywhere in the node's window, by packets."""
        self.array.write(0, self.y, offset, contents)

    def read_bytes(self, offset: int, length: int) -> bytes:
        """Read anywhere in the node's window, by packets."""
        return self.array.read(0, self.y, offset, length)

    def peek(self, offset: int, length: int) -> bytes:
        """SRAM by the back door."""
        return self.array.peek(0, self.y, offset, length)

    def poke(self, offset: int, contents: bytes) -> None:
        """Change SRAM by the back door."""
        self.array.poke(0, self.y, offset, contents)

    def run(self, cycles: int = _LIMIT_CYCLES) -> str:
        """Go on for so many cycles at most; returns why it ended."""
        return self.array.run(max_cycles=cycles).reason if cycles else "limit"

    def command(self, thread: int, command: DebugCommand) -> None:
        """Tell a thread something."""
        self.write((debug_offset(thread, DebugRegister.COMMAND), command))

    def inject(self, thread: int, word: int) -> None:
        """Give a thread an instruction."""
        self.write((debug_offset(thread, DebugRegister.INSTRUCTION), word))


class Debugged:
    """A column of compiled nodes and of golden ones, one of which is debugged.

    Parameters
    ----------
    library : SimulatorLibrary
    nodes, y : int
        Nodes of the column, and which one is debugged.

    Members
    -------
    config : NodeConfig
    compiled : SimulatedArray
    seen, golden : Site
        The node, and the golden one.
    """

    def __init__(self, library: SimulatorLibrary, nodes: int = 1, y: int = 0):
        self.config: NodeConfig = library.config
        threads = range(self.config.threads)
        self.compiled = SimulatedArray(self.config, nodes, 1, threads=1, library=library)
        golden = GoldenArray(self.config, nodes, 1)
        self.seen, self.golden = Site(self.compiled, y), Site(golden, y)
        self.node = golden.node(0, y)
        self._expected: list[list[Retirement]] = [[] for _ in threads]
        self._retired: list[list[Retirement]] = [[] for _ in threads]
        self._expected_writes: dict[tuple[int, int], list[bytes]] = {}
        self._writes: dict[tuple[int, int], list[bytes]] = {}
        self.node.on_retire = lambda record: self._expected[record.thread].append(record)
        self.node.on_vector_write = lambda thread, register, data: self._expected_writes.setdefault(
            (thread, register), []
        ).append(data)
        self.compiled.trace(True, True, (0, y))

    def __enter__(self) -> Debugged:
        return self

    def __exit__(self, *_: object) -> None:
        self.compiled.close()

    # -- both alike ---------------------------------------------------------------------------------------------------

    def load(self, program: Program) -> None:
        """Put a program into both memories, by the back door."""
        for address, contents in program.segments:
            self.poke(address - SRAM_BASE, contents)

    def poke(self, offset: int, contents: bytes) -> None:
        """Change both memories, by the back door."""
        self.seen.poke(offset, contents)
        self.golden.poke(offset, contents)

    def write(self, offset: int, value: int) -> None:
        """Write a register of both control pages."""
        self.seen.write((offset, value))
        self.golden.write((offset, value))

    def write_debug(self, thread: int, register: DebugRegister, value: int) -> None:
        """Write a register of the thread's debug block."""
        self.write(debug_offset(thread, register), value)

    def start(self, thread: int, pc: int) -> None:
        """Start a thread of both."""
        self.write(thread_offset(thread, ThreadRegister.PC), pc)

    def run(self) -> None:
        """Let both go on as far as they can."""
        self.seen.run()
        self.golden.run()

    def command(self, thread: int, command: DebugCommand) -> None:
        """Tell a thread of both something, and let both do it."""
        self.write_debug(thread, DebugRegister.COMMAND, command)
        self.golden.run()
        self.settle(thread)

    def settle(self, thread: int) -> None:
        """Let the compiled node do what a command or an instruction has begun, until it is done or waits for a semaphore."""
        for _ in range(_LIMIT_POLLS):
            if not self.status(thread).busy or self.state(thread) is ThreadState.WAITING:
                return
        raise AssertionError(f"thread {thread} is busy for {_LIMIT_POLLS} accesses: {self.state(thread).name}")

    def inject(self, thread: int, word: int) -> StatusFields:
        """Have a STOPPED thread of both execute a word, and compare where that leaves it."""
        self.write_debug(thread, DebugRegister.INSTRUCTION, word)
        self.golden.run()
        self.settle(thread)
        row = decode(word)
        if row is not None and row.unit is Unit.NETWORK:
            # The instruction does not wait for what it asked for, which may fail.
            self.seen.run(_REQUEST_CYCLES)
        self.check_thread(thread, f"after {disassemble(word)} was injected")
        return self.status(thread)

    def set_register(self, thread: int, register: int, value: int) -> None:
        """Give a scalar register of a STOPPED thread of both a value."""
        self.write_debug(thread, DebugRegister.DATA, value)
        self.inject(thread, encode("csrrs", register, Csr.DSCRATCH0, 0))

    def place(self, thread: int, pc: int) -> None:
        """Move a STOPPED thread of both to an address; no register changes."""
        self.write_debug(thread, DebugRegister.DATA, pc)
        for word in (_EXCHANGE, encode("jalr", 0, 0, 10), _EXCHANGE):
            self.inject(thread, word)
        assert self.pc(thread) == pc

    def follow(self, thread: int) -> bool:
        """Let the golden node's thread retire as many instructions as the compiled one's; both are STOPPED.

        Returns
        -------
        bool
            Whether the last one ended the thread.
        """
        self.seen.run(400)
        goal = len(self.retired(thread))
        while len(self._expected[thread]) < goal:
            before = len(self._expected[thread])
            self.golden.command(thread, DebugCommand.STEP)
            self.golden.run()
            assert len(self._expected[thread]) > before, f"thread {thread} of the golden node cannot retire instruction {before}"
        ended = self.node.threads[thread].state is not ThreadState.STOPPED
        # So that it has stopped for the same reason.
        self.golden.command(thread, DebugCommand.RESUME)
        self.golden.command(thread, DebugCommand.STOP)
        return ended

    # -- the compiled node --------------------------------------------------------------------------------------------

    def status(self, thread: int) -> StatusFields:
        """STATUS of the compiled node's thread."""
        return StatusFields(self.seen.read(debug_offset(thread, DebugRegister.STATUS)))

    def data(self, thread: int) -> int:
        """Its DATA."""
        return self.seen.read(debug_offset(thread, DebugRegister.DATA))

    def state(self, thread: int) -> ThreadState:
        """Its STATE."""
        return ThreadState(self.seen.read(thread_offset(thread, ThreadRegister.STATE)))

    def pc(self, thread: int) -> int:
        """Its PC."""
        return self.seen.read(thread_offset(thread, ThreadRegister.PC))

    def retired(self, thread: int) -> list[Retirement]:
        """What the compiled node's thread has retired, as far as the results are there."""
        for each in self.compiled.retirements():
            trapped = bool(each["trap"])
            cause = int(each["cause"]) if trapped else None
            writes = [
                (int(each["rd_address"][element]), int(each["rd_data"][element]))
                for element in range(2)
                if each["rd_valid"] >> element & 1
            ]
            record = Retirement(
                int(each["thread"]),
                int(each["pc"]),
                0 if cause == 1 else int(each["insn"]),
                cause,
                int(each["value"]) if trapped else None,
                tuple(writes),
            )
            self._retired[record.thread].append(record)
        return self._retired[thread]

    def expected(self, thread: int) -> list[Retirement]:
        """What the golden node's thread has retired."""
        return self._expected[thread]

    # -- comparison ---------------------------------------------------------------------------------------------------

    def check_thread(self, thread: int, when: str) -> None:
        """Fail if the thread is elsewhere than the golden one, or in another state, or its debug block shows other things."""
        for base, registers in (
            (thread_offset(thread, ThreadRegister.PC), ThreadRegister),
            (debug_offset(thread, DebugRegister.COMMAND), DebugRegister),
        ):
            length = max(registers) + 8
            seen, expected = (side.read_bytes(base, length) for side in (self.seen, self.golden))
            for register in registers:
                mine, wanted = (int.from_bytes(block[register : register + 8], "little") for block in (seen, expected))
                assert mine == wanted, f"thread {thread}, {when}: {register.name} is {mine:#x}, expected {wanted:#x}"

    def check_retired(self, thread: int) -> None:
        """Fail if the thread has retired anything else than the golden one."""
        seen, expected = self.retired(thread), self._expected[thread]
        for number, (mine, wanted) in enumerate(zip(seen, expected, strict=False)):
            assert mine == wanted, f"thread {thread}, instruction {number}: {_show(mine)}, expected {_show(wanted)}"
        assert len(seen) == len(expected), f"thread {thread} has retired {len(seen)} instructions, expected {len(expected)}"

    def check_vector_writes(self) -> None:
        """Fail if other values were written into vector registers."""
        for each in self.compiled.vector_writes():
            self._writes.setdefault((int(each["thread"]), int(each["register"])), []).append(each["data"].tobytes())
        for where in sorted(self._expected_writes.keys() | self._writes.keys()):
            seen, expected = self._writes.get(where, []), self._expected_writes.get(where, [])
            assert seen == expected, f"thread {where[0]} v{where[1]}: {seen}, expected {expected}"

    def check_memory(self, offset: int, length: int) -> None:
        """Fail if a byte of this part of SRAM differs."""
        seen, expected = self.seen.peek(offset, length), self.golden.peek(offset, length)
        differing = [number for number in range(length) if seen[number] != expected[number]]
        assert not differing, f"memory differs at {offset + differing[0]:#x} and in {len(differing) - 1} more bytes"

    def check_registers(self, thread: int, scratch: int) -> None:
        """Fail if a register of a STOPPED thread differs, all of which injected instructions show.

        Parameters
        ----------
        scratch : int
            Offset of SRAM that nobody uses, aligned to an accumulator.
        """
        for number in range(32):
            self._compare(thread, f"x{number}", encode("csrrw", 0, Csr.DSCRATCH0, number))
        for csr in _CSRS:
            self._compare(thread, csr.name, _EXCHANGE, encode("csrrs", 10, csr, 0), _EXCHANGE)
        for number in range(8):
            self._compare(thread, f"p{number}", _EXCHANGE, encode("pmv.x.p", 10, number), _EXCHANGE)
        stores = [encode("vst", number, 0, 10) for number in range(32)]
        stores += [encode("mst.f32", number, 10) for number in range(self.config.accumulators)]
        for store in stores:
            self.write_debug(thread, DebugRegister.DATA, SRAM_BASE + scratch)
            self._compare(thread, "a0", _EXCHANGE, store, _EXCHANGE)
            self.check_memory(scratch, self.config.accumulator_bytes)

    def _compare(self, thread: int, name: str, *words: int) -> None:
        """Inject words and compare what DATA is then."""
        for word in words:
            self.write_debug(thread, DebugRegister.INSTRUCTION, word)
            self.golden.run()
            self.settle(thread)
        seen, expected = self.data(thread), self.golden.read(debug_offset(thread, DebugRegister.DATA))
        assert seen == expected, f"thread {thread}: {name} is {seen:#x}, expected {expected:#x}"


def _show(record: Retirement) -> str:
    text = f"{record.pc:#x} {disassemble(record.word, record.pc)}"
    if record.cause is not None:
        text += f" traps with cause {record.cause}, value {record.value:#x}"
    return text + "".join(f" x{register}={value:#x}" for register, value in record.writes)
