# SPDX-License-Identifier: Apache-2.0
"""``d1 array``: an array's map, what is dead in it, and the routes around that, proved."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from golden.config import PRESETS
from golden.edge_memory import EdgeMemory
from golden.layout import Port
from golden.topology import Link, Site, Topology
from scripts.d1.errors import CommandError, ExitCode
from scripts.d1.options import ArrayShape, ArrayType, reporting
from scripts.d1.report import Stages, print_json, print_table


@click.command()
@click.argument("array", type=ArrayType(), metavar="RxC|FILE|NAME")
@reporting
@click.pass_context
def array(ctx: click.Context, array: ArrayShape, as_json: bool) -> None:
    """Show an array of nodes: its map, what is dead in it, and how packets go.

    A FILE that ends in .json describes an array: {"rows": 4, "columns": 4, "dead_nodes": [{"row": 1, "column": 2}], "dead_links":
    [{"row": 0, "column": 0, "port": "east"}], "host": {"row": 0, "column": 0, "port": "west"}, "die_rows": 2, "die_columns": 2,
    "die_link_cycles": 100, "memories": [{"row": 0, "column": 3, "port": "east", "bytes": 1073741824, "latency": 100,
    "bytes_per_cycle": 64}]}. All but rows and columns may be left out.

    Where nodes or links are dead, routes are computed around them. It is proved that every packet arrives and that no packets can
    wait for each other in a circle. Ends with 2 if nodes cannot be reached from the host; "unreachable" in JSON lists them all.
    """
    from scripts.d1.array_map import LEGEND, draw
    from sw.routing import MAX_ROUTED_SIDE, RoutingError, UnreachableNodes, compute_routes, prove

    if max(array.rows, array.columns) > MAX_ROUTED_SIDE:
        raise CommandError(f"'{array}' is too large to be shown; arrays of up to {MAX_ROUTED_SIDE} rows and columns are")
    topology = array.topology
    facts: dict[str, Any] = {"array": array.size, "nodes": topology.nodes, "topology": topology.as_dict()}
    error = proof = None
    lost: tuple[Site, ...] = ()
    with Stages().stage(f"routes of {array}") as stage:
        try:
            routes = compute_routes(topology)
            proof = prove(topology, routes)
            stage.note = "proved"
            facts["routes"] = "tables" if routes is not None else "dimension order"
            facts["route_bits"] = _route_bits(topology) if routes is not None else 0
        except RoutingError as failure:
            error = str(failure)
            lost = failure.sites if isinstance(failure, UnreachableNodes) else ()
            stage.note = "FAILED"
    facts["passed"] = proof is not None
    facts["proof"] = None if proof is None else dataclasses.asdict(proof)
    facts["error"] = error
    facts["unreachable"] = [{"row": y, "column": x} for x, y in lost]
    if as_json:
        print_json(facts)
    else:
        click.echo("\n".join((*draw(topology), "", LEGEND, "")))
        rows = _facts(topology)
        if proof is not None:
            tables = facts["routes"] == "tables"
            rows += [
                ("routes", _tables(facts["route_bits"]) if tables else "dimension order, no tables"),
                ("proved", f"{proof.pairs:,} pairs communicate; no circle of links that wait for each other"),
                ("way, mean and worst", f"{proof.mean_hops:.2f} and {proof.worst_hops} links"),
                ("shortest way, mean", f"{proof.mean_shortest:.2f} links; no way has more than {proof.worst_detour} more"),
                ("uniform traffic", _bound(proof.busiest_link, topology.nodes)),
            ]
        print_table(str(array), ("what", "value"), rows)
    if error is not None:
        click.echo(f"d1: {error}", err=True)
    ctx.exit(ExitCode.PASSED if error is None else ExitCode.USAGE)


def _facts(topology: Topology) -> list[tuple[str, str]]:
    """What there is, by name."""
    nodes = [f"row {y}, column {x}" for x, y in sorted(topology.dead_nodes, key=lambda site: site[::-1])]
    links = map(_named, sorted(topology.dead_links, key=lambda link: (link[1], link[0], link[2])))
    rows = [
        ("sites", f"{topology.rows} rows x {topology.columns} columns"),
        ("nodes", str(topology.nodes)),
        ("dead nodes", "; ".join(nodes) or "none"),
        ("dead links", "; ".join(links) or "none"),
        ("host", _named(topology.host_link)),
    ]
    rows += [("memory", f"{_named(memory.link)}: {_memory(memory)}") for memory in topology.memories]
    if topology.die_rows or topology.die_columns:
        size = f"{topology.die_rows or topology.rows} rows x {topology.die_columns or topology.columns} columns"
        rows.append(("dies", f"{size}; links between them take {topology.die_link_cycles} cycles"))
    return rows


def _named(link: Link) -> str:
    x, y, port = link
    return f"{Port(port).name.lower()} of row {y}, column {x}"


def _memory(memory: EdgeMemory) -> str:
    return f"{memory.bytes:,} bytes, {memory.latency} cycles, {memory.bytes_per_cycle} bytes per cycle"


def _route_bits(topology: Topology) -> int:
    """Least ``route_bits`` whose tables cover the array."""
    return (max(topology.rows, topology.columns) - 1).bit_length()


def _tables(bits: int) -> str:
    """What the nodes need for their routes, and which presets have it."""
    able = [name for name, config in PRESETS.items() if config.route_bits >= bits]
    return f"tables, route_bits at least {bits}: " + (", ".join(able) if able else "more than any preset has")


def _bound(busiest_link: float, nodes: int) -> str:
    """How much every node may send at the most if all send to all."""
    if not busiest_link:
        return "no links"
    return f"at most {1 / (busiest_link * nodes):.3f} flits per cycle and node, where the busiest link is full"
