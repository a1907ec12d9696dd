# SPDX-License-Identifier: Apache-2.0
"""ELF files: what is written can be read, by us and by others; what other tools write is loaded; the rest is refused clearly."""

from __future__ import annotations

import contextlib
import io
import struct
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from golden.config import preset
from golden.program import Program, ProgramError
from sw.assembler import assemble
from sw.elf import check_fits, load_elf, write_elf

SOURCE = """
.globl _start, tohost, size
.equ size, 7
    nop
_start: halt a0
.data
values: .word 1, 2, 3
end:
tohost: .dword 0
.section .far, SRAM_BASE + 0x1000
far: .byte 1, 2, 3
"""


@dataclass
class ForeignElf:
    """An ELF file as other tools lay it out: symbols before contents, segments out of order, zeros not in the file."""

    segments: list[tuple[int, bytes, int]] = field(
        default_factory=lambda: [(0x8000_2000, b"\1\2\3\4", 16), (0x8000_0000, bytes.fromhex("1300000013000000"), 8)]
    )
    symbols: list[tuple[str, int, int, int]] = field(
        # name, value, st_info (binding << 4 | type), section index
        default_factory=lambda: [
            ("main.c", 0, 4, 0xFFF1), ("$x", 0x8000_0000, 0, 1), (".Llocal", 0x8000_0004, 0, 1), ("tohost", 0x8000_2008, 0x11, 1),
            ("outside", 0, 0x10, 0), ("_start", 0x8000_0004, 0x12, 1),
        ]
    )  # fmt: skip
    elf_class: int = 2
    data: int = 1
    type: int = 2
    machine: int = 243
    flags: int = 0x4  # double-precision float ABI, which loading ignores
    entry: int = 0x8000_0004

    def image(self) -> bytes:
        """The file."""
        order = "<" if self.data == 1 else ">"
        wide = self.elf_class == 2
        strings = b"\0"
        symbols = bytes(24)
        for name, value, info, section in self.symbols:
            symbols += struct.pack(f"{order}IBBHQQ", len(strings), info, 0, section, value, 0)
            strings += name.encode() + b"\0"
        header = 64 if wide else 52
        body = bytearray(header)
        places = []
        for contents in (symbols, strings, *(data for _, data, _ in self.segments)):
            body += bytes(-len(body) % 16)
            places.append(len(body))
            body += contents
        body += bytes(-len(body) % 8)
        programs = len(body)
        for (address, data, size), place in zip(self.segments, places[2:], strict=True):
            body += struct.pack(f"{order}IIQQQQQQ", 1, 5, place, address, address, len(data), size, 0x1000)
        # A note and an empty segment are none of a loader's business.
        body += struct.pack(f"{order}IIQQQQQQ", 4, 4, 0, 0x1000, 0x1000, 8, 8, 4)
        body += struct.pack(f"{order}IIQQQQQQ", 1, 6, 0, 0, 0, 0, 0, 0x1000)
        sections = len(body)
        layout = f"{order}IIQQQQIIQQ"
        body += bytes(64)
        body += struct.pack(layout, 0, 2, 0, 0, places[0], len(symbols), 2, 1, 8, 24)
        body += struct.pack(layout, 0, 3, 0, 0, places[1], len(strings), 0, 0, 1, 0)
        ident = b"\x7fELF" + bytes([self.elf_class, self.data, 1]) + bytes(9)
        rest = (self.flags, header, 56, len(self.segments) + 2, 64, 3, 2)
        addresses = f"{order}16sHHI{'QQQ' if wide else 'III'}IHHHHHH"
        entry = self.entry if wide else self.entry & 0xFFFF_FFFF
        struct.pack_into(addresses, body, 0, ident, self.type, self.machine, 1, entry, programs, sections, *rest)
        return bytes(body)


def loaded(tmp_path: Path, image: bytes) -> Program:
    path = tmp_path / "program.elf"
    path.write_bytes(image)
    return load_elf(path)


def written(program: Program) -> bytes:
    file = io.BytesIO()
    write_elf(program, file)
    return file.getvalue()


def test_program_survives_its_file(tmp_path: Path) -> None:
    program = assemble(SOURCE)
    write_elf(program, tmp_path / "program.elf")
    assert load_elf(tmp_path / "program.elf") == program
    assert loaded(tmp_path, written(program)) == program


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.tuples(st.integers(0, 200), st.integers(1, 300)), min_size=1, max_size=6),
    symbols=st.dictionaries(st.text("abcxyz_.", min_size=1), st.integers(0, (1 << 64) - 1)),
    data=st.randoms(use_true_random=False),
)  # fmt: skip
def test_any_program_survives_its_file(tmp_path: Path, lengths: list[tuple[int, int]], symbols: dict[str, int], data) -> None:  # type: ignore[no-untyped-def]
    address, segments = 0x8000_0000, []
    for gap, length in lengths:
        address += gap
        segments.append((address, data.randbytes(length)))
        address += length
    program = Program(tuple(segments), segments[-1][0], symbols.get("tohost"), symbols)
    assert loaded(tmp_path, written(program)) == program


