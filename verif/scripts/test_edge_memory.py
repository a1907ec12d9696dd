# SPDX-License-Identifier: Apache-2.0
"""The engine's memory at the edge: its contract in cycles, its bytes against the golden memory, and its errors."""

from __future__ import annotations

import ctypes
import functools
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from golden.config import preset
from golden.edge_memory import EdgeMemory
from golden.layout import OFFSET_BITS, Kind, NetworkError, Port
from golden.packet import Packet
from verif.bench import bench_seed
from verif.scripts.memory_bench import ENGINE, CompiledMemory, ModelledMemory, Outcome, Sent, compile_memory, drive

TINY = preset("tiny")
LINE = TINY.line_bytes
CONFIGS = {passes: TINY.replace(link_passes=passes) for passes in (1, 2, 4)}
X, Y, PORT = 3, 1, Port.EAST


@functools.cache
def library(passes: int, folder: Path) -> ctypes.CDLL:
    folder = folder / f"passes{passes}"
    folder.mkdir()
    return compile_memory(CONFIGS[passes], folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("memory")


def memory(latency: int = 1, rate: int = LINE, size: int = 1 << 20) -> EdgeMemory:
    return EdgeMemory(X, Y, PORT, size, latency, rate)


def request(kind: Kind, address: int, tag: int = 0, **fields: int | bytes | bool) -> Packet:
    values = {"x": X, "y": Y, "exit": PORT, "offset": address & (1 << OFFSET_BITS) - 1, "upper": address >> OFFSET_BITS}
    carried = {"mask": (1 << LINE) - 1, "data": bytes(LINE)} if kind is Kind.WRITE else {}
    return Packet(kind, **{**values, "src_x": 5, "src_y": 7, "tag": tag, **carried, **fields})  # type: ignore[arg-type]


def reads(count: int) -> list[Sent]:
    return [Sent(request(Kind.READ, LINE * n, n % 256)) for n in range(count)]


def run(
    folder: Path, described: EdgeMemory, sent: list[Sent], holds: tuple[int, ...] = (0,), passes: int = 1
) -> tuple[Outcome, CompiledMemory, ModelledMemory]:
    outcome, compiled, model = drive(library(passes, folder), CONFIGS[passes], described, sent, holds)
    compiled.close()
    return outcome, compiled, model


@st.composite
def requests(draw: st.DrawFn, size: int) -> list[Sent]:
    """Packets of any kind, mostly for the memory, mostly for a few lines at its ends and at a border of its pages."""
    lines = [0, 1, (1 << 16) // LINE - 1, (1 << 16) // LINE, size // LINE - 1, size // LINE, (1 << 35) // LINE - 1]
    sent = []
    for tag in range(draw(st.integers(0, 30))):
        kind = draw(st.sampled_from([Kind.READ, Kind.WRITE, Kind.WRITE, Kind.READ, Kind.READ_DATA]))
        address = draw(st.sampled_from(lines)) * LINE + draw(st.integers(0, LINE - 1))
        fields: dict[str, int | bytes | bool] = {}
        if kind is Kind.WRITE:
            fields = {"mask": draw(st.integers(0, (1 << LINE) - 1)), "data": draw(st.binary(min_size=LINE, max_size=LINE))}
            fields["post"] = draw(st.sampled_from([False, False, False, True]))
        if draw(st.integers(0, 9)) == 9:
            fields |= draw(st.sampled_from([{"x": X + 1}, {"y": Y - 1}, {"exit": Port.LOCAL}, {"exit": Port.NORTH}]))
        if kind is Kind.READ_DATA:
            fields["data"] = bytes(LINE)
        sent.append(Sent(request(kind, address, tag, **fields), draw(st.integers(0, 12))))
    return sent


@pytest.mark.parametrize("passes", CONFIGS)
def test_every_cycle_follows_the_contract_and_every_byte_the_golden_memory(folder: Path, passes: int) -> None:
    compiled_library, size = library(passes, folder), 1 << 20

    @seed(bench_seed())
    @settings(max_examples=40 if passes == 1 else 15, deadline=None, database=None)
    @given(
        requests(size),
        st.integers(1, 40),
        st.sampled_from([1, 3, 7, LINE // 2, LINE - 1, LINE, LINE + 1, 1024]),
        st.lists(st.integers(0, 60), min_size=1, max_size=4),
    )
    def check(sent: list[Sent], latency: int, rate: int, holds: list[int]) -> None:
        described = memory(latency, rate, size)
        outcome, compiled, model = drive(compiled_library, CONFIGS[passes], described, sent, holds)
        try:
            for start in (0, (1 << 16) - LINE, size - LINE):
                length = min(2 * LINE, size - start)
                assert compiled.read(start, length) == model.contents.read(start, length)
            counted, golden = compiled.counters(), model.contents
            assert (counted.reads, counted.writes) == (golden.lines_read, golden.lines_written)
            assert (counted.errors, counted.dropped) == (golden.errors, golden.dropped)
            assert len(outcome.answers) == golden.lines_read + golden.errors
        finally:
            compiled.close()

    check()


@pytest.mark.parametrize("passes", CONFIGS)
@pytest.mark.parametrize("latency", [1, 2, 10, 300])
def test_an_idle_memory_answers_after_its_latency(folder: Path, latency: int, passes: int) -> None:
    outcome, _, _ = run(folder, memory(latency, 1), [Sent(request(Kind.READ, 64), 5)], passes=passes)
    assert [began - arrived for began, arrived in zip(outcome.began, outcome.arrived, strict=True)] == [latency]


@pytest.mark.parametrize("rate, cycles", [(1, 1584), (3, 528), (7, 226), (12, 132), (15, 105), (16, 99), (1024, 99)])
def test_a_hundred_lines_take_the_cycles_that_the_rate_dictates(folder: Path, rate: int, cycles: int) -> None:
    """From the first to the last: 99 lines of 16 bytes, less the rate - 1 bytes that an idle memory has saved up, rounded up."""
    outcome, _, _ = run(folder, memory(50, rate), reads(100))
    assert outcome.began[-1] - outcome.began[0] == cycles


@pytest.mark.parametrize("passes", CONFIGS)
def test_answers_leave_at_the_link_s_full_rate_whatever_the_latency(folder: Path, passes: int) -> None:
    for latency in (1, 17, 400):
        outcome, _, _ = run(folder, memory(latency, 1024), reads(600), passes=passes)
        assert np.diff(outcome.began).tolist() == [passes] * 599


def test_held_up_answers_hold_up_requests_and_none_is_lost(folder: Path) -> None:
    outcome, _, _ = run(folder, memory(20, LINE), reads(200), holds=(40,))
    assert [answer.tag for answer in outcome.answers] == list(range(200))
    # At most channel_depth answers leave until their credits come back.
    assert outcome.cycles >= 200 // TINY.channel_depth * 40
    # No more are in hand than the contract says: answers under way, those in the link's buffers, and requests that wait.
    late = [sum(began < arrived for began in outcome.began) for arrived in outcome.arrived]
    assert max(n - seen for n, seen in enumerate(late)) <= 20 + 2 * TINY.channel_depth


@pytest.mark.parametrize(
    "fields, reason",
    [
        ({"offset": 1 << 20}, NetworkError.BAD_OFFSET),
        ({"offset": 0, "upper": 1}, NetworkError.BAD_OFFSET),
        ({"offset": 0, "upper": (1 << 14) - 1}, NetworkError.BAD_OFFSET),
        ({"offset": 64, "x": X + 1}, NetworkError.UNREACHABLE),
        ({"offset": 64, "exit": Port.LOCAL}, NetworkError.UNREACHABLE),
    ],
)
def test_errors_name_what_failed(folder: Path, fields: dict[str, int], reason: NetworkError) -> None:
    for kind in (Kind.READ, Kind.WRITE):
        asked = request(kind, 0, 9, **fields)
        outcome, _, _ = run(folder, memory(), [Sent(asked)])
        (answer,) = outcome.answers
        assert answer == asked.error(reason)
        expected = asked.offset | asked.x << 21 | asked.y << 34 | asked.exit << 47 | asked.upper << 50
        assert answer.failed_address == expected


def test_a_write_that_posts_is_refused_and_writes_nothing(folder: Path) -> None:
    asked = [Sent(request(Kind.WRITE, 0, post=True, sem=2, data=b"\xff" * LINE)), Sent(request(Kind.READ, 0, 1))]
    outcome, _, _ = run(folder, memory(), asked)
    assert [answer.kind for answer in outcome.answers] == [Kind.ERROR, Kind.READ_DATA]
    assert outcome.answers[0].sem == NetworkError.BAD_OFFSET
    assert outcome.answers[1].data == bytes(LINE)


PLANTED = {
    "a credit is lost": ("out.credit |= 1u << kClassRequest;", ""),
    "a late answer": ("answers_.front().due <= cycle + 1", "answers_.front().due <= cycle"),
    "fractions are lost": ("const uint64_t limit = kLineBytes + rate_ - 1", "const uint64_t limit = kLineBytes"),
    "answers without end": ("&& room)", "&& (room || true))"),
    "masks are ignored": ("if (mask >> n & 1)", "if (mask >> n)"),
    "upper is ignored": ("uint64_t(get(request, kFlitUpper)) << kFlitOffset.bits", "0"),
    "credits are not waited for": ("&& credits_ > 0)", ")"),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_planted_bugs_are_found(folder: Path, tmp_path: Path, bug: str) -> None:
    engine = tmp_path / "engine"
    shutil.copytree(ENGINE, engine)
    source = (engine / "edge_memory.cpp").read_text()
    right, wrong = PLANTED[bug]
    assert source.count(right) == 1
    (engine / "edge_memory.cpp").write_text(source.replace(right, wrong))
    broken = compile_memory(TINY, tmp_path, engine)
    every_other = sum(1 << n for n in range(0, LINE, 2))
    far = 1 << OFFSET_BITS
    sent = [Sent(request(Kind.WRITE, LINE * n, data=bytes([n + 1]) * LINE, mask=every_other)) for n in range(8)]
    sent += [Sent(request(Kind.WRITE, far + 1024 - LINE, data=b"\x11" * LINE)), Sent(request(Kind.READ, 1024 - LINE, 1))]
    sent += reads(60)
    described = EdgeMemory(X, Y, PORT, 4 << OFFSET_BITS, 5, 7)
    drive(library(1, folder), TINY, described, sent, (9,))[1].close()
    with pytest.raises(AssertionError):
        drive(broken, TINY, described, sent, (9,))
