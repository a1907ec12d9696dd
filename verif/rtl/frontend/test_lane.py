# SPDX-License-Identifier: Apache-2.0
"""A lane decodes as the decoder does, ends its group where the program goes elsewhere, and corrects wrong predictions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.config import NodeConfig
from golden.layout import OFFSET_BITS, SRAM_BASE
from rtl.core.decoder import Decoder
from rtl.frontend.lane import DecodeLane
from verif.rtl.frontend.program import branch, flow, jal, plain
from verif.rtl.simulate import Simulation, property_settings

CONFIGS = [NodeConfig(fetch_bytes=8, decode_width=2), NodeConfig(fetch_bytes=16, decode_width=6), NodeConfig(fetch_bytes=32)]
WIDTHS = {config: (config.decode_width + 1) // 2 for config in CONFIGS}
SIMULATIONS = {config: Simulation(DecodeLane(config, WIDTHS[config]), clocked=False) for config in CONFIGS}
DECODER = Simulation(Decoder(CONFIGS[0]), clocked=False)

BRANCHES = st.sampled_from(("beq", "bne", "blt", "bge", "bltu", "bgeu"))
REGISTER = st.sampled_from((0, 1, 17, 31))
WORD = st.one_of(
    st.builds(plain, st.integers(0, 4095)),
    st.builds(jal, st.integers(-(2**19), 2**19 - 1).map(lambda offset: 2 * offset)),
    st.builds(branch, BRANCHES, REGISTER, REGISTER, st.integers(-(2**11), 2**11 - 1).map(lambda offset: 2 * offset)),
    st.builds(jal, st.integers(-8, 8).map(lambda offset: 4 * offset)),
    st.builds(branch, BRANCHES, REGISTER, REGISTER, st.integers(-8, 8).map(lambda offset: 4 * offset)),
    # Words of the opcodes of branches and jalr, legal or not
    st.builds(lambda word, opcode: word & ~0x7F | opcode, st.integers(0, 2**32 - 1), st.sampled_from((0x63, 0x67, 0x6F))),
)
#: Windows at the node's first words, its last ones and in between.
WINDOW_AT = st.sampled_from((0, 1, 7, 0x1000, 2**13 - 1))


def wanted(pc: int, words: list[int], predicted: bool, follows: int) -> tuple[int, int | None, bool, int | None]:
    """How many words make the group, where its last one continues if elsewhere, whether that ends the window, what is corrected.

    Addresses are bytes, within the node's window.
    """
    for i, word in enumerate(words):
        here = pc + 4 * i
        found = flow(SRAM_BASE + here, word)
        expected = predicted and i == len(words) - 1
        jumps = found.taken is True and found.kind != "jalr"
        if not expected and not jumps:
            continue
        continues: int | None = None
        if found.kind == "jalr" and expected:
            continues = follows
        elif found.direct and found.taken is not False:
            assert found.target is not None
            continues = found.target % (1 << OFFSET_BITS)
        right = (here + 4) % (1 << OFFSET_BITS) if continues is None else continues
        correct = expected and continues == follows
        return i + 1, continues, True, None if correct else right
    return len(words), None, False, None


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"window{config.window_bytes}-width{WIDTHS[config]}")
@property_settings(300)
@given(
    window=st.lists(WORD, min_size=8, max_size=8), at=WINDOW_AT, start=st.integers(0, 7), count=st.integers(0, 8), guess=st.data()
)
def test_groups_end_and_continue_as_words_say(
    config: NodeConfig, window: list[int], at: int, start: int, count: int, guess: Any
) -> None:
    simulation = SIMULATIONS[config]
    lane = simulation.component
    size, width = config.window_bytes // 4, WIDTHS[config]
    start %= size
    count = min(count, size - start)
    words = window[:count]
    pc = 4 * (at % (1 << 19 - (size - 1).bit_length()) * size + start)
    targets = [
        found.target % 2**OFFSET_BITS & ~3 for i, word in enumerate(words) if (found := flow(SRAM_BASE + pc + 4 * i, word)).target
    ]
    predicted = guess.draw(st.booleans()) if count else False
    follows = guess.draw(st.sampled_from([*targets, 0, 64]))

    async def check(context: Any) -> None:
        context.set(lane.words, (words + [0xFFFF_FFFF] * width)[:width])
        context.set(lane.available, count)
        context.set(lane.pc, pc // 4)
        context.set(lane.predicted, predicted)
        context.set(lane.follows, follows // 4)
        size_of_group, continues, stops, correction = wanted(pc, words, predicted, follows)
        if size_of_group > width:
            # The end is not this lane's.
            size_of_group, continues, stops, correction = width, None, False, None
        group = context.get(lane.group)
        assert (group.pc, group.count) == (pc // 4, size_of_group)
        assert (group.predicted, context.get(lane.stops)) == (continues is not None, stops)
        if continues is not None:
            assert group.follows == continues // 4
        assert context.get(lane.corrects) == (correction is not None)
        if correction is not None:
            assert context.get(lane.target) == correction // 4
        assert [group.insns[i] for i in range(size_of_group)] == words[:size_of_group]

    simulation.run(check)


@property_settings(100)
@given(words=st.lists(WORD | st.integers(0, 2**32 - 1), min_size=4, max_size=4))
def test_what_is_decoded_is_what_the_decoder_says(words: list[int]) -> None:
    config = CONFIGS[2]
    expected: list[Any] = []

    async def decode(context: Any) -> None:
        for word in words:
            context.set(DECODER.component.insn, word)
            expected.append(context.get(DECODER.component.decoded).as_bits())

    async def check(context: Any) -> None:
        lane = SIMULATIONS[config].component
        context.set(lane.words, words)
        context.set(lane.available, 8)
        decoded = context.get(lane.group).decoded
        assert [decoded[i].as_bits() for i in range(4)] == expected

    DECODER.run(decode)
    SIMULATIONS[config].run(check)
