# SPDX-License-Identifier: Apache-2.0
"""``d1 build``: compiles the simulator of a configuration, or finds it in the cache."""

from __future__ import annotations

import click

from golden.config import NodeConfig
from scripts.d1.options import arithmetic_option, config_option, reporting
from scripts.d1.report import Stages, print_json


@click.command()
@config_option("d1")
@arithmetic_option
@reporting
def build(config: NodeConfig, arithmetic: str, as_json: bool) -> None:
    """Build the simulator of a node. Arrays of any size run on it; it is cached by the content of everything it depends on."""
    from scripts.d1.backends import build_simulator

    library = build_simulator(config, arithmetic, None, Stages())
    if as_json:
        print_json(
            {
                "passed": True,
                "config": config.name,
                "arithmetic": arithmetic,
                "cached": library.cached,
                "key": library.key,
                "path": str(library.path),
                "seconds": library.seconds,
            }
        )
        return
    parts = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in library.seconds.items())
    state = "from the cache, once built in" if library.cached else "built in"
    click.echo(f"{config.name} with {arithmetic} arithmetic: {state} {sum(library.seconds.values()):.1f} s ({parts})")
    click.echo(str(library.path))
