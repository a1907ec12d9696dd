# SPDX-License-Identifier: Apache-2.0
"""``d1 run --kill-link``: what it accepts, what it refuses, and what it reports."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from golden.topology import Topology
from scripts.d1.errors import CommandError
from scripts.d1.link_kills import LinkKillType, check_kills
from verif.scripts.command import d1, refused

#: Node 0 writes to the node in the east, again and again.
SOURCE = """
_start:  csrr t0, mhartid
         bnez t0, 2f
         la t1, count
         ld t2, (t1)
         li t0, 0x201000
1:       nwrite v0, (t0)
         addi t2, t2, -1
         bnez t2, 1b
2:       halt zero
         .balign 8
count:   .dword COUNT
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "writes.s"
    path.write_text(SOURCE.replace("COUNT", "1000"))
    return path


def test_a_run_tells_which_link_died(program: Path) -> None:
    arguments = ("run", str(program), "--config", "tiny", "--array", "1x2", "--backend", "golden", "--json")
    done = d1(*arguments, "--kill-link", "500:0,1,west")
    assert done.code == 1
    report = done.json
    assert not report["passed"]
    (link,) = report["links"]
    assert (link["row"], link["column"], link["port"], link["lost"]) == (0, 0, "east", [])
    assert 500 <= link["cycle"] < 600
    assert report["waiting"] == []
    assert report["nodes"][0]["lost_links"] == ["east"]
    assert report["nodes"][0]["trap"]["cause"] == 24
    assert "the east link of node row 0, column 0 died before cycle" in done.stderr
    assert not report["nodes"][1]["answers"]
    assert "node row 0, column 1: does not answer the host" in done.stderr


def test_a_run_that_is_over_before_says_so(program: Path) -> None:
    arguments = ("run", str(program), "--config", "tiny", "--array", "1x2", "--backend", "golden")
    done = d1(*arguments, "--kill-link", "1000000:0,0,east")
    assert done.code == 0
    assert "--kill-link 1000000:0,0,east: the run was over before" in done.stderr


@pytest.mark.parametrize(
    ("kills", "message"),
    [
        (["5:0,0"], "'5:0,0' names no cycle and link; write cycle:row,column,port, such as 5000:0,1,east"),
        (["5:0,0,up"], "names no cycle and link"),
        (["5:0,0,north"], "--kill-link 5:0,0,north: dead_links: the north link of node x=0, y=0 leads out of the array"),
        (["5:1,0,east"], "node x=0, y=1 is not in the array"),
        (["5:0,0,east", "9:0,1,west"], "--kill-link 9:0,1,west: the west link of node x=1, y=0 is not there"),
        (["4:0,0,east"], "--kill-link 4:0,0,east: the run has passed 5 cycles already; name a later one"),
    ],
)
def test_links_that_cannot_die_are_refused(kills: list[str], message: str) -> None:
    with pytest.raises((CommandError, click.UsageError)) as caught:
        check_kills([LinkKillType().convert(kill, None, None) for kill in kills], Topology(1, 2), 5)
    assert message in str(caught.value)


def test_a_board_has_no_links_to_cut(program: Path) -> None:
    outcome = d1("run", program, "--backend", "/dev/nowhere", "--kill-link", "5:0,0,east")
    refused(outcome, 2, "--kill-link looks into a simulated array")