def test_written_file_is_consistent_for_other_readers() -> None:
    program = assemble(SOURCE)
    elf = ELFFile(io.BytesIO(written(program)))
    assert (elf.elfclass, elf.little_endian, elf["e_type"], elf["e_machine"]) == (64, True, "ET_EXEC", "EM_RISCV")
    assert elf["e_entry"] == program.entry
    assert [section.name for section in elf.iter_sections()] == [
        "", ".text", ".data", ".data.1", ".symtab", ".strtab", ".shstrtab"
    ]  # fmt: skip
    for segment, (address, contents) in zip(elf.iter_segments(), program.segments, strict=True):
        assert (segment["p_type"], segment["p_vaddr"], segment["p_paddr"]) == ("PT_LOAD", address, address)
        assert segment.data() == contents
        assert segment["p_offset"] % segment["p_align"] == address % segment["p_align"]
        (inside,) = [section for section in elf.iter_sections() if section["sh_size"] and segment.section_in_segment(section)]
        assert (inside.data(), inside["sh_addr"]) == (contents, address)
    table = elf.get_section_by_name(".symtab")
    assert isinstance(table, SymbolTableSection)
    found = {symbol.name: (symbol["st_value"], symbol["st_shndx"]) for symbol in table.iter_symbols() if symbol.name}
    assert found == {
        "_start": (0x8000_0004, 1), "values": (0x8000_0040, 2), "end": (0x8000_004C, 2), "tohost": (0x8000_004C, 2),
        "far": (0x8000_1000, 3), "size": (7, "SHN_ABS"),
    }  # fmt: skip


def test_file_of_another_tool_is_loaded(tmp_path: Path) -> None:
    program = loaded(tmp_path, ForeignElf().image())
    assert program == Program(
        ((0x8000_2000, b"\1\2\3\4" + bytes(12)), (0x8000_0000, bytes.fromhex("1300000013000000"))),
        0x8000_0004,
        0x8000_2008,
        {"tohost": 0x8000_2008, "_start": 0x8000_0004},
    )
    check_fits(program, preset("tiny"))


FOR_NODES = "build it with -march=rv64im_zicsr_zifencei -mabi=lp64"


@pytest.mark.parametrize(
    ("foreign", "reason"),
    [
        (ForeignElf(machine=62), "the file is for X86_64, but nodes execute RISC-V (EM_RISCV); build it for riscv64"),
        (ForeignElf(machine=0xBEEF), "the file is for machine 48879, but nodes execute RISC-V"),
        (ForeignElf(data=2), "the file is big-endian, but nodes are little-endian"),
        (ForeignElf(type=1), "the file is an object file, not an executable (ET_EXEC); link it"),
        (ForeignElf(type=3), "the file is position-independent or shared, not an executable"),
        (ForeignElf(flags=1), f"the file uses compressed instructions, which nodes do not have; {FOR_NODES}"),
        (ForeignElf(segments=[]), "the file has no loadable contents"),
        (ForeignElf(segments=[(0x8000_0000, b"", 1 << 40)]), "takes 1099511627776 bytes, but no node has more than 2097152"),
        (ForeignElf(elf_class=1), f"the file is of class ELF32, but nodes execute RV64; {FOR_NODES}"),
    ],
)
def test_unfit_file_is_refused_with_reason_and_remedy(tmp_path: Path, foreign: ForeignElf, reason: str) -> None:
    with pytest.raises(ProgramError) as raised:
        loaded(tmp_path, foreign.image())
    message = str(raised.value)
    assert reason in message
    assert message.startswith(f"{tmp_path / 'program.elf'}: ")
    assert "\n" not in message
    assert "; " in message


@pytest.mark.parametrize("image", [b"", b"\x7fELF", b"#!/bin/sh\n", bytes(1000), written(assemble("nop"))[:70]])
def test_what_is_no_elf_file_is_refused(tmp_path: Path, image: bytes) -> None:
    with pytest.raises(ProgramError, match="no readable ELF file"):
        loaded(tmp_path, image)


def test_file_cut_off_within_a_segment_is_refused(tmp_path: Path) -> None:
    image = bytearray(written(assemble("nop")))
    struct.pack_into("<Q", image, 64 + 8, len(image) - 2)
    with pytest.raises(ProgramError, match="the file ends within the segment at 0x80000000, 2 of 4 bytes are there"):
        loaded(tmp_path, bytes(image))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 900), st.integers(0, 255)), max_size=8), length=st.integers(0, 2000))
def test_damaged_file_is_loaded_or_refused_and_nothing_else(tmp_path: Path, changes: list[tuple[int, int]], length: int) -> None:
    image = bytearray(written(assemble(SOURCE)))
    for place, byte in changes:
        image[place % len(image)] = byte
    with contextlib.suppress(ProgramError):
        loaded(tmp_path, bytes(image[:length]))


def test_program_that_does_not_fit_is_refused_with_the_file_the_range_and_a_remedy() -> None:
    program = assemble(".zero 0x4001")
    check_fits(program, preset("small"))
    with pytest.raises(ProgramError) as raised:
        check_fits(program, preset("tiny"), "big.elf")
    assert str(raised.value) == (
        "big.elf: the segment of 16385 bytes at 0x80000000 does not fit into the SRAM of 'tiny', 0x80000000 to 0x80003fff; "
        "link it to addresses of this SRAM or choose a larger configuration"
    )
