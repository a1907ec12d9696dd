# SPDX-License-Identifier: Apache-2.0
"""The properties of routers, proved for so many cycles: for flits of every input and class, and for a square of routers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from golden.layout import Port, TrafficClass
from verif.formal.circuit import Circuit
from verif.formal.unrolled import first_cycles
from verif.rtl.network.formal.mistakes import Mistake
from verif.rtl.network.formal.one_router import CHECKS, mistaken_router
from verif.rtl.network.formal.square import ONE_SENDER, square

__all__ = ["LEAST_DEPTH", "Outcome", "names", "run"]

#: In fewer cycles, nothing that is stuck shows.
LEAST_DEPTH = 6

#: Cycles at the end in which a square is left to drain: three to empty what is on its way, three in which nothing moves.
_DRAIN = 6


@dataclass(frozen=True)
class Outcome:
    """What was found of a proof: the check that fails first and in which cycle, or None for both; processor time."""

    name: str
    check: str | None
    cycle: int | None
    seconds: float


def names() -> list[str]:
    """All proofs: ``router/<port>-<class>`` for flits that come there; of a square, and of one to which one node sends."""
    return [f"router/{port.name.lower()}-{c.name.lower()}" for port in Port for c in TrafficClass] + [
        "square",
        "square-one-sender",
    ]


def _decide(name: str, circuit: Circuit, depth: int) -> Outcome:
    fixed: dict[str, int] = {"mistake": Mistake.NONE}
    checks: Sequence[str] = ("stuck",)
    if name.startswith("square"):
        fixed["fill"] = depth - _DRAIN
        if name == "square-one-sender":
            checks = ("stuck", "miscounted")
            fixed |= ONE_SENDER
    else:
        port, c = name.removeprefix("router/").split("-")
        fixed |= {"port": Port[port.upper()], "traffic_class": TrafficClass[c.upper()], "links": 0b1111, "edges": 0b1001}
        checks = CHECKS
    answers = first_cycles(circuit, checks, depth, fixed=fixed)
    failed = [(answer.cycle, check) for check, answer in answers.items() if answer.cycle is not None]
    cycle, check = min(failed, default=(None, None))
    return Outcome(name, check, cycle, max(answer.seconds for answer in answers.values()))


def run(wanted: Sequence[str], depth: int, progress: Callable[[str, float], None] = lambda what, share: None) -> list[Outcome]:
    """Decide proofs one after the other.

    Raises
    ------
    KeyError
        If there is none of that name.
    ValueError
        If the depth is less than ``LEAST_DEPTH``.
    """
    if depth < LEAST_DEPTH:
        raise ValueError(f"depth = {depth}: in fewer than {LEAST_DEPTH} cycles nothing that is stuck shows")
    for name in wanted:
        if name not in names():
            raise KeyError(name)

    def outcomes() -> Iterator[Outcome]:
        router: Circuit | None = None
        four: Circuit | None = None
        for number, name in enumerate(wanted):
            progress(name, number / len(wanted))
            if name.startswith("square"):
                four = four or square()
                yield _decide(name, four, depth)
                continue
            router = router or mistaken_router()
            yield _decide(name, router, depth)

    return list(outcomes())
