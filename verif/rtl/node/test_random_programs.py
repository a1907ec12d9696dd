# SPDX-License-Identifier: Apache-2.0
"""Parts of the generator of random programs: order of threads, places, lengths, limits."""

from __future__ import annotations

import pytest

from golden.config import preset
from golden.isa import INSTRUCTIONS, decode
from golden.layout import SRAM_BASE
from verif.campaigns.core import CONFIGS
from verif.golden.encoding import encode
from verif.rtl.node.array_programs import array_program, code_bytes_of
from verif.rtl.node.choices import SeededChoices
from verif.rtl.node.items import Item, ItemMaker
from verif.rtl.node.order import Order
from verif.rtl.node.pieces import CODE_BYTES, DATA_BYTES, data_address
from verif.rtl.node.programs import ROOM_BYTES, ProgramTooLong, assemble, length, template

TINY = preset("tiny")


def test_what_a_thread_used_is_free_for_those_alone_that_were_told() -> None:
    order = Order(3)
    order.use(0, "place")
    assert order.free(0, "place")
    assert not order.free(1, "place")
    order.tell(0, 1)
    assert order.free(1, "place")
    assert not order.all_free((1, 2), "place")
    order.tell(1, 2)
    assert order.all_free((0, 1, 2), "place")


def test_what_is_used_after_telling_is_not_free() -> None:
    order = Order(2)
    order.tell(0, 1)
    order.use(0, "place")
    assert not order.free(1, "place")
    order.use(1, "another")
    order.tell(1, 0)
    assert order.free(0, "another")
    assert not order.free(1, "place")


@pytest.mark.parametrize("name", CONFIGS)
def test_code_data_and_room_for_exchanges_lie_apart_in_every_configuration(name: str) -> None:
    config = CONFIGS[name]
    code_bytes = code_bytes_of(config)
    assert data_address(config, 0, code_bytes) >= SRAM_BASE + config.threads * code_bytes
    assert data_address(config, config.threads, code_bytes) - SRAM_BASE + 0x800 <= config.sram_bytes


@pytest.mark.parametrize("seed", range(20))
def test_items_have_the_length_that_is_said(seed: int) -> None:
    maker = ItemMaker(TINY, 1, SeededChoices(str(seed)))
    items = [maker.any() for _ in range(4)]
    before = len(assemble(TINY, 1, []))
    after = assemble(TINY, 1, [item for item in items if not _copies(item)])
    assert len(after) - before == length(TINY, [item for item in items if not _copies(item)])


def _copies(item: Item) -> bool:
    return item.copies or any(map(_copies, item.body)) or any(_copies(i) for function in item.functions for i in function)


def test_branches_skip_no_more_items_than_they_say_and_none_that_is_kept() -> None:
    nop, kept = Item((encode("addi", 0, 0, 0),)), Item((encode("addi", 1, 1, 1),), kept=True)
    start = len(assemble(TINY, 0, [])) - length(TINY, [])
    distances = []
    for items in ([nop, nop, nop, nop], [nop, kept, nop], [nop]):
        branch = Item(branch=("beq", (1, 2)), skip=3)
        words = assemble(TINY, 0, [branch, *items])
        place = next(index for index, word in enumerate(words) if _is_branch_of(word))
        distances.append(_branch_distance(words[place]))
        assert place <= start
    assert distances == [16, 8, 8]


def _is_branch_of(word: int) -> bool:
    row = decode(word)
    return row is INSTRUCTIONS["beq"] and word >> 15 & 31 == 1 and word >> 20 & 31 == 2


def _branch_distance(word: int) -> int:
    return (word >> 8 & 0xF) << 1 | (word >> 25 & 0x3F) << 5


def test_a_program_that_is_too_long_is_refused() -> None:
    with pytest.raises(ProgramTooLong, match=f"more than the {CODE_BYTES}"):
        assemble(TINY, 0, [Item((0x13,) * (CODE_BYTES // 4))])


def test_templates_have_room() -> None:
    for seed in range(50):
        words = template(ItemMaker(TINY, 0, SeededChoices(str(seed))))
        assert 4 * len(words) <= ROOM_BYTES


def test_memory_of_a_program_is_that_of_the_node() -> None:
    program = array_program(TINY, "any")
    assert [len(image) for image in program.memory.values()] == [TINY.sram_bytes] * 2
    data = data_address(TINY, 0, code_bytes_of(TINY)) - SRAM_BASE
    assert any(any(image[data : data + DATA_BYTES]) for image in program.memory.values())
