# SPDX-License-Identifier: Apache-2.0
"""The engine's link of several cycles does in each cycle what the model of the hardware's bridge does, whatever its ends do."""

from __future__ import annotations

import ctypes
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.config import NodeConfig
from verif.rtl.network.flits import CONFIGS, NARROW_CONFIGS
from verif.scripts.link_bench import ENGINE, End, compare, compile_link

WIDE = CONFIGS["line16_depth3"]
NARROW = NARROW_CONFIGS["line16_depth3_passes4"]

#: Changes of bridge.cpp that are wrong, each of one place.
MISTAKES = {
    "a class has its turn twice": ("last_ ^ 1 :", "last_ :"),
    "the first class always goes first": ("last_ ^ 1 :", "0u :"),
    "a cycle more on the wire": ("away.parts.push_back({cycle + over_,", "away.parts.push_back({cycle + over_ + 1,"),
    "credits of one class only": ("credits_[kind] += node.credit >> kind & 1;", "credits_[kind] += node.credit & 1;"),
    "a place less": ("free_.fill(kChannelDepth +", "free_.fill(kChannelDepth - 1 +"),
    "a place comes free at once": ("away.credits.push_back({cycle + over_, last_});", "away.credits.push_back({cycle, last_});"),
    "a credit is lost": ("(spent && (more || comes_free[kind]))", "(spent && more)"),
}


@pytest.fixture(scope="module", params=["wide", "narrow"])
def compiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[ctypes.CDLL, NodeConfig]:
    config = WIDE if request.param == "wide" else NARROW
    return compile_link(config, tmp_path_factory.mktemp(request.param)), config


def ends(config: NodeConfig, rough: bool) -> list[End]:
    """Ends that keep both classes busy; with ``rough``, receivers that stall now one and now the other."""
    stalls = ([3, 1, 1, 3, 2, 0, 1, 3, 3, 2, 2], [2, 0, 3, 3, 1, 1, 2]) if rough else ([0], [0])
    wishes: tuple[list[int | None], list[int | None]] = ([2, 2, 0, 1, None, 2], [2])
    return [End(config, sends, stall, 1) for sends, stall in zip(wishes, stalls, strict=True)]


def played(library: ctypes.CDLL, config: NodeConfig, lengths: tuple[int, ...] = (2, 3, 4, 9)) -> None:
    for cycles in lengths:
        for rough in (True, False):
            crossed = compare(library, config, cycles, ends(config, rough), 300)
            assert crossed > 100


def test_the_link_is_the_model_in_every_cycle(compiled: tuple[ctypes.CDLL, NodeConfig]) -> None:
    played(*compiled, lengths=(2, 3, 4, 5, 9, 64))


_WISHES = st.lists(st.sampled_from([None, 0, 1, 2]), min_size=1, max_size=6)
_STALLS = st.lists(st.integers(0, 3), min_size=1, max_size=8)


@settings(max_examples=25, deadline=None)
@given(
    cycles=st.sampled_from([2, 3, 4, 7, 33]),
    sends=st.tuples(_WISHES, _WISHES),
    stalls=st.tuples(_STALLS, _STALLS),
    seed=st.integers(0, 99),
)
def test_the_link_is_the_model_whatever_stalls(
    compiled: tuple[ctypes.CDLL, NodeConfig],
    cycles: int,
    sends: tuple[list[int | None], list[int | None]],
    stalls: tuple[list[int], list[int]],
    seed: int,
) -> None:
    library, config = compiled
    compare(library, config, cycles, [End(config, sends[n], stalls[n], seed + n) for n in range(2)], 150)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_planted_mistakes_are_found(mistake: str, tmp_path: Path) -> None:
    right, wrong = MISTAKES[mistake]
    source = (ENGINE / "bridge.cpp").read_text()
    assert source.count(right) == 1
    shutil.copy(ENGINE / "bridge.h", tmp_path)
    (tmp_path / "bridge.cpp").write_text(source.replace(right, wrong))
    library = compile_link(WIDE, tmp_path, tmp_path)
    with pytest.raises(AssertionError, match="cycle"):
        played(library, WIDE)
