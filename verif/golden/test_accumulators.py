# SPDX-License-Identifier: Apache-2.0
"""Accumulators evaluated when they are read against one step after the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import golden.accumulators
from golden.accumulators import BF16_PAIR, Accumulators, FormatPair
from golden.config import preset
from golden.formats import BF16, cfp8_143, cfp8_152
from golden.matrix import matrix_step
from verif.golden.nodes import bf16_operands

PAIRS: tuple[FormatPair, ...] = (
    BF16_PAIR, (cfp8_143(7), cfp8_143(7)), (cfp8_152(15), BF16), (BF16, cfp8_143(40)),
)  # fmt: skip
_ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(("step", "step", "step", "restart", "clear", "load", "read")),
        st.integers(0, 3),
        st.sampled_from(PAIRS),
        st.integers(1, 2),
        st.integers(0, 99),
    ),
    max_size=40,
)


@settings(max_examples=100, deadline=None)
@given(actions=_ACTIONS, queued_max=st.sampled_from((1, 3, 8192)))
def test_lazy_accumulators_equal_one_step_after_the_other(
    actions: list[tuple[str, int, FormatPair, int, int]], queued_max: int
) -> None:
    config = preset("small")
    m, n = config.matrix_m, config.matrix_n
    lazy = Accumulators(config)
    eager = np.zeros((config.accumulators, m, n), np.uint32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(golden.accumulators, "QUEUED_STEPS_MAX", queued_max)
        for action, i, formats, steps, seed in actions:
            data = bf16_operands(seed, 2 * config.line_bytes).tobytes()
            if action in ("step", "restart"):
                a, b = (
                    np.frombuffer(part, fmt.dtype, steps * 4 * m)
                    for part, fmt in zip((data[: len(data) // 2], data[len(data) // 2 :]), formats, strict=True)
                )
                getattr(lazy, action)(i, a.tobytes(), b.tobytes(), formats, steps)
                if action == "restart":
                    eager[i] = 0
                for tile_a, tile_b in zip(a.reshape(steps, m, 4), b.reshape(steps, 4, n), strict=True):
                    eager[i] = matrix_step(eager[i], tile_a, tile_b, *formats)
            elif action == "clear":
                lazy.clear(i)
                eager[i] = 0
            elif action == "load":
                lazy.load(i, data[: 4 * m * n])
                eager[i] = np.frombuffer(data, "<u4", m * n).reshape(m, n)
            else:
                np.testing.assert_array_equal(lazy.read(i), eager[i])
    for i in range(config.accumulators):
        np.testing.assert_array_equal(lazy.read(i), eager[i])


def test_steps_are_added_in_the_order_of_issue() -> None:
    """1 + 2**24 - 2**24 is 0 in binary32, -2**24 + 2**24 + 1 is 1."""
    config = preset("tiny")
    one, large, minus = (code.to_bytes(2, "little") for code in (0x3F80, 0x4B80, 0xCB80))
    a = (one + bytes(6)) * 2
    forward, backward = Accumulators(config), Accumulators(config)
    for value in (one, large, minus):
        forward.step(0, a, value * 2 + bytes(12))
    for value in (minus, large, one):
        backward.step(0, a, value * 2 + bytes(12))
    assert forward.read(0).view(np.float32).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert backward.read(0).view(np.float32).tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_what_is_read_does_not_change_with_later_steps() -> None:
    config = preset("tiny")
    accumulators = Accumulators(config)
    seen = accumulators.read(0)
    accumulators.step(0, b"\x80\x3f" * 8, b"\x80\x3f" * 8)
    accumulators.read(0)
    assert not seen.any()
