# SPDX-License-Identifier: Apache-2.0
"""ELF files: reading those of any RISC-V tool, and writing our own.

Source: Tool Interface Standard ELF 1.2, its 64-bit layout (System V gABI), and the RISC-V ELF psABI.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from golden.config import WINDOW_BYTES, NodeConfig
from golden.program import Program, ProgramError

_EM_RISCV = 243
_ET_EXEC = 2
_EV_CURRENT = 1
_EF_RISCV_RVC = 0x1

#: How to compile for what every node executes.
_BUILD_REMEDY = "build it with -march=rv64im_zicsr_zifencei -mabi=lp64"

_PT_LOAD = 1
_PF_RWX = 7

_SHT_PROGBITS, _SHT_SYMTAB, _SHT_STRTAB = 1, 2, 3
_SHF_WRITE, _SHF_ALLOC, _SHF_EXECINSTR = 1, 2, 4
_SHN_ABS = 0xFFF1
_STB_GLOBAL = 1 << 4

_FILE_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
_SECTION_HEADER = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_IDENT = b"\x7fELF" + bytes([2, 1, _EV_CURRENT, 0]) + bytes(8)  # 64 bits, little endian, System V

#: Absolute symbol: the descriptor of the nodes that a program was assembled for.
_MADE_FOR = "d1_made_for"

#: Segments start at multiples of this in memory and, modulo it, at the same place in the file.
_ALIGNMENT = 64


@dataclass(frozen=True)
class _Section:
    """A section header with its contents."""

    name: str
    type: int
    contents: bytes
    flags: int = 0
    address: int = 0
    link: int = 0
    info: int = 0
    alignment: int = 1
    entry_bytes: int = 0


class _Strings:
    """A string table that grows: offset 0 is the empty string."""

    def __init__(self) -> None:
        self.contents = bytearray(b"\0")

    def add(self, text: str) -> int:
        """Offset of a new string."""
        offset = len(self.contents)
        self.contents += text.encode() + b"\0"
        return offset


def write_elf(program: Program, target: str | Path | BinaryIO) -> None:
    """Write a program as a 64-bit RISC-V executable with program headers, sections and symbols.

    Parameters
    ----------
    program : Program
        What to write. Each segment becomes a loaded segment and a section: ``.text`` is the one that holds the entry, the
        others are ``.data``, ``.data.1`` and so on.
    target : path or binary file
        Where to write it.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    data = _executable(program)
    if isinstance(target, str | Path):
        Path(target).write_bytes(data)
    else:
        target.write(data)


def _executable(program: Program) -> bytes:
    sections = [_Section("", 0, b"", alignment=0), *_loaded_sections(program)]
    loaded = len(sections) - 1
    strings = _Strings()
    symbols = _symbol_table(program, sections, strings)
    sections += [
        # ``info`` is the index of the first global symbol: only the null symbol is local.
        _Section(".symtab", _SHT_SYMTAB, symbols, link=loaded + 2, info=1, alignment=8, entry_bytes=_SYMBOL.size),
        _Section(".strtab", _SHT_STRTAB, bytes(strings.contents)),
    ]
    names = _Strings()
    offsets = [names.add(section.name) if section.name else 0 for section in sections] + [names.add(".shstrtab")]
    sections.append(_Section(".shstrtab", _SHT_STRTAB, bytes(names.contents)))

    body = bytearray(_FILE_HEADER.size + _PROGRAM_HEADER.size * loaded)
    places = []
    for section in sections:
        boundary = _ALIGNMENT if section.flags else max(section.alignment, 1)
        body += bytes((section.address - len(body)) % boundary)
        places.append(len(body) if section.type else 0)
        body += section.contents
    body += bytes(-len(body) % 8)
    section_headers = len(body)
    for section, name, place in zip(sections, offsets, places, strict=True):
        body += _SECTION_HEADER.pack(
            name, section.type, section.flags, section.address, place, len(section.contents), section.link, section.info,
            section.alignment, section.entry_bytes,
        )  # fmt: skip
    _FILE_HEADER.pack_into(
        body, 0, _IDENT, _ET_EXEC, _EM_RISCV, _EV_CURRENT, program.entry, _FILE_HEADER.size if loaded else 0, section_headers,
        0, _FILE_HEADER.size, _PROGRAM_HEADER.size, loaded, _SECTION_HEADER.size, len(sections), len(sections) - 1,
    )  # fmt: skip
    for index, (section, place) in enumerate(zip(sections[1 : loaded + 1], places[1 : loaded + 1], strict=True)):
        size = len(section.contents)
        _PROGRAM_HEADER.pack_into(
            body, _FILE_HEADER.size + index * _PROGRAM_HEADER.size,
            _PT_LOAD, _PF_RWX, place, section.address, section.address, size, size, _ALIGNMENT,
        )  # fmt: skip
    return bytes(body)


def _loaded_sections(program: Program) -> list[_Section]:
    sections = []
    others = 0
    for address, contents in sorted(program.segments):
        if address <= program.entry < address + len(contents):
            name, flags = ".text", _SHF_ALLOC | _SHF_WRITE | _SHF_EXECINSTR
        else:
            name, flags = f".data.{others}" if others else ".data", _SHF_ALLOC | _SHF_WRITE
            others += 1
        # The largest power of two that divides the address, up to the alignment of segments.
        alignment = min(address & -address or _ALIGNMENT, _ALIGNMENT)
        sections.append(_Section(name, _SHT_PROGBITS, bytes(contents), flags, address, alignment=alignment))
    return sections


