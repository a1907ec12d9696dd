# SPDX-License-Identifier: Apache-2.0
"""Random programs of a thread: items (``verif.rtl.node.items``) as words, with what comes before and after them.

A program is a list of items, any of which can be dropped. Its trap handler shows cause and value and skips the instruction that
trapped; behind a jump to where no memory is, it returns. At the end, the program shows what its registers hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from golden.config import NodeConfig
from golden.layout import SRAM_BASE, Csr
from verif.golden.encoding import encode
from verif.rtl.node.choices import DrawnChoices, SeededChoices
from verif.rtl.node.items import Item, ItemMaker
from verif.rtl.node.pieces import (
    CODE_BYTES,
    DATA,
    DATA_BYTES,
    DATA_REGISTERS,
    HANDLER,
    HANDLER_ADDRESS,
    LOADED_VECTORS,
    RESUME,
    constant,
    data_address,
)

__all__ = [
    "CODE_BYTES",
    "DATA_BYTES",
    "ROOM_BYTES",
    "TEMPLATES",
    "Item",
    "ProgramTooLong",
    "assemble",
    "data_address",
    "length",
    "memory",
    "memory_of",
    "programs",
    "template",
]

_FORMAT_CSRS = (Csr.MFORMAT0, Csr.MFORMAT1, Csr.MFORMAT2, Csr.MFORMAT3)

#: CSRs that programs show at their end: those that do not count.
_SHOWN_CSRS = (
    Csr.MSTATUS, Csr.MTVEC, Csr.MSCRATCH, Csr.MEPC, Csr.MCAUSE, Csr.MTVAL, Csr.MFLAGS, Csr.MSEED, Csr.MCOUNTINHIBIT,
    *_FORMAT_CSRS,
)  # fmt: skip

#: Bytes of a place for code that is copied, of which a thread has one for itself and those that are asked for; and templates,
#: which are as large.
ROOM_BYTES, TEMPLATES = 64, 2

#: Counters of loops within each other: of the program, of its functions, of theirs. Where those return to, and copied code.
_COUNTERS = ((9, 20), (28,), (29,))
_LINKS, _ROOM_LINK = (14, 23), 24
_POINTER, _TARGET, _SOURCE, _OTHER = 16, 15, 17, 19

#: Words that are interesting as FP32, as two BF16 and as codes of eight bits: signs, zeros, denormals, ones, largest, Inf, NaN.
_WORDS = (
    0x0000_0000, 0x8000_0000, 0x3F80_0000, 0xBF80_0000, 0x4000_0000, 0x3F00_0000, 0x7F80_0000, 0xFF80_0000, 0x7FC0_0000,
    0x7F80_0001, 0xFFFF_FFFF, 0x0000_0001, 0x807F_FFFF, 0x0080_0000, 0x7F7F_FFFF, 0xFF7F_FFFF, 0x4B80_0001, 0x4F00_0000,
    0x3F80_3F80, 0x7F80_BF80, 0x0001_8001, 0x7FC0_7F81, 0x3F81_4049, 0x7F7F_FF7F, 0x3EAA_AAAB, 0x4049_0FDB, 0xC2FC_0000,
    0x7878_F8F8, 0x0102_8384, 0x7F7B_FC03, 0x8000_7FFF, 0x0000_FFFF,
)  # fmt: skip

#: Words of memory, whose period is not one of lines, so that lines differ.
_PERIOD = 15


class ProgramTooLong(ValueError):
    """A program that has no room in the code of its thread."""


def memory_of(choices: SeededChoices | DrawnChoices) -> bytes:
    """What the data holds, repeated."""

    def word() -> int:
        kind = choices.integer(0, 2)
        if kind == 0:
            return choices.one_of(_WORDS)
        if kind == 1:
            return choices.integer(0, 2**32 - 1)
        # Near one.
        return choices.integer(0x3C00, 0x43FF) << 16 | choices.integer(0, 0xFFFF)

    return b"".join(word().to_bytes(4, "little") for _ in range(_PERIOD))


@st.composite
def memory(draw: Callable[[st.SearchStrategy[int]], int]) -> bytes:
    """Strategy for what the data holds, repeated."""
    return memory_of(DrawnChoices(draw))


def programs(config: NodeConfig, thread: int, max_items: int = 30) -> st.SearchStrategy[list[Item]]:
    """Strategy for one thread's program."""

    @st.composite
    def items(draw: Callable[[st.SearchStrategy[int]], int]) -> Item:
        return ItemMaker(config, thread, DrawnChoices(draw)).any()

    # Short ones first, for shrinking; lists without a lower bound have a few elements on average.
    sequences = st.one_of(st.lists(items(), max_size=max_items), st.lists(items(), min_size=max_items // 2, max_size=max_items))

    def fits(found: list[Item]) -> bool:
        try:
            assemble(config, thread, found)
        except ProgramTooLong:
            return False
        return True

    return sequences.filter(fits)


def template(maker: ItemMaker) -> list[int]:
    """Code that programs copy: straight words, and the return."""
    words = maker.straight_words(ROOM_BYTES // 4 - 1)
    return [*words, encode("jalr", 0, 0, _ROOM_LINK)]


def length(config: NodeConfig, items: Sequence[Item]) -> int:
    """Words that items take, with their functions."""
    program = _Program(config, SRAM_BASE)
    program.emit(items)
    program.functions()
    return len(program.words)


class _Assembly:
    """Words with references to labels that are not known yet."""

    def __init__(self, start: int):
        self.start = start
        self.words: list[int] = []
        self.labels: dict[object, int] = {}
        self._later: list[tuple[int, object, Callable[[int], list[int]]]] = []

    @property
    def address(self) -> int:
        """Of the next word."""
        return self.start + 4 * len(self.words)

    def label(self, name: object) -> None:
        """Names the next word."""
        self.labels[name] = self.address

    def refer(self, name: object, make: Callable[[int], list[int]]) -> None:
        """Append words that are made of the distance to a label; how many does not depend on it."""
        self._later.append((len(self.words), name, make))
        self.words += make(0)

    def address_of(self, register: int, name: object) -> None:
        """Append words that put the address of a label into a register."""

        def make(distance: int) -> list[int]:
            low = (distance & 0xFFF ^ 0x800) - 0x800
            return [encode("auipc", register, distance - low >> 12 & 0xF_FFFF), encode("addi", register, register, low)]

        self.refer(name, make)

    def finish(self) -> list[int]:
        """All words."""
        for place, name, make in self._later:
            made = make(self.labels[name] - self.start - 4 * place)
            self.words[place : place + len(made)] = made
        return self.words


class _Program(_Assembly):
    """A thread's program while it is put together."""

    def __init__(self, config: NodeConfig, start: int):
        super().__init__(start)
        self._config = config
        self._functions: list[tuple[object, tuple[Item, ...], int]] = []
        self.copies = False

    def emit(self, items: Sequence[Item], depth: int = -1, level: int = 0) -> None:
        """Append items; ``depth`` is that of the function that they are in, ``level`` how many loops are around them."""
        ends: list[tuple[int, object]] = []
        for index, item in enumerate(items):
            for place, name in ends:
                if place == index:
                    self.label(name)
            if item.branch:
                mnemonic, operands = item.branch
                name = object()
                end = index + 1
                while end < len(items) and end < index + 1 + item.skip and not items[end].kept:
                    end += 1
                ends.append((end, name))
                self.refer(name, lambda distance, m=mnemonic, o=operands: [encode(m, *o, distance)])  # type: ignore[misc]
            elif item.turns:
                self._loop(item, depth, level)
            elif item.functions:
                self._call(item, depth)
            elif item.copies:
                self._copy(item)
            elif item.calls is not None:
                if item.fresh:
                    self.words.append(encode("fence.i"))
                self._jump_to_room(item.calls)
            else:
                self.words.extend(item.words)
        for place, name in ends:
            if place == len(items):
                self.label(name)

    def functions(self) -> None:
        """Append all functions that are called."""
        for name, items, depth in self._functions:
            self.label(name)
            self.emit(items, depth)
            self.words.append(encode("jalr", 0, 0, _LINKS[depth]))

    def _loop(self, item: Item, depth: int, level: int) -> None:
        counter = _COUNTERS[depth + 1][level]
        self.words.append(encode("addi", counter, 0, item.turns))
        top = object()
        self.label(top)
        self.emit(item.body, depth, level + 1)
        # Back by a jump, since the loop may be longer than a branch reaches.
        self.words += [encode("addi", counter, counter, -1), encode("beq", counter, 0, 8)]
        self.refer(top, lambda distance: [encode("jal", 0, distance)])

    def _call(self, item: Item, depth: int) -> None:
        names = [object() for _ in item.functions]
        self._functions += [(name, items, depth + 1) for name, items in zip(names, item.functions, strict=True)]
        link = _LINKS[depth + 1]
        if len(names) == 1:
            self.refer(names[0], lambda distance: [encode("jal", link, distance)])
            return
        self.address_of(_TARGET, names[0])
        self.address_of(_OTHER, names[1])
        self.words += [encode("andi", _SOURCE, item.selector, 1), encode("beq", _SOURCE, 0, 8)]
        self.words += [encode("addi", _TARGET, _OTHER, 0), encode("jalr", link, 0, _TARGET)]

    def _copy(self, item: Item) -> None:
        """Copy a template into the thread's own room, which is the first, and call it."""
        self.copies = True
        self.words += [encode("andi", _SOURCE, item.selector, 1), encode("slli", _SOURCE, _SOURCE, 6)]
        self.address_of(_POINTER, "templates")
        self.words.append(encode("add", _SOURCE, _SOURCE, _POINTER))
        self.address_of(_POINTER, ("room", 0))
        line = self._config.line_bytes
        for offset in range(0, ROOM_BYTES, 8 if item.vector is None else line):
            if item.vector is None:
                self.words += [encode("ld", _OTHER, offset, _SOURCE), encode("sd", _OTHER, offset, _POINTER)]
            else:
                self.words += [encode("vld", item.vector, offset, _SOURCE), encode("vst", item.vector, offset, _POINTER)]
        self.words.append(encode("fence.i"))
        self._jump_to_room(0)

    def _jump_to_room(self, number: int) -> None:
        self.refer(("room", number), lambda distance: [encode("jal", _ROOM_LINK, distance)])


def assemble(
    config: NodeConfig,
    thread: int,
    items: Sequence[Item],
    *,
    code_bytes: int = CODE_BYTES,
    templates: Sequence[Sequence[int]] | None = None,
    rooms: int | None = None,
    end: Sequence[int] = (),
) -> list[int]:
    """All words of a thread's program: set-up, the items, its end, functions, trap handler, templates, rooms for code.

    Parameters
    ----------
    config : NodeConfig
    thread : int
    items : sequence of Item
    code_bytes : int
        Code that each thread has.
    templates : sequence of sequence of int, optional
        TEMPLATES pieces of code that items copy; by default always the same.
    rooms : int, optional
        Rooms for code, which fill the end of the thread's code then. By default there is one, behind everything else, if an item
        needs it.
    end : sequence of int
        Words that end the program; by default ``halt`` with exit code 0.

    Raises
    ------
    ProgramTooLong
        If there is not enough room for it.
    """
    start = SRAM_BASE + thread * code_bytes
    program = _Program(config, start)
    _set_up(program, data_address(config, thread, code_bytes) + DATA_BYTES // 2)
    program.emit(items)
    program.words += _show(config)
    program.words += end or [encode("halt", 0)]
    program.functions()
    _handler(program)
    if rooms is not None:
        program.words += [0] * ((code_bytes - (TEMPLATES + rooms) * ROOM_BYTES) // 4 - len(program.words))
    if program.copies or rooms is not None:
        program.words += [0] * (-len(program.words) % (ROOM_BYTES // 4))
        program.label("templates")
        for words in templates or _default_templates(config, thread):
            program.words += [*words, *[0] * (ROOM_BYTES // 4 - len(words))]
        for number in range(1 if rooms is None else rooms):
            program.label(("room", number))
            # It holds a return at first.
            program.words += [encode("jalr", 0, 0, _ROOM_LINK), *[0] * (ROOM_BYTES // 4 - 1)]
    if 4 * len(program.words) > code_bytes:
        raise ProgramTooLong(f"{4 * len(program.words)} bytes of code are more than the {code_bytes} that a thread has")
    return program.finish()


def _default_templates(config: NodeConfig, thread: int) -> list[list[int]]:
    return [template(ItemMaker(config, thread, SeededChoices(f"template {number}"))) for number in range(TEMPLATES)]


def _set_up(program: _Program, data: int) -> None:
    config = program._config
    program.address_of(HANDLER_ADDRESS, "handler")
    program.words += [encode("csrrw", 0, Csr.MTVEC, HANDLER_ADDRESS), *constant(DATA, data)]
    # Reset clears neither accumulators nor vector registers.
    program.words += [encode("mzero", accumulator) for accumulator in range(config.accumulators)]
    program.words += [
        encode("vld", vector, index * config.line_bytes - DATA_BYTES // 2, DATA) for index, vector in enumerate(LOADED_VECTORS)
    ]
    for number, csr in enumerate(_FORMAT_CSRS):
        program.words += [encode("ld", 5, 8 * number, DATA), encode("csrrw", 0, csr, 5)]
    program.words.append(encode("ld", 5, 8, DATA))
    for number in range(1, 8):
        program.words += [encode("pmv.p.x", number, 5), encode("srli", 5, 5, 5)]
    program.words += [encode("ld", register, 8 * number, DATA) for number, register in enumerate(DATA_REGISTERS[1:])]


def _show(config: NodeConfig) -> list[int]:
    """Words that let all registers be seen: scalar and vector registers are written with what they hold."""
    words = [encode("addi", register, register, 0) for register in range(1, 32)]
    words += [encode("vor", vector, vector, vector) for vector in LOADED_VECTORS]
    words.append(encode("addi", 16, DATA, -DATA_BYTES // 2))
    words += [encode("mst.f32.p", accumulator, 16) for accumulator in range(config.accumulators)]
    words += [encode("pmv.x.p", 5, number) for number in range(8)]
    return words + [encode("csrrs", 5, csr, 0) for csr in _SHOWN_CSRS]


def _handler(program: _Program) -> None:
    """Behind a jump to where no memory is, what called goes on, else the instruction behind the one that trapped."""
    program.label("handler")
    program.words += [
        encode("csrrs", HANDLER, Csr.MTVAL, 0),
        encode("csrrs", HANDLER, Csr.MCAUSE, 0),
        encode("addi", HANDLER, HANDLER, -1),
        encode("bne", HANDLER, 0, 12),
        encode("csrrw", 0, Csr.MEPC, RESUME),
        encode("mret"),
        encode("csrrs", HANDLER, Csr.MEPC, 0),
        encode("addi", HANDLER, HANDLER, 4),
        encode("csrrw", 0, Csr.MEPC, HANDLER),
        encode("mret"),
    ]
