# SPDX-License-Identifier: Apache-2.0
"""Golden nodes that have run a few instructions, for tests of what those do."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from golden.config import PRESETS, NodeConfig
from golden.layout import SRAM_BASE, ThreadState
from golden.node import GoldenNode
from golden.thread import Thread
from verif.golden.encoding import encode, program

CONFIGS = list(PRESETS.values())
HALT = encode("halt", 0)

#: Where data lies: offset in SRAM, and address.
DATA = 0x400
AT = SRAM_BASE + DATA


def named(config: NodeConfig) -> str:
    """Name of a case with that configuration."""
    return config.name


def bf16_operands(seed: int, count: int) -> npt.NDArray[np.uint16]:
    """BF16 codes of both signs and a wide range, with a few zeros and special values."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, 1 << 16, count, np.uint16)
    plain = random.random(count) < 0.97
    near_one = (codes & 0x807F | random.integers(100, 150, count, np.uint16) << 7).astype(np.uint16)
    return np.where(plain, near_one, codes).astype(np.uint16)


def prepare(config: NodeConfig, words: list[int], data: bytes = b"", x: dict[int, int] | None = None) -> GoldenNode:
    """A node with data at AT and a program that thread 0 is about to execute; ``halt`` is appended."""
    node = GoldenNode(config)
    node.load(program([*words, HALT]))
    node.sram[DATA : DATA + len(data)] = data
    for register, value in (x or {}).items():
        node.threads[0].x[register] = value % (1 << 64)
    node.threads[0].start(SRAM_BASE)
    return node


def make(
    config: NodeConfig,
    words: list[int],
    data: bytes = b"",
    x: dict[int, int] | None = None,
    before: Callable[[Thread], None] | None = None,
) -> GoldenNode:
    """As ``prepare``, run to the end; ``before`` may change the thread first."""
    node = prepare(config, words, data, x)
    if before is not None:
        before(node.threads[0])
    node.run(100_000)
    assert node.threads[0].state is ThreadState.HALTED, (node.threads[0].mcause, hex(node.threads[0].mtval))
    return node


def trapped(
    config: NodeConfig,
    words: list[int],
    data: bytes = b"",
    x: dict[int, int] | None = None,
    before: Callable[[Thread], None] | None = None,
) -> GoldenNode:
    """As ``make``, for programs that trap."""
    node = prepare(config, words, data, x)
    if before is not None:
        before(node.threads[0])
    node.run(100_000)
    assert node.threads[0].state is ThreadState.TRAPPED
    return node
