# SPDX-License-Identifier: Apache-2.0
"""A mesh of the compiled router: nothing is lost, single packets take a cycle per hop, and all links can be full at once."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from golden.config import NodeConfig, preset
from golden.layout import Port, TrafficClass
from scripts.network.build import build_harness
from scripts.network.curves import LOADS, Job, curve, curves, full_links, point, zero_load
from scripts.network.measurement import (
    ROUTER_CYCLES,
    Event,
    MeshError,
    Phases,
    mean,
    measure,
    quantile,
    replay,
)
from scripts.network.patterns import Rates, pattern_rates
from verif.scripts.faulty_router import DOUBLES, LOSES, MISLEADS, FaultyRouter

pytestmark = pytest.mark.rtl

SHORT = Phases(200, 400, 400)

REQUEST, RESPONSE = TrafficClass


@pytest.fixture(scope="module")
def program() -> Path:
    return build_harness(preset("d1"))


@pytest.fixture(scope="module")
def faulty() -> Path:
    return build_harness(preset("d1"), router=FaultyRouter)


@pytest.mark.parametrize("rows, columns", [(1, 1), (1, 6), (3, 5), (8, 8)])
def test_single_packets_take_their_hops_and_one_cycle(program: Path, rows: int, columns: int) -> None:
    sites = [(x, y) for y in range(rows) for x in range(columns)]
    latencies = zero_load(program, rows, columns, sites)
    assert len(latencies) == 2 * len(sites) ** 2
    assert all(latency == event.hops + ROUTER_CYCLES for event, latency in latencies.items())


@pytest.mark.parametrize("rows, columns", [(1, 4), (4, 1), (2, 3), (8, 8)])
def test_every_link_carries_a_flit_in_every_cycle_at_once(program: Path, rows: int, columns: int) -> None:
    full = full_links(program, rows, columns, SHORT)
    assert len(full.links) == 2 * (rows * (columns - 1) + columns * (rows - 1))
    assert set(full.links.values()) == {SHORT.window}


def rates_of(draws: list[tuple[int, int, int]], rows: int, columns: int) -> Rates:
    """Rates from (source, destination, weight); of each source they sum up to at most 1."""
    rates: Rates = {}
    for source, destination, weight in draws:
        shares = rates.setdefault((source % columns, source // columns % rows), {})
        to = (destination % columns, destination // columns % rows)
        shares[to] = shares.get(to, Fraction(0)) + Fraction(weight, 8)
    return {source: {to: rate / max(1, sum(shares.values())) for to, rate in shares.items()} for source, shares in rates.items()}


FLOWS = st.lists(st.tuples(st.integers(0, 63), st.integers(0, 63), st.integers(1, 8)), max_size=12)


@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    requests=FLOWS,
    responses=FLOWS,
    stall=st.integers(0, 7),
    seed=st.integers(0, 2**64 - 1),
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_is_lost_doubled_or_overtaken_whatever_the_traffic(
    program: Path,
    shape: tuple[int, int],
    requests: list[tuple[int, int, int]],
    responses: list[tuple[int, int, int]],
    stall: int,
    seed: int,
) -> None:
    rows, columns = shape
    rates = {REQUEST: rates_of(requests, rows, columns), RESPONSE: rates_of(responses, rows, columns)}
    measured = measure(program, rows, columns, rates, seed=seed, phases=SHORT, stall=Fraction(stall, 8))
    assert measured.injected == measured.delivered >= sum(measured.accepted)
    assert sum(measured.by_source.values()) == sum(measured.accepted)
    for c in TrafficClass:
        assert sum(measured.latencies[c].values()) + measured.left[c] == measured.offered[c]
        # No packet is faster than it is alone.
        latency_sum = sum(latency * packets for latency, packets in measured.latencies[c].items())
        arrived = sum(measured.latencies[c].values())
        assert latency_sum >= measured.hops[c] + ROUTER_CYCLES * arrived
    assert bool(sum(measured.offered)) <= bool(requests or responses)


def test_rates_are_kept_and_counted_by_class_and_link(program: Path) -> None:
    rates: dict[TrafficClass, Rates] = {REQUEST: {(0, 0): {(2, 1): Fraction(1, 4)}}, RESPONSE: {(2, 1): {(0, 1): Fraction(1, 2)}}}
    phases = Phases(100, 20_000, 100)
    measured = measure(program, 2, 3, rates, phases=phases)
    # Five standard deviations of a binomial distribution.
    for c, rate in ((REQUEST, 0.25), (RESPONSE, 0.5)):
        assert abs(measured.offered[c] - rate * phases.window) < 5 * (rate * (1 - rate) * phases.window) ** 0.5
        assert abs(measured.accepted[c] - measured.offered[c]) <= 4
    assert measured.latencies[REQUEST] == {4: measured.offered[REQUEST]}
    assert measured.latencies[RESPONSE] == {3: measured.offered[RESPONSE]}
    assert measured.hops == (3 * measured.offered[REQUEST], 2 * measured.offered[RESPONSE])
    used = {link for link, flits in measured.links.items() if flits}
    assert used == {
        *((0, 0, Port.EAST), (1, 0, Port.EAST), (2, 0, Port.SOUTH)),
        *((2, 1, Port.WEST), (1, 1, Port.WEST)),
    }


def test_equal_seeds_give_equal_counts_and_others_do_not(program: Path) -> None:
    job = Job(program, 4, 4, "uniform", "both", phases=SHORT)
    first, again, other = (point(replace(job, seed=seed), Fraction(1, 2)) for seed in (7, 7, 8))
    assert first == again
    assert first.latencies != other.latencies


def test_a_packet_waits_for_those_before_it_in_its_source(program: Path) -> None:
    events = [Event(10, (0, 0), (3, 0)) for _ in range(5)]
    assert replay(program, 1, 4, events) == [4, 5, 6, 7, 8]


def test_sinks_that_take_nothing_are_noticed(program: Path) -> None:
    with pytest.raises(MeshError, match="nothing enters or arrives any more, but packets wait"):
        replay(program, 1, 2, [Event(0, (0, 0), (1, 0))], stall=Fraction(1))


@pytest.mark.parametrize(
    "destination, message",
    [
        (LOSES, "nothing enters or arrives any more, but packets wait"),
        (DOUBLES, "a packet from node 0 to node 2 is number 0 instead of 1"),
        (MISLEADS, "a packet from node 0 to node 0 arrived at node 3"),
    ],
)
def test_a_router_that_loses_doubles_or_misleads_packets_is_noticed(
    faulty: Path, destination: tuple[int, int], message: str
) -> None:
    with pytest.raises(MeshError, match=message):
        replay(faulty, 2, 2, [Event(0, (0, 0), destination)])
    # Packets that it leaves alone pass.
    assert replay(faulty, 2, 2, [Event(0, (0, 0), destination, RESPONSE)])


def test_a_curve_ends_where_the_mesh_saturates(program: Path) -> None:
    job = Job(program, 4, 4, "uniform", phases=Phases(500, 1000, 1000))
    measured = curve(job)
    saturated = [part for part in measured.points if job.saturated(measured.points[part])]
    unsaturated = [part for part in measured.points if part not in saturated]
    assert [*unsaturated, *saturated] == sorted(measured.points)
    assert measured.saturation == unsaturated[-1]
    assert saturated[0] - unsaturated[-1] < Fraction(1, 200)
    assert len([part for part in saturated if part in LOADS]) == 1
    assert mean(measured.points[unsaturated[0]].histogram) < job.zero_load_latency + 1
    assert measured.overload.rate(measured.overload.offered) > measured.overload.rate(measured.overload.accepted)
    assert curves([job]) == [measured]


def test_more_than_a_packet_per_cycle_is_refused(program: Path) -> None:
    with pytest.raises(ValueError, match=r"a rate of 1\.25 per cycle is outside of 0 to 1"):
        measure(program, 1, 2, {REQUEST: {(0, 0): {(0, 0): Fraction(1), (1, 0): Fraction(1, 4)}}})


def test_routers_of_narrow_links_are_refused() -> None:
    with pytest.raises(ValueError, match="link_passes = 2 of 'slim': only routers with link_passes = 1 can be measured"):
        build_harness(NodeConfig(name="slim", link_passes=2))


def test_no_more_load_than_the_bound_passes(program: Path) -> None:
    job = Job(program, 4, 4, "bit-complement", phases=SHORT)
    assert pattern_rates("bit-complement", 4, 4) == job.rates
    assert max(point(job, Fraction(1)).links.values()) <= SHORT.window


def test_mean_and_quantiles() -> None:
    histogram = {4: 1, 2: 2, 10: 1}
    assert mean(histogram) == 4.5
    assert [quantile(histogram, share) for share in (0.25, 0.5, 0.51, 0.75, 0.99)] == [2, 2, 4, 4, 10]
    assert str(mean({})) == str(quantile({}, 0.5)) == "nan"
