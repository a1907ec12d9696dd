# SPDX-License-Identifier: Apache-2.0
"""Predicates of the golden node: eight per thread, a bit per byte of a vector register, p0 always all ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.config import NodeConfig, preset
from golden.layout import SRAM_BASE
from golden.node import GoldenNode
from verif.golden.encoding import encode
from verif.golden.nodes import CONFIGS, HALT, make, named

#: Bit by bit: (bit of ps1, bit of ps2) -> bit of pd.
TRUTH: dict[str, Callable[[bool, bool], bool]] = {
    "pand": lambda a, b: a and b,
    "por": lambda a, b: a or b,
    "pxor": lambda a, b: a != b,
    "pandn": lambda a, b: a and not b,
}
values = st.integers(0, 2**64 - 1)


def read_all(first: int = 8) -> list[int]:
    """Words that copy p0 to p7 into scalar registers."""
    return [encode("pmv.x.p", first + number, number) for number in range(8)]


@pytest.mark.parametrize("config", CONFIGS, ids=named)
def test_p0_is_all_ones_and_the_others_are_0_after_reset(config: NodeConfig) -> None:
    assert make(config, read_all()).threads[0].x[8:16] == [2**config.line_bytes - 1] + [0] * 7


@pytest.mark.parametrize("config", CONFIGS, ids=named)
@settings(max_examples=20, deadline=None)
@given(value=values)
def test_moves_take_one_bit_per_byte_of_a_vector(config: NodeConfig, value: int) -> None:
    words = [encode("pmv.p.x", 7, 5), encode("pmv.p.x", 0, 5), encode("pmv.x.p", 0, 7), *read_all()]
    thread = make(config, words, b"", {5: value}).threads[0]
    ones = 2**config.line_bytes - 1
    assert thread.x[8:16] == [ones, 0, 0, 0, 0, 0, 0, value % 2**config.line_bytes]
    assert thread.x[0] == 0


@pytest.mark.parametrize("mnemonic", TRUTH)
@settings(max_examples=40, deadline=None)
@given(a=values, b=values, target=st.integers(0, 7), second=st.integers(0, 7))
def test_operations_work_bit_by_bit(mnemonic: str, a: int, b: int, target: int, second: int) -> None:
    config = preset("d1")
    words = [encode("pmv.p.x", 3, 5), encode("pmv.p.x", 4, 6), encode(mnemonic, target, 3, second), *read_all()]
    thread = make(config, words, b"", {5: a, 6: b}).threads[0]
    before = [2**64 - 1, 0, 0, a, b, 0, 0, 0]
    bits = [TRUTH[mnemonic](bool(a >> i & 1), bool(before[second] >> i & 1)) for i in range(64)]
    expected = list(before)
    if target:
        expected[target] = sum(bit << i for i, bit in enumerate(bits))
    assert thread.x[8:16] == expected


def test_results_in_scalar_registers_show_at_retirement() -> None:
    config = preset("tiny")
    node = GoldenNode(config)
    writes: list[tuple[tuple[int, int], ...]] = []
    node.on_retire = lambda record: writes.append(record.writes)
    node.sram[:12] = b"".join(word.to_bytes(4, "little") for word in (encode("pmv.x.p", 5, 0), encode("pmv.p.x", 1, 5), HALT))
    node.threads[0].start(SRAM_BASE)
    node.run()
    assert writes == [((5, 0xFFFF),), (), ()]


def test_threads_have_predicates_of_their_own_and_a_start_keeps_them() -> None:
    config = preset("tiny")
    node = make(config, [encode("pmv.p.x", 1, 5)], b"", {5: 0xABC})
    node.threads[1].start(SRAM_BASE)
    node.threads[0].x[5] = 0x123
    node.threads[0].start(SRAM_BASE + 4)
    node.run()
    assert [thread.p[1] for thread in node.threads] == [0xABC, 0]
