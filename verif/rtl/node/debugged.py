# SPDX-License-Identifier: Apache-2.0
"""A compiled node and the golden one, which a debugger drives alike by packets, and whose states are compared."""

from __future__ import annotations

from golden.config import NodeConfig
from golden.instruction import Retirement
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

__all__ = ["Debugged", "StatusFields"]

#: CSRs that follow from what a thread has executed.
_CSRS = tuple(csr for csr in Csr if csr not in (Csr.MCYCLE, Csr.DSCRATCH0))

_LIMIT_POLLS = 400


class StatusFields:
    """The debug register STATUS."""

    def __init__(self, value: int):
        self.reason = DebugReason(value & 7)
        self.busy = bool(value >> DEBUG_BUSY & 1)
        self.failed = bool(value >> DEBUG_FAILED & 1)
        self.cause = value >> DEBUG_CAUSE & 63


class Debugged:
    """A column of compiled nodes and of golden ones, one of which is debugged.

    Parameters
    ----------
    config : NodeConfig
    library : SimulatorLibrary
    nodes, y : int
        Nodes of the column, and which one is debugged.

    Members
    -------
    seen : SimulatedArray
    golden : GoldenArray
    """

    def __init__(self, config: NodeConfig, library: SimulatorLibrary, nodes: int = 1, y: int = 0):
        self.config, self.y = config, y
        self.seen = SimulatedArray(config, nodes, 1, threads=1, library=library)
        self.golden = GoldenArray(config, nodes, 1)
        self.node = self.golden.node(0, y)
        self._expected: list[list[Retirement]] = [[] for _ in range(config.threads)]
        self._retired: list[list[Retirement]] = [[] for _ in range(config.threads)]
        self._expected_writes: dict[tuple[int, int], list[bytes]] = {}
        self._writes: dict[tuple[int, int], list[bytes]] = {}
        self.node.on_retire = lambda record: self._expected[record.thread].append(record)
        self.node.on_vector_write = lambda thread, register, data: self._expected_writes.setdefault(
            (thread, register), []
        ).append(data)
        self.seen.trace(True, True, (0, y))

    # -- both alike ---------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """The compiled array is not needed any more."""
        self.seen.close()

    def load(self, program: Program) -> None:
        """Put a program into both memories, by the back door."""
        for address, contents in program.segments:
            self.poke(address - SRAM_BASE, contents)

    def poke(self, offset: int, contents: bytes) -> None:
        """Change both memories, by the back door."""
        self.seen.poke(0, self.y, offset, contents)
        self.golden.poke(0, self.y, offset, contents)

    def write(self, offset: int, value: int) -> None:
        """Write a register of both control pages."""
        self.seen.write_register(0, self.y, offset, value)
        self.golden.write_register(0, self.y, offset, value)

    def start(self, thread: int, pc: int) -> None:
        """Start a thread of both."""
        self.write(thread_offset(thread, ThreadRegister.PC), pc)

    @staticmethod
    def block(thread: int, register: DebugRegister = DebugRegister.COMMAND) -> int:
        """Offset of a register of a thread's debug block."""
        return debug_offset(thread, register)

    def command(self, thread: int, command: DebugCommand) -> None:
        """Tell a thread of both something, and let both do it."""
        self.write(debug_offset(thread, DebugRegister.COMMAND), command)
        self.golden.run()
        self.settle(thread)

    def run(self) -> None:
        """Let both go on as far as they can."""
        self.seen.run(max_cycles=200_000)
        self.golden.run()

    def settle(self, thread: int) -> None:
        """Let the compiled node do what a command or an instruction has begun, until it is done or waits for a semaphore."""
        for _ in range(_LIMIT_POLLS):
            status = self.status(thread)
            if not status.busy or self.state(thread) is ThreadState.WAITING:
                return
        raise AssertionError(f"thread {thread} is busy for {_LIMIT_POLLS} accesses: {self.state(thread).name}")

    def inject(self, thread: int, word: int) -> StatusFields:
        """Have a STOPPED thread of both execute a word, and compare whether it trapped."""
        self.write(debug_offset(thread, DebugRegister.INSTRUCTION), word)
        self.golden.run()
        self.settle(thread)
        self.check_thread(thread, f"after {disassemble(word)} was injected")
        return self.status(thread)

    def place(self, thread: int, pc: int) -> None:
        """Move a STOPPED thread of both to an address; no register changes."""
        self.write(debug_offset(thread, DebugRegister.DATA), pc)
        exchange = encode("csrrw", 10, Csr.DSCRATCH0, 10)
        for word in (exchange, encode("jalr", 0, 0, 10), exchange):
            self.inject(thread, word)
        assert self.pc(thread) == pc

    # -- the compiled node --------------------------------------------------------------------------------------------

    def status(self, thread: int) -> StatusFields:
        """STATUS of the compiled node's thread."""
        return StatusFields(self._read(debug_offset(thread, DebugRegister.STATUS)))

    def state(self, thread: int) -> ThreadState:
        """Its STATE."""
        return ThreadState(self._read(thread_offset(thread, ThreadRegister.STATE)))

    def pc(self, thread: int) -> int:
        """Its PC."""
        return self._read(thread_offset(thread, ThreadRegister.PC))

    def _read(self, offset: int) -> int:
        return self.seen.read_register(0, self.y, offset)

    def expected(self, thread: int) -> list[Retirement]:
        """What the golden node's thread has retired."""
        return self._expected[thread]

    def follow(self, thread: int) -> None:
        """Let the golden node's thread retire as many instructions as the compiled one's; both are STOPPED."""
        self.seen.run(max_cycles=400)
        goal, command = len(self.retired(thread)), debug_offset(thread, DebugRegister.COMMAND)
        while len(self._expected[thread]) < goal:
            before = len(self._expected[thread])
            self.golden.write_register(0, self.y, command, DebugCommand.STEP)
            self.golden.run()
            assert len(self._expected[thread]) > before, f"thread {thread} of the golden node cannot retire instruction {before}"
        # So that it has stopped for the same reason.
        self.golden.write_register(0, self.y, command, DebugCommand.RESUME)
        self.golden.write_register(0, self.y, command, DebugCommand.STOP)

    def retired(self, thread: int) -> list[Retirement]:
        """What the compiled node's thread has retired."""
        for each in self.seen.retirements():
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

    # -- comparison ---------------------------------------------------------------------------------------------------

    def check_thread(self, thread: int, when: str) -> None:
        """Fail if the thread is elsewhere than the golden one, or in another state, or its debug block shows other things."""
        blocks = [
            (thread_offset(thread, ThreadRegister.PC), ThreadRegister),
            (debug_offset(thread, DebugRegister(0)), DebugRegister),
        ]
        for base, registers in blocks:
            length = max(registers) + 8
            seen, expected = (array.read(0, self.y, base, length) for array in (self.seen, self.golden))
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
        """Fail if other values were written into vector registers, where that was ordered."""
        for each in self.seen.vector_writes():
            self._writes.setdefault((int(each["thread"]), int(each["register"])), []).append(each["data"].tobytes())
        for where in sorted(self._expected_writes.keys() | self._writes.keys()):
            seen, expected = self._writes.get(where, []), self._expected_writes.get(where, [])
            assert seen == expected, f"thread {where[0]} v{where[1]}: {seen}, expected {expected}"

    def check_memory(self, offset: int, length: int) -> None:
        """Fail if a byte of this part of SRAM differs."""
        seen, expected = self.seen.peek(0, self.y, offset, length), self.golden.peek(0, self.y, offset, length)
        differing = [number for number in range(length) if seen[number] != expected[number]]
        assert not differing, f"memory differs at {offset + differing[0]:#x} and in {len(differing) - 1} more bytes"

    def check_registers(self, thread: int, scratch: int) -> None:
        """Fail if a register of a STOPPED thread differs, all of which injected instructions show.

        Parameters
        ----------
        scratch : int
            Offset of a free line of SRAM, aligned to an accumulator.
        """
        exchange = encode("csrrw", 10, Csr.DSCRATCH0, 10)
        for number in range(32):
            self._compare(thread, f"x{number}", encode("csrrw", 0, Csr.DSCRATCH0, number))
        for csr in _CSRS:
            self._compare(thread, csr.name, exchange, encode("csrrs", 10, csr, 0), exchange)
        for number in range(8):
            self._compare(thread, f"p{number}", exchange, encode("pmv.x.p", 10, number), exchange)
        stores = [encode("vst", number, 0, 10) for number in range(32)]
        stores += [encode("mst.f32", number, 10) for number in range(self.config.accumulators)]
        for store in stores:
            self.write(debug_offset(thread, DebugRegister.DATA), SRAM_BASE + scratch)
            self._compare(thread, "a0", exchange, store, exchange)
            self.check_memory(scratch, self.config.accumulator_bytes)

    def _compare(self, thread: int, name: str, *words: int) -> None:
        """Inject words and compare what DATA is then."""
        for word in words:
            self.write(debug_offset(thread, DebugRegister.INSTRUCTION), word)
            self.golden.run()
            self.settle(thread)
        offset = debug_offset(thread, DebugRegister.DATA)
        seen, expected = self._read(offset), self.golden.read_register(0, self.y, offset)
        assert seen == expected, f"thread {thread}: {name} is {seen:#x}, expected {expected:#x}"


def _show(record: Retirement) -> str:
    text = f"{record.pc:#x} {disassemble(record.word, record.pc)}"
    if record.cause is not None:
        text += f" traps with cause {record.cause}, value {record.value:#x}"
    return text + "".join(f" x{register}={value:#x}" for register, value in record.writes)
