# SPDX-License-Identifier: Apache-2.0
"""Traffic patterns send what they say, and no mesh can carry more of them than their bound."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.network.patterns import HOTSPOT_SHARE, PATTERNS, Rates, Site, capacity, mean_hops, pattern_rates, total_rate, way

LENGTHS = st.integers(3, 9)


def line(begin: Site, end: Site) -> list[Site]:
    """The nodes from one to another in the same row or column."""
    length = max(abs(a - b) for a, b in zip(begin, end, strict=True))
    return [begin, *((begin[0] + (end[0] - begin[0]) * n // length, begin[1] + (end[1] - begin[1]) * n // length)
                     for n in range(1, length + 1))]  # fmt: skip


def the_only(shares: dict[Site, Fraction]) -> Site:
    """The destination of a node that has one."""
    assert list(shares.values()) == [1]
    return next(iter(shares))


@given(st.sampled_from(sorted(PATTERNS)), LENGTHS, LENGTHS)
def test_every_node_sends_one_packet_per_cycle_or_none_and_into_the_array(name: str, rows: int, columns: int) -> None:
    if not PATTERNS[name].fits(rows, columns):
        rows = columns
    rates = pattern_rates(name, rows, columns)
    sites = {(x, y) for y in range(rows) for x in range(columns)}
    assert rates.keys() == sites
    for shares in rates.values():
        assert sum(shares.values()) in (0, 1)
        assert shares.keys() <= sites
        assert all(share > 0 for share in shares.values())


def test_destinations_of_an_8x8_array_are_those_of_the_book() -> None:
    rates = {name: pattern_rates(name, 8, 8) for name in PATTERNS}
    assert the_only(rates["transpose"][2, 5]) == (5, 2)
    assert rates["transpose"][4, 4] == {}
    assert the_only(rates["bit-complement"][1, 6]) == (6, 1)
    # Half of eight, rounded up, less one: three further, around the end.
    assert the_only(rates["tornado"][1, 6]) == (4, 1)
    assert rates["neighbour"][0, 0] == {(1, 0): Fraction(1, 2), (0, 1): Fraction(1, 2)}
    assert set(rates["neighbour"][3, 4]) == {(3, 3), (4, 4), (3, 5), (2, 4)}
    assert len(rates["uniform"][3, 3]) == 63
    assert (3, 3) not in rates["uniform"][3, 3]
    assert rates["hotspot"][0, 0][4, 4] == HOTSPOT_SHARE + (1 - HOTSPOT_SHARE) / 63


@pytest.mark.parametrize("length", [4, 6, 8, 10])
def test_bound_of_uniform_traffic_is_four_by_k_but_for_packets_to_oneself(length: int) -> None:
    assert capacity(pattern_rates("uniform", length, length)) == Fraction(4, length) * (1 - Fraction(1, length**2))


def test_bounds_of_other_patterns() -> None:
    # Each row's four western nodes send to the east over one link.
    assert capacity(pattern_rates("bit-complement", 8, 8)) == Fraction(1, 4)
    # All nodes of the last row but one send along it to the last column.
    assert capacity(pattern_rates("transpose", 8, 8)) == Fraction(1, 7)
    # One node gets from 63 an eighth and its share of the rest.
    assert capacity(pattern_rates("hotspot", 8, 8)) == 1 / (63 * HOTSPOT_SHARE + 1 - HOTSPOT_SHARE)


def test_sources_and_sinks_take_a_packet_of_each_class_and_links_one_of_both() -> None:
    two: Rates = {(0, 0): {(1, 0): Fraction(1)}}
    assert capacity(two) == capacity(two, Fraction(1, 2)) == 1
    here: Rates = {(0, 0): {(0, 0): Fraction(1)}}
    assert (capacity(here), capacity(here, Fraction(1, 2))) == (1, 2)


@pytest.mark.parametrize("length", [3, 6])
@pytest.mark.parametrize("name", PATTERNS)
def test_no_link_carries_more_than_a_packet_per_cycle_at_the_bound(name: str, length: int) -> None:
    rates = pattern_rates(name, length, length)
    load = capacity(rates)
    links: defaultdict[tuple[Site, Site], Fraction] = defaultdict(Fraction)
    sinks: defaultdict[Site, Fraction] = defaultdict(Fraction)
    for source, shares in rates.items():
        for destination, rate in shares.items():
            sinks[destination] += rate
            # Corner to corner: along the row of the source, then along the column of the destination.
            corner = (destination[0], source[1])
            for begin, end in ((source, corner), (corner, destination)):
                for link in pairwise(line(begin, end)):
                    links[link] += rate
    assert load * max(*links.values(), *sinks.values(), Fraction(1)) == 1


@given(st.tuples(LENGTHS, LENGTHS), st.tuples(LENGTHS, LENGTHS))
def test_way_goes_along_the_row_first_and_has_no_detours(source: Site, destination: Site) -> None:
    links = list(way(source, destination))
    assert len(links) == abs(source[0] - destination[0]) + abs(source[1] - destination[1])
    assert [source, *(end for _, end in links)] == [*(begin for begin, _ in links), destination]
    turned = False
    for (x, _), (to_x, _) in links:
        assert not (turned and x != to_x)
        turned |= x == to_x


def test_mean_hops_are_weighted_by_rates() -> None:
    rates: Rates = {(0, 0): {(3, 0): Fraction(1, 4), (0, 1): Fraction(1, 4)}, (1, 1): {(1, 1): Fraction(1, 2)}}
    assert total_rate(rates) == 1
    assert mean_hops(rates) == 1
