# SPDX-License-Identifier: Apache-2.0
"""Random programs for all threads of an array, which follow from a seed alone."""

from __future__ import annotations

from golden.config import NodeConfig
from golden.layout import SRAM_BASE, Csr, GlobalAddress
from verif.golden.encoding import encode
from verif.rtl.node.announcements import Announcements
from verif.rtl.node.choices import SeededChoices
from verif.rtl.node.exchanges import ROOMS, Member
from verif.rtl.node.items import Item, ItemMaker
from verif.rtl.node.lockstep import ArrayProgram
from verif.rtl.node.pieces import CODE_BYTES, DATA_BYTES, constant, data_address
from verif.rtl.node.programs import ROOM_BYTES, TEMPLATES, assemble, length, memory_of, template

__all__ = ["array_program", "code_bytes_of"]

#: Code that a thread has at most, and what is left of a node's memory for exchanges at least.
_CODE_BYTES_AT_MOST, _SHARED_BYTES = 0x4000, 0x800

#: Words for the end of a program, and for alignment.
_END_WORDS = 64

#: Items and exchanges of a program, at most; turns of loops around items.
_STEPS, _TURNS = 400, 20


def code_bytes_of(config: NodeConfig) -> int:
    """Code that each thread has: as much as leaves room for the data of all, and for exchanges."""
    code_bytes = _CODE_BYTES_AT_MOST
    while code_bytes > CODE_BYTES:
        data_end = data_address(config, config.threads, code_bytes) - SRAM_BASE
        if data_end + _SHARED_BYTES <= config.sram_bytes:
            break
        code_bytes //= 2
    return code_bytes


def array_program(
    config: NodeConfig, seed: str, rows: int = 1, columns: int = 2, first: tuple[int, int] = (0, 0)
) -> ArrayProgram:
    """The programs of a seed.

    Parameters
    ----------
    config : NodeConfig
    seed : str
    rows, columns : int
        Nodes that take part, all of which are in the array.
    first : (x, y)
        The north-west one of them.
    """
    choices, code_bytes = SeededChoices(seed), code_bytes_of(config)
    sites = [(first[0] + x, first[1] + y) for y in range(rows) for x in range(columns)]
    members = _members(config, sites, choices, code_bytes, GlobalAddress(0x1000, 0x1000))
    exchanges = Announcements(config, members, choices, code_bytes)
    for member in members:
        member.started = member.index == 0 or choices.one_of((True, False))
    starts = [(*member.site, member.number, SRAM_BASE + member.number * code_bytes) for member in members if member.started]
    # Of some nodes, who ends their program by a store to tohost.
    last = {site: choices.one_of([m for m in members if m.site == site]) for site in sites if choices.integer(0, 2) == 0}
    tohost = {site: SRAM_BASE + exchanges.tohost_offset for site in last}
    for _ in range(choices.integer(5, _STEPS)):
        if choices.integer(0, 3) == 0:
            exchanges.any()
            continue
        member = choices.one_of(members)
        item = member.maker.nest(_TURNS) if choices.integer(0, 4) == 0 else member.maker.any()
        if last.get(member.site) is member and choices.integer(0, 9) == 0:
            item = _harmless_store(tohost[member.site], choices)
        words = length(config, [item])
        if words <= member.words_left:
            member.append([item], words)
    for member in members:
        if not member.started and choices.integer(0, 9):
            exchanges.start(choices.one_of([other for other in members if other.started]), member)

    ends: dict[int, list[int]] = {}
    for member in last.values():
        if member.started:
            ends |= exchanges.exit_words(member, choices.one_of((1, 3, choices.integer(0, 2**47) | 1)))
    memory = {}
    for site in sites:
        image = bytearray(config.sram_bytes)
        for offset, code in exchanges.code.items():
            image[offset : offset + len(code)] = code
        for member in members:
            if member.site == site:
                _place(config, member, choices, code_bytes, ends.get(member.index), image)
        image[-config.line_bytes :] = (memory_of(choices) * config.line_bytes)[: config.line_bytes]
        memory[site] = bytes(image)
    return ArrayProgram(config, first[1] + rows, first[0] + columns, memory, tuple(starts), tohost)


def _members(
    config: NodeConfig, sites: list[tuple[int, int]], choices: SeededChoices, code_bytes: int, absent: GlobalAddress
) -> list[Member]:
    members: list[Member] = []
    for site in sites:
        for thread in range(config.threads):
            maker = ItemMaker(config, thread, choices, code_bytes=code_bytes, absent=absent)
            taken = len(assemble(config, thread, [], code_bytes=code_bytes)) + (TEMPLATES + ROOMS) * ROOM_BYTES // 4 + _END_WORDS
            members.append(Member(len(members), site, thread, maker, code_bytes // 4 - taken))
    return members


def _harmless_store(address: int, choices: SeededChoices) -> Item:
    """A store to ``tohost`` that does not end the program."""
    even = choices.integer(0, 2**47) & ~1
    value, mnemonic = choices.one_of(
        ((even, choices.one_of(("sd", "sw", "sh", "sb"))), (even | 1 | 1 << 56, "sd"), (1 | 1 << 48, "sd"))
    )
    return Item((*constant(16, address), *constant(17, value), encode(mnemonic, 17, 0, 16)), kept=True)


def _end(member: Member, choices: SeededChoices) -> list[int]:
    """``halt``, or a trap without a handler."""
    if choices.integer(0, 5):
        return [encode("halt", member.maker.register())]
    return [encode("csrrw", 0, Csr.MTVEC, 0), choices.one_of((encode("ebreak"), encode("ecall"), encode("ld", 1, 0, 0), 0))]


def _place(
    config: NodeConfig, member: Member, choices: SeededChoices, code_bytes: int, end: list[int] | None, image: bytearray
) -> None:
    """Put a thread's code and data into its node's memory."""
    words = assemble(
        config,
        member.number,
        member.items,
        code_bytes=code_bytes,
        templates=[template(member.maker) for _ in range(TEMPLATES)],
        rooms=ROOMS,
        end=end or _end(member, choices),
    )
    code = b"".join(word.to_bytes(4, "little") for word in words)
    start = member.number * code_bytes
    image[start : start + len(code)] = code
    data = data_address(config, member.number, code_bytes) - SRAM_BASE
    image[data : data + DATA_BYTES] = (memory_of(choices) * DATA_BYTES)[:DATA_BYTES]
