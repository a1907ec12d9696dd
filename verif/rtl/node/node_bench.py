# SPDX-License-Identifier: Apache-2.0
"""Compiles a whole node for cocotb benches."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from golden.config import NodeConfig, preset
from rtl.export import TOP, export_node
from rtl.macros.verilog import MACRO_SOURCES
from verif.bench import bench_parameters, run_bench

__all__ = ["NARROW", "WIDE", "WIDE_SEQUENTIAL", "bench_config", "run_node_bench"]

#: Four threads that issue four instructions each, accumulators of several lines, groups of other sizes, and the numbers of passes
#: that tiny and nano do not have.
WIDE = preset("medium").replace(
    name="wide",
    sram_blocks=2,
    sram_ways=2,
    bank_lines=256,
    fetch_lines=2,
    fetch_bytes=32,
    decode_width=8,
    issue_width=4,
    accumulators=2,
    semaphores=8,
    matrix_passes=2,
    lists=8,
)

#: A pipelined core that does one thing at a time.
NARROW = preset("tiny").replace(name="narrow", threads=1, fetch_lines=2, fetch_bytes=8, decode_width=1, issue_width=1, lists=2)

#: A sequential core with larger lines and accumulators than nano has.
WIDE_SEQUENTIAL = preset("medium").replace(
    name="wide-sequential",
    core="sequential",
    threads=1,
    link_passes=2,
    sram_blocks=1,
    semaphores=8,
    simd_passes=2,
    matrix_passes=2,
    lists=0,
)


def run_node_bench(
    config: NodeConfig,
    test_module: str,
    *,
    tests: Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
    arithmetic: str = "rtl",
) -> None:
    """Run cocotb tests on a node; the bench gets the configuration from :func:`bench_config`.

    ``arithmetic`` is RTL, or C++ that gives the same bits in the same cycles and takes half the time to compile.
    """
    files = _node_files(config, arithmetic)
    sources: list[str | Path] = [text for name, text in files.items() if name.endswith((".v", ".sv"))]
    if arithmetic == "macro":
        sources += MACRO_SOURCES
    run_bench(
        toplevel=TOP,
        sources=sources,
        test_module=test_module,
        tests=tests,
        parameters={"config": dataclasses.asdict(config), **(parameters or {})},
    )


@functools.cache
def _node_files(config: NodeConfig, arithmetic: str) -> dict[str, str]:
    """Sources of a node, which all its tests share: elaborating it takes seconds."""
    return export_node(config, arithmetic=arithmetic, sram="macro")


def bench_config() -> NodeConfig:
    """In a bench: the configuration of the node."""
    return NodeConfig(**bench_parameters()["config"])
