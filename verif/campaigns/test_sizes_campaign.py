# SPDX-License-Identifier: Apache-2.0
"""The campaign of sizes: what is kept and what is measured again, what fails, and what the list says."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fpga.errors import BuildFailed
from verif.campaigns import sizes
from verif.sizes import record
from verif.sizes.area import KINDS, PARTS
from verif.sizes.execution import Difference
from verif.sizes.grid import SIZES, Size, covering
from verif.sizes.measure import BENCHMARKS, Execution

SMALL, ODD, LARGE = Size(1, 8, 1, 1), Size(2, 16, 3, 4), Size(4, 32, 8, 4)


class Stand:
    """Stands in for building, running and synthesis.

    Members
    -------
    executed, synthesised : list of Size
    errors : dict of Size to Exception
        Raised when a size is executed.
    """

    def __init__(self) -> None:
        self.executed: list[Size] = []
        self.synthesised: list[Size] = []
        self.errors: dict[Size, Exception] = {}

    def execute(self, size: Size, tell: Callable[[str], None]) -> Execution:
        self.executed.append(size)
        if size in self.errors:
            raise self.errors[size]
        return Execution(1000 * size.threads, 900, 0.75, {name: (1.25, 2.0) for name in BENCHMARKS})

    def area(self, size: Size, tell: Callable[[str], None]) -> dict[str, dict[str, int]]:
        self.synthesised.append(size)
        return {part: {kind: size.decode_width * number for kind in KINDS} for number, part in enumerate(PARTS, 1)}


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stand:
    made = Stand()
    monkeypatch.setenv("D1_CACHE", str(tmp_path))
    monkeypatch.setattr(sizes, "execute", made.execute)
    monkeypatch.setattr(sizes, "_area", made.area)
    monkeypatch.setattr(record, "RECORD", tmp_path / "measured.json")
    return made


def ignore(size: Size, note: str) -> None:
    pass


def test_sizes_that_stand_for_all_come_first_and_every_size_once(stand: Stand) -> None:
    ordered = sizes.in_order(SIZES)
    assert tuple(ordered[: len(covering())]) == covering()
    assert sorted(ordered) == list(SIZES)
    assert sizes.in_order([LARGE, SMALL]) == [SMALL, LARGE]
    assert all(size.built != size for size in ordered[180:])


def test_what_was_measured_is_kept_and_what_failed_is_not(stand: Stand) -> None:
    stand.errors[ODD] = Difference("thread 1 differs")
    first = list(sizes.run([SMALL, ODD, LARGE], ignore, processes=1))
    assert {outcome.size: outcome.passed for outcome in first} == {SMALL: True, ODD: False, LARGE: True}
    stand.errors.clear()
    again = {outcome.size: outcome for outcome in sizes.run([SMALL, ODD, LARGE], ignore, processes=1)}
    assert all(outcome.passed for outcome in again.values())
    assert sorted(stand.executed) == [SMALL, ODD, ODD, LARGE]
    assert again[SMALL].execution == next(outcome.execution for outcome in first if outcome.size == SMALL)


def test_sizes_of_the_same_hardware_are_measured_once(stand: Stand) -> None:
    outcomes = list(sizes.run([Size(1, 8, decoders, 1) for decoders in (3, 4, 5, 8)], ignore, processes=1))
    assert {outcome.size.decode_width for outcome in outcomes} == {3, 4, 5, 8}
    assert sorted(stand.executed) == [Size(1, 8, 3, 1), Size(1, 8, 4, 1)]
    assert all(outcome.passed for outcome in outcomes)


def test_several_workers_do_what_one_does(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "ProcessPoolExecutor", ThreadPoolExecutor)
    some = [SMALL, ODD, LARGE]
    assert sorted(outcome.size for outcome in sizes.run(some, ignore, processes=2)) == sorted(some)
    assert sorted(stand.executed) == sorted(some)
    assert {outcome.size for outcome in sizes.run(some, ignore, processes=1)} == set(some)
    assert sorted(stand.executed) == sorted(some)


def test_a_size_that_fails_is_named_with_what_repeats_it_and_stops_no_other(stand: Stand) -> None:
    stand.errors = {SMALL: Difference("memory differs at 0x80000040"), ODD: BuildFailed("no")}
    with pytest.raises(BuildFailed):
        list(sizes.run([ODD], ignore, processes=1))
    bad, good = sizes.run([SMALL, LARGE], ignore, processes=1)
    assert (bad.passed, good.passed) == (False, True)
    assert bad.errors == ["Difference: memory differs at 0x80000040"]
    assert bad.command == "d1 campaign sizes --only 1/8/1/1"
    page = sizes.markdown([bad, good])
    assert "These failed: `d1 campaign sizes --only 1/8/1/1`." in page
    assert "| 1/8/1/1 |" not in page


def test_the_list_has_every_measured_size_and_names_those_that_are_not(stand: Stand) -> None:
    outcomes = list(sizes.run([SMALL, LARGE], ignore, processes=1))
    page = sizes.markdown(outcomes, "list.md")
    assert "`d1 campaign sizes --write list.md`" in page
    assert "2 sizes were run, and do what the golden node does; 2 were synthesised." in page
    assert "214 were not measured yet" in page
    assert "1/8/2, 3, 4, 5, 6, 7, 8/1; 1/8/1 to 8/2;" in page
    rows = [line for line in page.splitlines() if line.startswith(("| 1/8", "| 4/32"))]
    total = sum(8 * number for number in range(1, len(PARTS) + 1))
    assert rows[1].startswith("| 4/32/8/4 | 4,000 | 0.75 | 1.25, 2.00 |")
    assert f"| {total} |" in rows[1]
    assert all(line.count("|") == len(sizes.COLUMNS) + 1 for line in rows)
    # One thread is all threads.
    assert "| 1.25 | 1.25 |" in rows[0]
    whole = [sizes.SizeOutcome(size, outcomes[0].execution, outcomes[0].area) for size in SIZES]
    assert "not measured" not in sizes.markdown(whole)
    assert "| decode_width | 8 | 27 | 1 | 2 | 3 | 6 |" in sizes.markdown(whole)
    assert "## What depends on what" not in page
    part = sizes.markdown([sizes.SizeOutcome(SMALL, outcomes[0].execution), sizes.SizeOutcome(LARGE, area=outcomes[0].area)])
    assert "1 sizes were run, and do what the golden node does; 1 were synthesised." in part
    assert all(line.count("|") == len(sizes.COLUMNS) + 1 for line in part.splitlines() if line.startswith(("| 1/8", "| 4/32")))


def test_json_has_parts_and_total(stand: Stand) -> None:
    (outcome,) = sizes.run([ODD], ignore, processes=1)
    found = outcome.as_dict()
    assert (found["size"], found["threads"], found["decode_width"], found["passed"]) == ("2/16/3/4", 2, 3, True)
    area = found["area"]
    assert isinstance(area, dict)
    assert area["total"]["FF"] == sum(area[part]["FF"] for part in PARTS)


def test_the_record_keeps_what_was_measured_and_says_what_is_of_earlier_hardware(
    stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.errors[ODD] = Difference("no")
    sizes.record(list(sizes.run([SMALL, ODD], ignore, processes=1)))
    monkeypatch.setenv("D1_CACHE", str(tmp_path / "another machine"))
    assert sizes.missing([SMALL, ODD, LARGE]) == [ODD, LARGE]
    (again,) = sizes.known([SMALL, ODD])
    assert (again.size, again.passed, again.current) == (SMALL, True, True)
    assert again.as_dict()["current"] is True
    sizes.record(list(sizes.run([LARGE], ignore, processes=1)))
    assert {outcome.size for outcome in sizes.known(SIZES)} == {SMALL, LARGE}

    monkeypatch.setattr(sizes, "hardware_key", lambda size: "changed")
    monkeypatch.setattr(record, "hardware_key", lambda size: "changed")
    page = sizes.markdown(sizes.known(SIZES))
    assert "2, marked with an asterisk, were measured before sources of the hardware changed last." in page
    assert "| 1/8/1/1 * | 1,000 |" in page
    assert sizes.missing([SMALL, LARGE]) == [SMALL, LARGE]
    record.RECORD.write_text("{}")
    with pytest.raises(ValueError, match=r"measured\.json is no record of sizes .* delete it to begin anew"):
        sizes.missing([SMALL])


def test_the_record_in_the_repository_can_be_read() -> None:
    assert set(record.load()) <= set(SIZES)
