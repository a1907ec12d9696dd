# SPDX-License-Identifier: Apache-2.0
"""``d1 matmul``: a BF16 matrix product of any shape on an array, compared with the golden model."""

from __future__ import annotations

import click

from golden.config import NodeConfig, preset
from scripts.d1.checkpoints import CheckpointChoice, checkpoint_options
from scripts.d1.errors import ExitCode
from scripts.d1.operand_formats import chosen_format, describe, format_options
from scripts.d1.options import (
    ArrayShape,
    arithmetic_option,
    backend_options,
    board_array_option,
    board_config_option,
    check_board_options,
    is_port,
    ranks_option,
    reporting,
)
from scripts.d1.report import Stages, print_json, print_table

CONFIG = "d1"
ARRAY = ArrayShape(2, 2)

#: Lengths of a product. What fits is far below the limit, and is said once the array is known.
LENGTH = click.IntRange(1, 10**15)


@click.command()
@click.option("--m", type=LENGTH, default=256, show_default=True, help="Rows of A and C.")
@click.option("--n", type=LENGTH, default=256, show_default=True, help="Columns of B and C.")
@click.option("--k", type=LENGTH, default=256, show_default=True, help="Columns of A, rows of B.")
@format_options
@board_config_option(CONFIG)
@board_array_option(str(ARRAY))
@backend_options
@arithmetic_option
@click.option("--spread", is_flag=True, help="Each node begins with one block of A and of B; all else comes while it computes.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the random operands.")
@click.option("--verify/--no-verify", default=True, show_default=True, help="Compare every bit with the golden model.")
@checkpoint_options(
    "Go on with a product from a checkpoint, which says all of it but --verify.",
    (
        *("m", "n", "k", "format-a", "bias-a", "format-b", "bias-b"),
        *("config", "array", "arithmetic", "spread", "seed"),
    ),
)
@ranks_option
@reporting
@click.pass_context
def matmul(
    ctx: click.Context,
    m: int,
    n: int,
    k: int,
    format_a: str,
    bias_a: int | None,
    format_b: str,
    bias_b: int | None,
    config: NodeConfig | None,
    array: ArrayShape | None,
    backend: str,
    baud: int | None,
    arithmetic: str,
    spread: bool,
    seed: int,
    verify: bool,
    checkpoints: CheckpointChoice,
    as_json: bool,
) -> None:
    """Multiply random matrices A (m x k) and B (k x n), each BF16 or CFP8, on an array of nodes.

    BF16 operands have both signs and exponents from -12 to 12; CFP8 operands are any code. The result is FP32, spread over
    the nodes.

    With --spread, A and B are spread over the nodes as well, a block of each in each node, and list transfers bring what a node
    needs of other blocks while it computes. Without it, a panel of an operand is in one of the nodes that need it, whole, and is
    sent to the others at the start.

    A long product writes checkpoints with --checkpoint, from which --resume goes on to the same bits and cycles.
    """
    from scripts.d1.boards import open_board
    from scripts.d1.product import Product, resume_product, run_product, run_product_on

    check_board_options(backend, baud)
    a_format, b_format = chosen_format("a", format_a, bias_a), chosen_format("b", format_b, bias_b)
    product = Product(m, n, k, seed, a_format, b_format, spread)
    stages = Stages()
    if is_port(backend):
        with open_board(backend, baud, config, array, stages) as opened:
            report = run_product_on(product, opened, verify=verify, stages=stages)
    elif checkpoints.resume:
        report = resume_product(checkpoints, verify=verify, stages=stages)
    else:
        report = run_product(
            product, config or preset(CONFIG), array or ARRAY, backend=backend, arithmetic=arithmetic, verify=verify,
            stages=stages, checkpoints=checkpoints,
        )  # fmt: skip
    if as_json:
        print_json(report.as_dict())
    else:
        product = report.product
        shapes = f"{product.m}x{product.k} by {product.k}x{product.n}"
        title = f"C = A.B, {shapes}, {describe(product.a_format)} by {describe(product.b_format)}"
        print_table(title, ("what", "value"), report.rows())
    for note in report.notes:
        click.echo(note, err=True)
    ctx.exit(ExitCode.PASSED if report.passed else ExitCode.FAILED)
