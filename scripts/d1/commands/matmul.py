# SPDX-License-Identifier: Apache-2.0
"""``d1 matmul``: a BF16 matrix product of any shape on an array, compared with the golden model."""

from __future__ import annotations

import click

from golden.config import NodeConfig
from scripts.d1.errors import ExitCode
from scripts.d1.options import ArrayShape, arithmetic_option, array_option, backend_option, config_option, reporting
from scripts.d1.report import Stages, print_json, print_table

#: Lengths of a product. What fits is far below the limit, and is said once the array is known.
LENGTH = click.IntRange(1, 10**15)


@click.command()
@click.option("--m", type=LENGTH, default=256, show_default=True, help="Rows of A and C.")
@click.option("--n", type=LENGTH, default=256, show_default=True, help="Columns of B and C.")
@click.option("--k", type=LENGTH, default=256, show_default=True, help="Columns of A, rows of B.")
@config_option("d1")
@array_option("2x2")
@backend_option
@arithmetic_option
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the random operands.")
@click.option("--verify/--no-verify", default=True, show_default=True, help="Compare every bit with the golden model.")
@reporting
@click.pass_context
def matmul(
    ctx: click.Context,
    m: int,
    n: int,
    k: int,
    config: NodeConfig,
    array: ArrayShape,
    backend: str,
    arithmetic: str,
    seed: int,
    verify: bool,
    as_json: bool,
) -> None:
    """Multiply random BF16 matrices A (m x k) and B (k x n) on an array of nodes.

    Operands have both signs and exponents from -12 to 12. The result is FP32, spread over the nodes.
    """
    from scripts.d1.product import run_product

    report = run_product(
        config, array, m, n, k, backend=backend, arithmetic=arithmetic, seed=seed, verify=verify, stages=Stages()
    )
    if as_json:
        print_json(report.as_dict())
    else:
        print_table(f"C = A.B, {m}x{k} by {k}x{n}", ("what", "value"), report.rows())
    ctx.exit(ExitCode.PASSED if report.passed else ExitCode.FAILED)
