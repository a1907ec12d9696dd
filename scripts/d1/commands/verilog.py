# SPDX-License-Identifier: Apache-2.0
"""``d1 verilog``: the node as Verilog, with a table of its ports."""

from __future__ import annotations

from pathlib import Path

import click

from golden.config import NodeConfig
from scripts.d1.errors import CommandError
from scripts.d1.options import config_option, reporting
from scripts.d1.report import Stages, print_json


@click.command()
@config_option("d1")
@click.option(
    "--out", "folder", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder; made if it is not there."
)
@click.option(
    "--sram",
    type=click.Choice(["banks", "model"]),
    default="banks",
    show_default=True,
    help="SRAM as banks for synthesis, or as one array, which simulators like better.",
)
@click.option(
    "--observe",
    is_flag=True,
    help="With outputs that show every instruction (RVFI, XVFI) and the pipeline; see Observation in docs/architecture.md.",
)
@reporting
def verilog(config: NodeConfig, folder: Path, sram: str, observe: bool, as_json: bool) -> None:
    """Write the node as Verilog, one module per file, and its ports as ports.md."""
    from rtl.export import TOP, export_node, port_table
    from sw.output_files import check_output_folder

    if folder.exists() and not folder.is_dir():
        raise CommandError(f"{folder} is a file; --out takes a folder")
    check_output_folder(folder)
    if observe and config.core != "pipelined":
        raise CommandError(f"--observe shows pipelined cores; '{config.name}' has core = '{config.core}'")
    with Stages().stage(f"convert '{config.name}' to Verilog") as stage:
        files = export_node(config, arithmetic="rtl", sram={"banks": "banks", "model": "macro"}[sram], observe=observe)
        files["ports.md"] = port_table(config, observe=observe)
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text)
        stage.note = f"{len(files)} files"
    if as_json:
        print_json({"config": config.name, "out": str(folder), "top": TOP, "files": sorted(files)})
    else:
        click.echo(f"{folder}: top module {TOP}; {', '.join(sorted(files))}")
