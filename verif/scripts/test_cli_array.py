# SPDX-License-Identifier: Apache-2.0
"""``d1 array``, and arrays with dead nodes and links in ``d1 run`` and ``d1 matmul``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from golden.config import preset
from golden.layout import Port
from golden.topology import TOPOLOGIES, Topology
from scripts.d1 import backends
from scripts.d1.array_map import draw
from scripts.d1.errors import CommandError
from scripts.d1.options import ArrayShape, ArrayType, PipelineView
from verif.scripts.command import d1, refused

HOLE = Topology(3, 4, dead_nodes=frozenset({(1, 1)}), dead_links=frozenset({(2, 0, Port.EAST)}))


@pytest.fixture
def hole(tmp_path: Path) -> Path:
    path = tmp_path / "hole.json"
    path.write_text(HOLE.to_json())
    return path


def test_a_map_shows_nodes_links_dies_and_the_host() -> None:
    topology = HOLE.replace(die_rows=2, die_columns=2, die_link_cycles=9)
    assert draw(topology) == [
        "H-o--o==o  o",
        "  |     |  |",
        "  o  x  o--o",
        "  #     #  #",
        "  o--o==o--o",
    ]


@pytest.mark.parametrize(
    "host, lines",
    [
        ((1, 0, Port.NORTH), ["     H", "  o--o", "  |  |", "  o--o"]),
        ((1, 1, Port.EAST), ["  o--o", "  |  |", "  o--o-H"]),
        ((0, 1, Port.SOUTH), ["  o--o", "  |  |", "  o--o", "  H"]),
        ((0, 1, Port.WEST), ["  o--o", "  |  |", "H-o--o"]),
    ],
)
def test_a_map_shows_the_host_at_its_side(host: Any, lines: list[str]) -> None:
    assert draw(Topology(2, 2, host=host)) == lines


def test_array_shows_the_faults_and_the_proof(hole: Path) -> None:
    outcome = d1("array", str(hole))
    assert outcome.code == 0, outcome.stderr
    for text in (
        "H-o--o--o  o",
        "row 1, column 1",
        "east of row 0, column 2",
        "143 pairs communicate",
        "route_bits at least 2: d1",
    ):
        assert text in outcome.stdout


def test_array_tells_the_same_as_json(hole: Path) -> None:
    outcome = d1("array", str(hole), "--json")
    facts = outcome.json
    assert Topology.from_dict(facts["topology"]) == HOLE
    assert (facts["passed"], facts["nodes"], facts["routes"], facts["error"]) == (True, 11, "tables", None)
    assert facts["proof"]["pairs"] == 11 * 11 + 2 * 11
    assert facts["unreachable"] == []
    whole = d1("array", "2x3", "--json").json
    assert (whole["routes"], whole["route_bits"], whole["proof"]["worst_hops"]) == ("dimension order", 0, 3)


def test_json_names_every_node_that_is_lost_and_the_message_says_so(tmp_path: Path) -> None:
    path = tmp_path / "cut.json"
    path.write_text(Topology(8, 8, dead_nodes=frozenset((3, y) for y in range(8))).to_json())
    outcome = d1("array", str(path), "--json")
    assert outcome.code == 2
    assert outcome.json["unreachable"] == [{"row": y, "column": x} for y in range(8) for x in range(4, 8)]
    assert "and 12 more, which d1 array --json lists" in outcome.json["error"]
    source = tmp_path / "program.s"
    source.write_text("_start: halt zero\n")
    refused(
        d1("run", str(source), "--array", str(path), "--backend", "golden", "--config", "tiny"), 2, "which d1 array --json lists"
    )


def test_array_that_is_cut_in_two_is_refused_with_what_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "cut.json"
    path.write_text(Topology(2, 2, dead_links=frozenset({(0, 0, Port.EAST), (0, 1, Port.EAST)})).to_json())
    outcome = d1("array", str(path))
    assert outcome.code == 2
    assert "2 of 4 nodes cannot be reached from the host at the west link of node x=0, y=0: x=1, y=0; x=1, y=1." in outcome.stderr
    facts = d1("array", str(path), "--json").json
    assert facts["passed"] is False
    assert facts["unreachable"] == [{"row": 0, "column": 1}, {"row": 1, "column": 1}]
    source = tmp_path / "program.s"
    source.write_text("_start: halt zero\n")
    refused(d1("run", str(source), "--array", str(path), "--backend", "golden"), 2, "x=1, y=0; x=1, y=1")


def test_descriptions_that_are_wrong_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "array.json"
    path.write_text('{"rows": 2, "columns": 0}')
    refused(d1("array", str(path)), 2, str(path), "columns = 0 is outside of 1 to 8192")
    refused(d1("array", str(tmp_path / "nothing.json")), 2, "nothing.json", "No such file")
    refused(d1("array", "d2"), 2, "'d2' is no array", "d1-die")
    refused(d1("array", "33x2"), 2, "'33x2' is too large", "up to 32 rows and columns")


def test_an_array_is_named_by_size_file_or_name(hole: Path) -> None:
    def convert(text: str) -> ArrayShape:
        return ArrayType().convert(text, None, None)

    die = convert("d1-die")
    assert (die.topology, die.nodes, str(die), die.size) == (TOPOLOGIES["d1-die"], 354, "d1-die", "20x18")
    assert convert(str(hole)).topology == HOLE
    # A description of a whole array is the array.
    hole.write_text(Topology(2, 2).to_json())
    assert convert(str(hole)) == convert("2x2")
    with pytest.raises(click.BadParameter, match="is no array"):
        convert("array.jso")


def test_run_leaves_dead_nodes_out(hole: Path, tmp_path: Path) -> None:
    source = tmp_path / "program.s"
    source.write_text("_start: halt zero\n")
    trace = tmp_path / "trace"
    outcome = d1(
        "run", str(source), "--config", "tiny", "--array", str(hole), "--backend", "golden", "--json", "--trace", str(trace)
    )
    facts = outcome.json
    assert facts["passed"]
    assert facts["array"] == "3x4"
    assert Topology.from_dict(facts["topology"]) == HOLE
    assert [(node["column"], node["row"]) for node in facts["nodes"]] == list(HOLE.sites())
    assert len(trace.read_text().splitlines()) == 11
    assert "routes around what is dead" in outcome.stderr


def test_run_refuses_nodes_without_tables(hole: Path, tmp_path: Path) -> None:
    source = tmp_path / "program.s"
    source.write_text("_start: halt zero\n")
    for backend in ("golden", "rtl"):
        outcome = d1("run", str(source), "--config", "nano", "--array", str(hole), "--backend", backend)
        refused(outcome, 2, "'nano' has no routing tables")


def test_matmul_uses_the_largest_live_grid(hole: Path) -> None:
    outcome = d1(
        "matmul", "--config", "tiny", "--array", str(hole), "--backend", "golden", "--m", "12", "--n", "16", "--k", "8", "--json"
    )
    facts = outcome.json
    assert facts["passed"], outcome.stderr
    assert len(facts["steps_per_node"]) == 9
    assert "9 of 11 nodes used" in outcome.stderr


def test_a_pipeline_is_shown_of_a_live_node(tmp_path: Path) -> None:
    shape = ArrayShape.of(Topology(2, 2, dead_nodes=frozenset({(0, 0)})), "array.json")
    view = PipelineView(tmp_path / "view.kanata", 0, 0, 0, 1, asked=False)
    shown = backends._pipeline(view, preset("tiny"), shape, "rtl")
    assert shown == replace(view, row=1)
    with pytest.raises(CommandError, match=r"--kanata-node 0,0 is dead in array\.json; name another node"):
        backends._pipeline(replace(view, asked=True), preset("tiny"), shape, "rtl")


@pytest.mark.rtl
def test_the_compiled_array_runs_around_faults(hole: Path, tmp_path: Path) -> None:
    arguments = ("--config", "tiny", "--array", str(hole), "--m", "12", "--n", "16", "--k", "8", "--json")
    assert d1("matmul", *arguments).json["passed"]
