# SPDX-License-Identifier: Apache-2.0
"""``d1 demo``: the main job at full size, a 256x256x256 product on a 2x2 array of ``d1`` nodes."""

from __future__ import annotations

import time

import click

from golden.config import preset
from scripts.d1.errors import ExitCode
from scripts.d1.options import ArrayShape, arithmetic_option, reporting
from scripts.d1.report import Stages, print_json, print_table

CONFIG = "d1"
ARRAY = ArrayShape(2, 2)
LENGTH = 256
SEED = 1


@click.command()
@arithmetic_option
@reporting
@click.pass_context
def demo(ctx: click.Context, arithmetic: str, as_json: bool) -> None:
    """Multiply two 256x256 BF16 matrices on a 2x2 array of full-size nodes.

    The simulator is built once and cached. The array is booted by packets through one edge link, the nodes exchange tiles
    over the mesh, and every bit of the result is compared with the golden model.
    """
    from scripts.d1.product import Product, run_product

    start = time.monotonic()
    report = run_product(
        Product(LENGTH, LENGTH, LENGTH, SEED), preset(CONFIG), ARRAY,
        backend="rtl", arithmetic=arithmetic, verify=True, stages=Stages(),
    )  # fmt: skip
    seconds = time.monotonic() - start
    if as_json:
        print_json({**report.as_dict(), "elapsed_seconds": seconds})
    else:
        title = f"C = A.B, {LENGTH}x{LENGTH}x{LENGTH}, BF16 to FP32"
        print_table(title, ("what", "value"), [*report.rows(), ("elapsed", f"{seconds:.1f} s")])
    ctx.exit(ExitCode.PASSED if report.passed else ExitCode.FAILED)
