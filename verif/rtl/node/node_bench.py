# SPDX-License-Identifier: Apache-2.0
"""Compiles a whole node for cocotb benches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from golden.config import NodeConfig
from rtl.export import TOP, export_node
from verif.bench import run_bench


def run_node_bench(
    config: NodeConfig, test_module: str, *, tests: Sequence[str] = (), parameters: Mapping[str, Any] | None = None
) -> None:
    """Run cocotb tests on a node with RTL arithmetic; the bench gets the preset's name as parameter ``config``."""
    run_bench(
        toplevel=TOP,
        sources=list(export_node(config, arithmetic="rtl", sram="macro").values()),
        test_module=test_module,
        tests=tests,
        parameters={"config": config.name, **(parameters or {})},
    )