def _symbol_table(program: Program, sections: list[_Section], strings: _Strings) -> bytes:
    symbols = dict(program.symbols)
    if program.tohost is not None:
        symbols["tohost"] = program.tohost
    if program.made_for is not None:
        symbols[_MADE_FOR] = program.made_for
    table = bytearray(_SYMBOL.size)
    for name, value in symbols.items():
        index = _SHN_ABS
        for number, section in enumerate(sections):
            # A label may stand right behind the contents.
            if section.type and section.address <= value <= section.address + len(section.contents):
                index = number
        table += _SYMBOL.pack(strings.add(name), _STB_GLOBAL, 0, index, value & (1 << 64) - 1, 0)
    return bytes(table)


def load_elf(path: str | Path) -> Program:
    """Read an executable.

    Parameters
    ----------
    path : path
        A 64-bit little-endian RISC-V executable without compressed instructions. What a segment has in memory beyond the
        file becomes zeros. ``tohost`` is the symbol of that name, ``made_for`` the symbol ``d1_made_for``.

    Raises
    ------
    ProgramError
        If it is not one; the message says what it is instead and how to mend it.
    OSError
        If it cannot be read.
    """
    path = Path(path)
    contents = path.read_bytes()
    try:
        elf = ELFFile(io.BytesIO(contents))
        _check_header(elf, path)
        segments = _segments(elf, path, len(contents))
        symbols = _symbols(elf)
    except ProgramError:
        raise
    # pyelftools lets these through where a damaged file leads it astray.
    except (ELFError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        reason = f" ({error})" if str(error) else ""
        raise ProgramError(f"{path}: this is no readable ELF file{reason}; assemble or link the program anew") from error
    if not segments:
        raise ProgramError(f"{path}: the file has no loadable contents; link the program with at least one section")
    made_for = symbols.pop(_MADE_FOR, None)
    return Program(tuple(segments), elf["e_entry"], symbols.get("tohost"), symbols, made_for)


def _check_header(elf: ELFFile, path: Path) -> None:
    def reject(what: str, remedy: str) -> ProgramError:
        return ProgramError(f"{path}: {what}; {remedy}")

    if elf["e_machine"] != "EM_RISCV":
        machine = elf["e_machine"]
        name = machine.removeprefix("EM_") if isinstance(machine, str) else f"machine {machine}"
        raise reject(f"the file is for {name}, but nodes execute RISC-V (EM_RISCV)", "build it for riscv64")
    if elf.elfclass != 64:
        raise reject(f"the file is of class ELF{elf.elfclass}, but nodes execute RV64", _BUILD_REMEDY)
    if not elf.little_endian:
        raise reject("the file is big-endian, but nodes are little-endian", "build it for riscv64, not riscv64be")
    if elf["e_type"] != "ET_EXEC":
        kind = {"ET_REL": "an object file", "ET_DYN": "position-independent or shared", "ET_CORE": "a core dump"}
        found = kind.get(elf["e_type"], f"of type {elf['e_type']}")
        raise reject(f"the file is {found}, not an executable (ET_EXEC)", "link it with -static -no-pie")
    if elf["e_flags"] & _EF_RISCV_RVC:
        raise reject("the file uses compressed instructions, which nodes do not have", _BUILD_REMEDY)


def _segments(elf: ELFFile, path: Path, file_bytes: int) -> list[tuple[int, bytes]]:
    segments = []
    for segment in elf.iter_segments("PT_LOAD"):
        address, size = segment["p_paddr"], segment["p_memsz"]
        if not size:
            continue
        if size > WINDOW_BYTES:
            raise ProgramError(
                f"{path}: the segment at {address:#x} takes {size} bytes, but no node has more than {WINDOW_BYTES}; "
                "make the program smaller"
            )
        present = min(max(file_bytes - segment["p_offset"], 0), segment["p_filesz"])
        if present < segment["p_filesz"]:
            raise ProgramError(
                f"{path}: the file ends within the segment at {address:#x}, {present} of {segment['p_filesz']} bytes are "
                "there; link the program anew"
            )
        if segment["p_filesz"] > size:
            raise ProgramError(
                f"{path}: the segment at {address:#x} has {segment['p_filesz']} bytes in the file but takes only {size} in "
                "memory; link the program anew"
            )
        segments.append((address, segment.data().ljust(size, b"\0")))
    return segments


def _symbols(elf: ELFFile) -> dict[str, int]:
    kinds = ("STT_NOTYPE", "STT_OBJECT", "STT_FUNC")
    return {
        symbol.name: symbol["st_value"]
        for section in elf.iter_sections("SHT_SYMTAB")
        if isinstance(section, SymbolTableSection)
        for symbol in section.iter_symbols()
        # Names with $ are mapping symbols, those with .L compilers' own labels.
        if symbol.name
        and symbol["st_info"]["type"] in kinds
        and symbol["st_shndx"] != "SHN_UNDEF"
        and not symbol.name.startswith(("$", ".L"))
    }


def check_fits(program: Program, config: NodeConfig, name: str = "the program") -> None:
    """Refuse a program that a node of that configuration cannot hold or start.

    Parameters
    ----------
    program : Program
        The program.
    config : NodeConfig
        The node.
    name : str
        Name for the message, usually the file's.

    Raises
    ------
    ProgramError
        Which part does not fit, what is allowed, and what to do.
    """
    try:
        program.check(config)
    except ProgramError as error:
        raise ProgramError(f"{name}: {error}; link it to addresses of this SRAM or choose a larger configuration") from None
