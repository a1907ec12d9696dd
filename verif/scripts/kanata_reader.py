# SPDX-License-Identifier: Apache-2.0
"""Reads files in the format Kanata 0004, and refuses whatever the format does not allow."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Stage:
    """A stage of an instruction, from cycle ``start`` to the one before ``end``."""

    name: str
    start: int
    end: int = -1


@dataclass
class ShownInstruction:
    """An instruction as the file shows it. ``retirement`` is -1 if it was flushed; ``producers`` are where arrows come from."""

    number: int
    sequence: int
    thread: int
    start: int
    end: int = -1
    flushed: bool = False
    retirement: int = -1
    label: str = ""
    detail: str = ""
    lanes: dict[int, list[Stage]] = field(default_factory=dict)
    producers: list[int] = field(default_factory=list)

    @property
    def pc(self) -> int:
        """The address that its label begins with."""
        return int(self.label.split()[0], 16)

    @property
    def stages(self) -> dict[str, tuple[int, int]]:
        """Where it was when: stages of lane 0 with their first cycle and the one behind the last."""
        return {stage.name: (stage.start, stage.end) for stage in self.lanes[0]}


def read_kanata(path: Path) -> list[ShownInstruction]:
    """All instructions of a file, in the order in which they begin.

    Raises
    ------
    AssertionError
        If a line is none of the format; if a command names an instruction that has not begun or has ended; if numbers are not
        consecutive, or used twice; if a stage begins before the one before it in its lane has ended, or ends without having
        begun; if a stage is empty; if something is left that has not ended.
    """
    contents = path.read_bytes()
    text = (gzip.decompress(contents) if path.suffix == ".gz" else contents).decode()
    header, *lines = text.split("\n")
    assert header == "Kanata\t0004"
    assert lines.pop() == "", "the last line is not ended"
    shown: list[ShownInstruction] = []
    cycle: int | None = None
    for number, line in enumerate(lines, start=2):
        command, *columns = line.split("\t")
        if command == "C=":
            assert cycle is None, line
            (cycle,) = map(int, columns)
            continue
        assert cycle is not None, f"line {number} comes before C="
        if command == "C":
            (step,) = map(int, columns)
            assert step > 0, line
            cycle += step
            continue
        index = int(columns[0])
        if command == "I":
            assert index == len(shown), line
            _, sequence, thread = map(int, columns)
            shown.append(ShownInstruction(index, sequence, thread, cycle))
            continue
        instruction = shown[index]
        assert instruction.end < 0, f"line {number} names an instruction that has ended: {line}"
        if command == "L":
            _, kind, text = columns
            if kind == "0":
                instruction.label += text
            else:
                assert kind == "1", line
                instruction.detail += text.replace("\\n", "\n")
        elif command == "S":
            _, lane, name = columns
            stages = instruction.lanes.setdefault(int(lane), [])
            assert not stages or 0 <= stages[-1].end <= cycle, f"line {number}: {stages[-1]} goes on"
            stages.append(Stage(name, cycle))
        elif command == "E":
            _, lane, name = columns
            stage = instruction.lanes[int(lane)][-1]
            assert (stage.name, stage.end) == (name, -1), f"line {number}: {stage}"
            assert stage.start < cycle, f"line {number}: {stage}"
            stage.end = cycle
        elif command == "W":
            _, producer, kind = columns
            assert kind == "0", line
            assert 0 <= int(producer) < index, line
            instruction.producers.append(int(producer))
        else:
            assert command == "R", line
            _, retirement, kind = columns
            assert all(stages[-1].end >= 0 for stages in instruction.lanes.values()), f"line {number}: a stage goes on"
            instruction.end = cycle
            instruction.flushed = {"0": False, "1": True}[kind]
            if not instruction.flushed:
                instruction.retirement = int(retirement)
    assert all(instruction.end >= 0 for instruction in shown), "not everything has ended"
    retired = sorted(each.retirement for each in shown if not each.flushed)
    assert retired == list(range(len(retired))), "numbers of retired instructions are not consecutive"
    return shown
