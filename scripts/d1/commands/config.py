# SPDX-License-Identifier: Apache-2.0
"""``d1 config``: presets, and the effective values of one."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from golden.config import PRESETS, NodeConfig
from scripts.d1.options import ConfigType, reporting
from scripts.d1.report import print_json, print_table


def effective_values(config: NodeConfig) -> dict[str, Any]:
    """All fields and what follows from them, in the order in which people read them."""
    values: dict[str, Any] = dataclasses.asdict(config)
    values["sram_bytes"] = config.sram_bytes
    values["banks"] = config.banks
    values["block_bytes"] = config.block_bytes
    values["matrix"] = f"{config.matrix_m}x{config.matrix_n}x4"
    values["macs_per_step"] = config.macs_per_step
    values["accumulator_bytes"] = config.accumulator_bytes
    values["fp32_lanes"] = config.fp32_lanes
    values["bf16_lanes"] = config.bf16_lanes
    values["descriptor"] = f"{config.descriptor:#x}"
    values["key"] = config.key
    return values


@click.command()
@click.argument("name", type=ConfigType(), required=False)
@reporting
def config(name: NodeConfig | None, as_json: bool) -> None:
    """Presets of the node, or the effective values of one."""
    if name is not None:
        values = effective_values(name)
        if as_json:
            print_json(values)
        else:
            print_table(f"preset {name.name}", ("field", "value"), [(k, str(v)) for k, v in values.items()])
        return
    if as_json:
        print_json({"presets": [effective_values(each) for each in PRESETS.values()]})
        return
    rows = [
        (
            p.name, str(p.line_bytes), f"{p.matrix_m}x{p.matrix_n}x4", f"{p.sram_bytes >> 10} KiB", str(p.banks), str(p.threads),
            str(p.lists),
        )
        for p in PRESETS.values()
    ]  # fmt: skip
    print_table("presets", ("name", "line bytes", "matrix", "SRAM", "banks", "threads", "lists"), rows)
