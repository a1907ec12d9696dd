# SPDX-License-Identifier: Apache-2.0
"""Traffic patterns as matrices of rates, and what a mesh with dimension-order routing can carry of them.

Patterns are those of W. Dally and B. Towles, Principles and Practices of Interconnection Networks (2004), chapter 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["HOTSPOT_SHARE", "PATTERNS", "Pattern", "capacity", "mean_hops", "pattern_rates", "total_rate", "way"]

#: Part of hotspot traffic that goes to the one node.
HOTSPOT_SHARE = Fraction(1, 8)

Site = tuple[int, int]

#: Packets per cycle from a node to others, if each node that sends sends one.
Rates = dict[Site, dict[Site, Fraction]]


@dataclass(frozen=True)
class Pattern:
    """Who sends to whom.

    Members
    -------
    title : str         a few words
    destinations : callable   rows, columns, x, y -> part of the packets of node (x, y) by destination
    square : bool             needs as many rows as columns
    """

    title: str
    destinations: Callable[[int, int, int, int], dict[Site, Fraction]]
    square: bool = False

    def fits(self, rows: int, columns: int) -> bool:
        """Whether there is such traffic in an array of this shape."""
        return rows == columns or not self.square


def _sites(rows: int, columns: int) -> Iterator[Site]:
    return ((x, y) for y in range(rows) for x in range(columns))


def _evenly(sites: list[Site]) -> dict[Site, Fraction]:
    return {site: Fraction(1, len(sites)) for site in sites}


def _uniform(rows: int, columns: int, x: int, y: int) -> dict[Site, Fraction]:
    return _evenly([site for site in _sites(rows, columns) if site != (x, y)])


def _transpose(rows: int, columns: int, x: int, y: int) -> dict[Site, Fraction]:
    return {(y, x): Fraction(1)} if x != y else {}


def _bit_complement(rows: int, columns: int, x: int, y: int) -> dict[Site, Fraction]:
    return {(columns - 1 - x, rows - 1 - y): Fraction(1)}


def _tornado(rows: int, columns: int, x: int, y: int) -> dict[Site, Fraction]:
    return {((x + -(-columns // 2) - 1) % columns, (y + -(-rows // 2) - 1) % rows): Fraction(1)}


def _hotspot(rows: int, columns: int, x: int, y: int) -> dict[Site, Fraction]:
    spot = (columns // 2, rows // 2)
    if (x, y) == spot:
        return _uniform(rows, columns, x, y)
    shares = {site: share * (1 - HOTSPOT_SHARE) for site, share in _uniform(rows, columns, x, y).items()}
    shares[spot] += HOTSPOT_SHARE
    return shares


def _neighbour(rows: int, columns: int, x: int, y: int) -> dict[Site, Fraction]:
    around = [(x, y - 1), (x + 1, y), (x, y + 1), (x - 1, y)]
    return _evenly([(a, b) for a, b in around if 0 <= a < columns and 0 <= b < rows])


#: By name.
PATTERNS: dict[str, Pattern] = {
    "uniform": Pattern("to every other node alike", _uniform),
    "transpose": Pattern("from (x, y) to (y, x)", _transpose, square=True),
    "bit-complement": Pattern("to the node opposite of the centre", _bit_complement),
    "tornado": Pattern("almost half way around each dimension", _tornado),
    "hotspot": Pattern(f"uniform, and {HOTSPOT_SHARE} of it to one node in the middle", _hotspot),
    "neighbour": Pattern("to the nodes at the other ends of the links alike", _neighbour),
}


def pattern_rates(name: str, rows: int, columns: int) -> Rates:
    """Packets per cycle of a pattern at load 1."""
    return {(x, y): PATTERNS[name].destinations(rows, columns, x, y) for x, y in _sites(rows, columns)}


def way(source: Site, destination: Site) -> Iterator[tuple[Site, Site]]:
    """The links, as (from, to), of the way that dimension order takes: along the row first."""
    x, y = source
    while (x, y) != destination:
        here = (x, y)
        if x != destination[0]:
            x += 1 if x < destination[0] else -1
        else:
            y += 1 if y < destination[1] else -1
        yield here, (x, y)


def capacity(rates: Rates, class_share: Fraction = Fraction(1)) -> Fraction:
    """The largest load at which no link, no source and no sink has more than a packet per cycle: nothing can do better.

    For uniform traffic on k x k nodes, k even, it is (4 / k) (1 - 1 / k**2): half of all pairs lie on two sides of the middle,
    where k links go each way, and no node sends to itself.

    Parameters
    ----------
    rates : Rates
        Packets per cycle at load 1.
    class_share : Fraction
        Part of them that goes by the class that has most. Sources and sinks take a packet of each class per cycle, links one.
    """
    loads: dict[object, Fraction] = {}
    for source, shares in rates.items():
        for destination, rate in shares.items():
            for end in (("source", source), ("sink", destination)):
                loads[end] = loads.get(end, Fraction(0)) + rate * class_share
            for link in way(source, destination):
                loads[link] = loads.get(link, Fraction(0)) + rate
    return 1 / max(loads.values())


def total_rate(rates: Rates) -> Fraction:
    """Packets per cycle of all nodes."""
    return sum((sum(shares.values(), Fraction(0)) for shares in rates.values()), Fraction(0))


def mean_hops(rates: Rates) -> Fraction:
    """Links on the way of a packet, on average over packets."""
    hops = (rate * (abs(x - to_x) + abs(y - to_y)) for (x, y), shares in rates.items() for (to_x, to_y), rate in shares.items())
    return sum(hops, Fraction(0)) / total_rate(rates)
