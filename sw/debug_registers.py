# SPDX-License-Identifier: Apache-2.0
"""Every register of a STOPPED thread by name, read and written by injected instructions."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from golden.isa import INSTRUCTIONS
from golden.layout import CSR_NUMBERS, INJECTED_CSRS, SRAM_BASE, Csr, ThreadRegister
from sw.debug_port import DebugError, DebugPort, NoAnswerError
from sw.encoding import REGISTERS, OperandKind, encode

__all__ = ["RegisterFile"]

_MAX_64 = (1 << 64) - 1

#: The scalar register that is borrowed: t0.
_BORROWED = 5

#: CSR numbers from here on are read-only.
_READ_ONLY_CSRS = 0xC00

#: What programs and debuggers see of CSRs.
_CSRS = {name: number for name, number in CSR_NUMBERS.items() if number not in INJECTED_CSRS}


class RegisterFile:
    """Registers of a STOPPED thread.

    Vector registers and accumulators go through a few lines of SRAM, other registers through t0; both have afterwards what they
    had before. Other threads must leave these lines alone meanwhile.

    Parameters
    ----------
    port : DebugPort
    scratch : int, optional
        Address of these lines, as many as an accumulator has; the end of SRAM if left out.

    Members
    -------
    names : tuple of str
        Registers that there are: pc, x0 to x31, v0 to v31, p0 to p7, m0 to the last accumulator, and CSRs. ABI names are
        understood as well.

    Raises
    ------
    DebugError
        If ``scratch`` is no such place. Every other member raises it if there is no such register, the thread is not STOPPED,
        or an injected instruction fails.
    """

    def __init__(self, port: DebugPort, scratch: int | None = None):
        config = port.array.config
        size, end = config.accumulator_bytes, SRAM_BASE + config.sram_bytes
        if scratch is None:
            scratch = end - size
        if not SRAM_BASE <= scratch <= end - size or scratch % config.line_bytes:
            raise DebugError(
                f"{size} bytes at {scratch:#x} cannot be the debugger's scratch memory; it has to start a line of "
                f"{config.line_bytes} bytes from {SRAM_BASE:#x} to {end - size:#x}"
            )
        self._port = port
        self._config = config
        self._scratch = scratch
        self.names = (
            "pc",
            *(f"x{number}" for number in range(32)),
            *(f"v{number}" for number in range(32)),
            *(f"p{number}" for number in range(8)),
            *(f"m{number}" for number in range(config.accumulators)),
            *_CSRS,
        )

    def read(self, name: str) -> int | bytes:
        """Value of a register: bytes of vector registers and accumulators (FP32, row by row), else a number."""
        kind, number = self._find(name)
        self._port.require_stopped()
        if kind is None:
            return self._port.read_thread(ThreadRegister.PC)
        readers: dict[OperandKind, Callable[[int], int | bytes]] = {
            OperandKind.SCALAR: self._read_scalar,
            OperandKind.CSR: self._read_csr,
            OperandKind.PREDICATE: self._read_predicate,
            OperandKind.VECTOR: self._read_vector,
            OperandKind.ACCUMULATOR: self._read_accumulator,
        }
        return readers[kind](number)

    def write(self, name: str, value: int | bytes) -> None:
        """Write a register; ``value`` as ``read`` gives it. What is fixed in a CSR stays."""
        kind, number = self._find(name)
        self._check(name, kind, number, value)
        self._port.require_stopped()
        if isinstance(value, bytes):
            self._load("vld" if kind is OperandKind.VECTOR else "mld.f32", number, value)
        elif kind is None:
            with self._borrow(value):
                self._port.inject("jalr", rd=0, rs1=_BORROWED, imm_i=0)
        elif kind is OperandKind.SCALAR:
            self._write_scalar(number, value)
        elif kind is OperandKind.CSR:
            with self._borrow(value):
                self._port.inject("csrrw", rd=0, csr=number, rs1=_BORROWED)
        else:
            with self._borrow(value):
                self._port.inject("pmv.p.x", pd=number, rs1=_BORROWED)

    # -- names and values ---------------------------------------------------------------------------------------------

    def _find(self, name: str) -> tuple[OperandKind | None, int]:
        """Kind and number of a register; no kind for pc."""
        if name == "pc":
            return None, 0
        if name in _CSRS:
            return OperandKind.CSR, _CSRS[name]
        kind, number = REGISTERS.get(name, (OperandKind.FORMAT, 0))
        if kind is OperandKind.FORMAT or (kind is OperandKind.ACCUMULATOR and number >= self._config.accumulators):
            near = difflib.get_close_matches(name, [*self.names, *(abi for abi in REGISTERS if self._is_scalar(abi))], n=1)
            raise DebugError(
                f"there is no register '{name}' in a node '{self._config.name}'; there are pc, x0 to x31, v0 to v31, p0 to p7, "
                f"m0 to m{self._config.accumulators - 1}, and CSRs" + (f"; did you mean '{near[0]}'?" if near else "")
            )
        return kind, number

    @staticmethod
    def _is_scalar(name: str) -> bool:
        return REGISTERS[name][0] is OperandKind.SCALAR

    def _check(self, name: str, kind: OperandKind | None, number: int, value: int | bytes) -> None:
        """DebugError if a register cannot have a value."""
        sizes = {OperandKind.VECTOR: self._config.line_bytes, OperandKind.ACCUMULATOR: self._config.accumulator_bytes}
        if kind in sizes:
            if not isinstance(value, bytes) or len(value) != sizes[kind]:
                found = f"{len(value)} bytes" if isinstance(value, bytes) else f"{value!r}"
                raise DebugError(f"{name} holds {sizes[kind]} bytes, and cannot become {found}")
            return
        highest = (1 << self._config.line_bytes) - 1 if kind is OperandKind.PREDICATE else _MAX_64
        if not isinstance(value, int) or not 0 <= value <= highest:
            found = f"{value:#x}" if isinstance(value, int) else f"{len(value)} bytes"
            raise DebugError(f"{name} holds a number from 0 to {highest:#x}, and cannot become {found}")
        if kind is None and value & 3:
            raise DebugError(f"pc cannot become {value:#x}; instructions lie at multiples of 4")
        fixed = {OperandKind.SCALAR: 0, OperandKind.PREDICATE: highest}
        if kind in fixed and number == 0 and value != fixed[kind]:
            raise DebugError(f"{name} is always {fixed[kind]:#x}, and cannot become {value:#x}")
        if kind is OperandKind.CSR and number >= _READ_ONLY_CSRS:
            raise DebugError(f"{name} is read-only")

    # -- scalar registers and what goes through them ------------------------------------------------------------------

    def _read_scalar(self, number: int) -> int:
        return self._port.execute(encode(INSTRUCTIONS["csrrw"], {"rd": 0, "csr": Csr.DSCRATCH0, "rs1": number}))

    def _write_scalar(self, number: int, value: int) -> None:
        self._port.execute(encode(INSTRUCTIONS["csrrs"], {"rd": number, "csr": Csr.DSCRATCH0, "rs1": 0}), data=value)

    @contextmanager
    def _borrow(self, value: int = 0) -> Iterator[None]:
        """Have a value in t0 for a while."""
        kept, answers = self._read_scalar(_BORROWED), True
        self._write_scalar(_BORROWED, value)
        try:
            yield
        except NoAnswerError:
            answers = False
            raise
        finally:
            if answers:
                self._write_scalar(_BORROWED, kept)

    def _read_csr(self, number: int) -> int:
        with self._borrow():
            self._port.inject("csrrs", rd=_BORROWED, csr=number, rs1=0)
            return self._read_scalar(_BORROWED)

    def _read_predicate(self, number: int) -> int:
        with self._borrow():
            self._port.inject("pmv.x.p", rd=_BORROWED, ps1=number)
            return self._read_scalar(_BORROWED)

    # -- through memory -----------------------------------------------------------------------------------------------

    @contextmanager
    def _memory(self, length: int) -> Iterator[tuple[int, int, int]]:
        """Have the scratch memory for a while: x, y and offset, as backends take them."""
        place = self._port.x, self._port.y, self._scratch - SRAM_BASE
        kept = self._port.array.read(*place, length)
        try:
            yield place
        finally:
            self._port.array.write(*place, kept)

    def _read_vector(self, number: int) -> bytes:
        return self._store("vst", self._config.line_bytes, vs2=number, imm_s=0)

    def _read_accumulator(self, number: int) -> bytes:
        return self._store("mst.f32", self._config.accumulator_bytes, md=number)

    def _store(self, mnemonic: str, length: int, **operands: int) -> bytes:
        """What a store instruction writes. CSR instructions wait for it, so it is in memory when t0 has been restored."""
        with self._memory(length) as place:
            with self._borrow(self._scratch):
                self._port.inject(mnemonic, rs1=_BORROWED, **operands)
            return self._port.array.read(*place, length)

    def _load(self, mnemonic: str, number: int, value: bytes) -> None:
        """Let a load instruction read a value. CSR instructions wait for it, so it has when t0 has been restored."""
        operands = {"vd": number, "imm_i": 0} if mnemonic == "vld" else {"md": number}
        with self._memory(len(value)) as place:
            self._port.array.write(*place, value)
            with self._borrow(self._scratch):
                self._port.inject(mnemonic, rs1=_BORROWED, **operands)
