# SPDX-License-Identifier: Apache-2.0
"""When nextpnr's log shows that it will not come to an end."""

from __future__ import annotations

from pathlib import Path

from fpga.progress import ROUNDS_WITHOUT_GAIN, ProgressWatch


def rounds(first: int, *overused: int) -> str:
    return "".join(f"Info:     iter={n} wires=9 overused={o} overuse=9 archfail=NA\n" for n, o in enumerate(overused, first))


def watch_over(log: Path, *texts: str) -> list[str | None]:
    """What the watch says after each text that the log grows by."""
    watch = ProgressWatch(log)
    said = [watch.hopeless()]
    for text in texts:
        with open(log, "a") as file:
            file.write(text)
        said.append(watch.hopeless())
    return said


def test_there_is_hope_without_a_log_or_rounds_and_while_fewer_wires_are_missing(tmp_path: Path) -> None:
    falling = rounds(1, *range(1000, 0, -1))
    assert watch_over(tmp_path / "log", "Info: placing\n", falling, rounds(1001, *[1] * ROUNDS_WITHOUT_GAIN)[:-1]) == [None] * 4


def test_there_is_none_when_the_rounds_gain_nothing_any_more(tmp_path: Path) -> None:
    stuck = rounds(3, *[40] * (ROUNDS_WITHOUT_GAIN - 1))
    said = watch_over(tmp_path / "log", rounds(1, 90, 40), stuck, rounds(2 + ROUNDS_WITHOUT_GAIN, 41))
    assert said == [None, None, None, f"40 wires too few at best, in round 2 of {2 + ROUNDS_WITHOUT_GAIN}"]


def test_a_gain_in_time_gives_hope_again(tmp_path: Path) -> None:
    late = [50] * (ROUNDS_WITHOUT_GAIN - 1) + [39]
    assert watch_over(tmp_path / "log", rounds(1, 40, *late), rounds(2 + len(late), *late[:-1]))[1:] == [None, None]


def test_a_line_in_the_making_is_read_when_it_is_whole(tmp_path: Path) -> None:
    text = rounds(1, 40, *[50] * ROUNDS_WITHOUT_GAIN)
    said = watch_over(tmp_path / "log", text[:-20], text[-20:])
    assert said[1] is None
    assert said[2] is not None


def test_there_is_none_when_the_device_has_too_little_of_something(tmp_path: Path) -> None:
    def line(used: int) -> str:
        return f"Info: \t          MULT18X18D:{used:8}/     28  {100 * used // 28:4}%\n"

    assert watch_over(tmp_path / "log", line(28), line(29)) == [None, None, "there is too little of something"]
