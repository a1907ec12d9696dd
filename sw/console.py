# SPDX-License-Identifier: Apache-2.0
"""What programs ask of the host while they run: Spike's host-target interface, as far as a node has use for it.

A program that has the symbols ``tohost`` and ``fromhost`` stores one of these to the double word ``tohost`` (upper 16 bits:
device and command):

- the address of eight double words, {number, argument 0, argument 1, ...}: system call ``write`` (64) of bytes to descriptor 1
  or 2, or ``exit`` (93). The host puts the result over the number, sets ``tohost`` to 0 and then ``fromhost`` to 1;
- 1 << 56 | 1 << 48 | character: the character is written, and ``tohost`` becomes 0;
- exit code << 1 | 1, with the upper 16 bits clear: ends the node's program, which the node itself does.

Source: fesvr of riscv-isa-sim (htif, syscall and device), and syscalls.c of riscv-tests for the program's side.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from golden.layout import SRAM_BASE, TOHOST_PAYLOAD_BITS, ThreadRegister, ThreadState, thread_offset
from golden.program import Program
from sw.backend import ArrayBackend, HostError, RunOutcome, ServedBackend, Site, read_blocks, write_blocks
from sw.run_state import FIRST_LOOK_CYCLES, RunState

__all__ = ["Console", "Output", "RequestError", "serves"]

#: Gets what a node writes: its site, the descriptor (1 or 2), bytes.
Output = Callable[[Site, int, bytes], None]

#: Symbol of the double word by which the host answers; ``tohost`` is part of the program.
_FROMHOST = "fromhost"

#: Each time that there is nothing to do the host waits for twice as long as before until it looks again, up to this.
_LAST_LOOK_CYCLES = 1 << 16

_CALL = struct.Struct("<8Q")
_WRITE, _EXIT = 64, 93
_DESCRIPTORS = (1, 2)
#: Device and command, the upper 16 bits of a request.
_SYSTEM_CALL, _PUT_CHARACTER = 0x0000, 0x0101


class RequestError(RuntimeError):
    """A program asked the host for something that it does not do; the message names it, who asked, and what there is."""


@dataclass(frozen=True)
class _Outcome:
    """How a run ended, see ``RunOutcome``."""

    reason: str
    cycles: int


def serves(program: Program) -> bool:
    """Whether a program may ask the host for something; others run without being looked at."""
    return program.tohost is not None and _FROMHOST in program.symbols


class Console:
    """Runs an array and answers its programs.

    The host looks through the back door, so that looking takes no cycles, unless the backend looks by itself; what it reads and
    writes on request goes by packets. Looks come at the same cycles in each run of a simulation.

    Parameters
    ----------
    array : ArrayBackend
        The program is loaded and started there.
    program : Program
        One that :func:`serves` is true of.
    sites : sequence of (x, y)
        Nodes that run it.
    output : callable, optional
        Gets what nodes write, as it comes.
    state : RunState, optional
        Where the run stands: kept up to date, and gone on from.

    Members
    -------
    state : RunState

    Raises
    ------
    HostError
        If ``fromhost`` is no double word of the SRAM.
    """

    def __init__(
        self,
        array: ArrayBackend,
        program: Program,
        sites: Sequence[Site],
        output: Output | None = None,
        state: RunState | None = None,
    ):
        assert program.tohost is not None
        fromhost = program.symbols[_FROMHOST]
        end = SRAM_BASE + array.config.sram_bytes
        if fromhost % 8 or not SRAM_BASE <= fromhost < end:
            raise HostError(
                f"{_FROMHOST} {fromhost:#x} is not an 8-byte aligned address of the SRAM of '{array.config.name}', "
                f"{SRAM_BASE:#x} to {end - 1:#x}"
            )
        self._array = array
        self._sites = list(sites)
        self._output = output
        self._tohost = program.tohost
        self._fromhost = fromhost
        self.state = state or RunState()

    def run(self, max_cycles: int) -> RunOutcome:
        """As ``ArrayBackend.run``, with what programs ask for done. Limit and result count cycles that had passed before as well.

        Raises
        ------
        RequestError
            At the first request that cannot be answered.
        """
        array = self._array
        if isinstance(array, ServedBackend):
            return array.run_served(max_cycles, self._serve)
        state = self.state
        while True:
            outcome = array.run(max(0, min(state.due, max_cycles - state.passed)))
            state.passed += outcome.cycles
            answered = self._serve()
            if not answered and outcome.reason != "limit":
                return _Outcome(outcome.reason, state.passed)
            if state.passed >= max_cycles:
                return _Outcome("limit", state.passed)
            state.due = state.interval = FIRST_LOOK_CYCLES if answered else min(2 * state.interval, _LAST_LOOK_CYCLES)

    def _serve(self) -> bool:
        """Answer every node that asks for something; returns whether one did."""
        asking = [(site, value) for site, value in zip(self._sites, self._requests(), strict=True) if _is_request(value)]
        for site, value in asking:
            target = value >> TOHOST_PAYLOAD_BITS
            if target == _PUT_CHARACTER:
                self._put_character(site, value)
            elif target == _SYSTEM_CALL:
                self._system_call(site, value)
            else:
                raise self._refusal(site, value, f"device {target >> 8}, command {target & 0xFF}")
        return bool(asking)

    def _requests(self) -> list[int]:
        """What ``tohost`` holds in each node."""
        where = self._tohost - SRAM_BASE
        if isinstance(self._array, ServedBackend):
            contents = read_blocks(self._array, [(x, y, where, 8) for x, y in self._sites])
        else:
            contents = [self._array.peek(x, y, where, 8) for x, y in self._sites]
        return [int.from_bytes(each, "little") for each in contents]

    def _put_character(self, site: Site, value: int) -> None:
        self._write(site, 1, bytes([value & 0xFF]))
        self._store(site, {self._tohost: 0})

    def _system_call(self, site: Site, address: int) -> None:
        if not self._inside(address, _CALL.size) or address % 8:
            what = f"a system call whose {_CALL.size} bytes at {address:#x} are no double words of the SRAM"
            raise self._refusal(site, address, what)
        number, first, start, length, *_ = _CALL.unpack(self._read(site, address, _CALL.size))
        if number == _EXIT:
            self._end(site, first)
            return
        if number != _WRITE:
            raise self._refusal(site, address, f"system call {number}")
        if first not in _DESCRIPTORS:
            raise self._refusal(site, address, f"a write to descriptor {first}")
        if length and not self._inside(start, length):
            raise self._refusal(site, address, f"a write of {length} bytes at {start:#x}, which are not in the SRAM")
        if length:
            self._write(site, first, self._read(site, start, length))
        # The program goes on as soon as it sees fromhost, so that comes last.
        self._store(site, {address: length, self._tohost: 0, self._fromhost: 1})

    def _end(self, site: Site, code: int) -> None:
        """Stop the threads of a node that asks for it."""
        x, y = site
        self.state.exit_codes[site] = code
        self._store(site, {self._tohost: 0})
        stops = [thread_offset(thread, ThreadRegister.STATE) for thread in range(self._array.config.threads)]
        write_blocks(self._array, [(x, y, offset, bytes(8)) for offset in stops])

    def _write(self, site: Site, descriptor: int, contents: bytes) -> None:
        self.state.written.setdefault(site, bytearray()).extend(contents)
        if self._output is not None:
            self._output(site, descriptor, contents)

    def _inside(self, address: int, length: int) -> bool:
        return address >= SRAM_BASE and address + length <= SRAM_BASE + self._array.config.sram_bytes

    def _read(self, site: Site, address: int, length: int) -> bytes:
        return self._array.read(*site, address - SRAM_BASE, length)

    def _store(self, site: Site, values: Mapping[int, int]) -> None:
        """Write double words by address, in this order."""
        x, y = site
        write_blocks(self._array, [(x, y, address - SRAM_BASE, value.to_bytes(8, "little")) for address, value in values.items()])

    def _refusal(self, site: Site, value: int, what: str) -> RequestError:
        x, y = site
        active = [
            f"thread {each.thread} at pc {each.pc:#x}"
            for each in self._array.thread_states()
            if (each.x, each.y) == site and each.state in (ThreadState.RUNNING, ThreadState.WAITING)
        ]
        who = f"node row {y}, column {x} ({', '.join(active) or 'no thread runs'})"
        return RequestError(
            f"{who} asks the host by tohost = {value:#x} for {what}; there is write ({_WRITE}) of bytes in "
            f"the SRAM to descriptor 1 or 2, exit ({_EXIT}), and device 1, command 1 (put a character)"
        )


def _is_request(value: int) -> bool:
    """Whether ``tohost`` holds something for the host to do; odd values without device and command end the program."""
    return value != 0 and (value & 1 == 0 or value >> TOHOST_PAYLOAD_BITS != 0)
