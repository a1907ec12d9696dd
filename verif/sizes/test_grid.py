# SPDX-License-Identifier: Apache-2.0
"""Which sizes there are, which are refused and why, and that the few that stand for all have every pair of values."""

from __future__ import annotations

import itertools
from dataclasses import astuple

import pytest

from golden.config import ConfigError
from verif.sizes.area import core_design
from verif.sizes.grid import BASE, BUILT, SIZES, VALUES, Size, covering, parse_size


def test_all_sizes_of_the_cross_product_are_configurations_of_their_own() -> None:
    assert len(SIZES) == len(set(SIZES)) == 3 * 3 * 8 * 3
    assert len({size.config.key for size in SIZES}) == len(SIZES)
    # A line that is shorter than a window would make fetching 32 bytes the same as fetching 16.
    assert all(size.config.window_bytes == size.fetch_bytes for size in SIZES)


@pytest.mark.parametrize(
    "size, message",
    [(Size(threads, 16, 4, 2), rf"threads = {threads} is not one of 1, 2, 4") for threads in (0, 3, 5, 8)]
    + [(Size(2, fetch, 4, 2), rf"fetch_bytes = {fetch} is not one of 8, 16, 32") for fetch in (0, 4, 12, 24, 64)]
    + [(Size(2, 16, decode, 2), rf"decode_width = {decode} is outside of 1 to 8") for decode in (0, 9, 16)]
    + [(Size(2, 16, 4, issue), rf"issue_width = {issue} is not one of 1, 2, 4") for issue in (0, 3, 5, 8)],
    ids=str,
)
def test_what_lies_between_and_beyond_is_refused_by_name_and_value(size: Size, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        assert size.config
    with pytest.raises(ConfigError, match=message):
        parse_size(str(size))


@pytest.mark.parametrize("threads", [2, 4])
def test_a_sequential_core_has_one_thread(threads: int) -> None:
    with pytest.raises(ConfigError, match=f"threads = {threads} is not 1"):
        BASE.replace(core="sequential", link_passes=2, threads=threads)


def test_sizes_are_read_as_they_are_written() -> None:
    for size in SIZES:
        assert parse_size(str(size)) == size
    for text in ("", "4/16/4", "4/16/4/2/1", "4/16/four/2", "4/16/-4/2", "4/16/4/²"):
        with pytest.raises(ValueError, match="THREADS/FETCH/DECODE/ISSUE"):
            parse_size(text)


def test_every_pair_of_values_occurs_in_a_covering_size_if_its_hardware_is_built() -> None:
    chosen = covering()
    for (first, firsts), (second, seconds) in itertools.combinations(enumerate(VALUES.values()), 2):
        seen = {(astuple(size)[first], astuple(size)[second]) for size in chosen}
        wanted = set(itertools.product(firsts, seconds))
        if (first, second) == (1, 2):
            wanted -= {(8, decoders) for decoders in (5, 6, 7, 8)}
        assert seen == wanted
    # As many as threads and decoders have pairs, which is the least, or hardly more.
    assert 24 <= len(chosen) <= 28
    assert len(set(chosen)) == len(chosen)
    assert all(size.built == size for size in chosen)


def test_more_decoders_than_find_a_word_are_not_built() -> None:
    assert len(BUILT) == 180
    assert {size.built for size in SIZES} == set(BUILT)
    wide, narrow = Size(1, 8, 8, 1), Size(1, 8, 4, 1)
    assert wide.built == narrow
    assert wide.config.key != narrow.config.key
    assert core_design(wide.config).top == core_design(narrow.config).top
