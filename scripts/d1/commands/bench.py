# SPDX-License-Identifier: Apache-2.0
"""``d1 bench``: speed of everything, and cycles of products, the core's benchmarks and collectives against their baselines."""

from __future__ import annotations

from typing import Any

import click

from scripts.d1.commands.bench_arrays import arrays
from scripts.d1.commands.bench_network import network
from scripts.d1.errors import ExitCode
from scripts.d1.options import reporting
from scripts.d1.report import Stages, print_json, print_table


@click.group(invoke_without_command=True)
@click.option(
    "--arithmetic",
    type=click.Choice(["macro", "rtl", "both"]),
    default="both",
    show_default=True,
    help="Simulators to measure; the first run builds them.",
)
@click.option("--write-baselines", is_flag=True, help="Instead: measure the exact cycle counts and check them in anew.")
@reporting
@click.pass_context
def bench(ctx: click.Context, arithmetic: str, write_baselines: bool, as_json: bool) -> None:
    """Measure simulation speed, golden model, build times, utilisation of the matrix unit, instructions per cycle, and
    cycles of barriers, broadcasts and sums.

    Ends with 1 if a cycle count differs from its checked-in baseline.
    """
    if ctx.invoked_subcommand is not None:
        return
    from scripts.d1 import baselines, collective_baselines, core_baselines, network_baselines

    stages = Stages()
    if write_baselines:
        records = {case.name: baselines.record(baselines.measure(case, stages)) for case in baselines.CASES}
        others = {
            "core": (
                core_baselines.FILE,
                {case.name: core_baselines.measure(case, stages).record() for case in core_baselines.CASES},
            ),
            "collectives": (
                collective_baselines.FILE,
                {
                    case.name: collective_baselines.record(collective_baselines.measure(case, stages))
                    for case in collective_baselines.CASES
                },
            ),
            "network": (
                network_baselines.FILE,
                {case.name: network_baselines.measure(case, stages).record() for case in network_baselines.CASES},
            ),
        }
        for file, each in ((baselines.FILE, records), *others.values()):
            baselines.write_baselines(each, file)
            if not as_json:
                click.echo(f"{file}: {len(each)} baselines")
        if as_json:
            written = {name: {"file": str(file), "baselines": each} for name, (file, each) in others.items()}
            print_json({"file": str(baselines.FILE), "baselines": records, **written})
        return
    figures, rows = _measure(arithmetic, stages)
    passed = all(each["as_baseline"] for kind in ("products", "core", "collectives") for each in figures[kind].values())
    figures = {"passed": passed, **figures}
    if as_json:
        print_json(figures)
    else:
        print_table("d1 bench", ("what", "figure", ""), rows)
    ctx.exit(ExitCode.PASSED if passed else ExitCode.FAILED)


bench.add_command(arrays)
bench.add_command(network)


def _measure(arithmetic: str, stages: Stages) -> tuple[dict[str, Any], list[tuple[str, str, str]]]:
    """All figures, for JSON and as rows of (what, figure, remark)."""
    from scripts.d1 import baselines, benchmarks, collective_baselines, core_baselines

    rows: list[tuple[str, str, str]] = []
    figures: dict[str, Any] = {"engine": {}, "products": {}, "core": {}, "collectives": {}}
    for each in ("macro", "rtl") if arithmetic == "both" else (arithmetic,):
        speed = benchmarks.engine_speed(each, stages)
        figures["engine"][each] = speed
        build = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in speed["build_stages_seconds"].items())
        rows.append((f"busy node, {each} arithmetic", f"{speed['node_cycles_per_second']:,.0f} node-cycles/s", "one core"))
        rows.append((f"simulator's build, {each} arithmetic", f"{speed['build_seconds']:.0f} s", build))
    idle = benchmarks.idle_speed(stages)
    figures["idle"] = idle
    remark = f"node alone: {idle['cycles_per_second_alone']:,.0f}"
    rows.append((f"one busy node among {idle['nodes']}", f"{idle['cycles_per_second']:,.0f} cycles/s", remark))
    rates = benchmarks.issue_rates(benchmarks.CONFIG, stages)
    figures["rates"] = rates
    flop = f"{rates['simd_operations_per_cycle']:.3f} operations per cycle"
    rows.append(("FP32 multiply-adds", f"{rates['fp32_flop_per_cycle']:.2f} FLOP per cycle", flop))
    rows.append(("matrix steps at the same time", f"{rates['matrix_steps_per_cycle']:.3f} per cycle", "exact"))
    network = benchmarks.network_figures(benchmarks.CONFIG, stages)
    figures["network"] = network
    rows.append(("router, unloaded", f"{network['cycles_per_hop']:g} cycles per hop", "exact"))
    rows.append(("link, streaming", f"{network['bytes_per_cycle_and_link']:g} bytes per cycle", "exact"))
    golden = benchmarks.golden_speed(stages)
    figures["golden"] = golden
    rows.append(("golden matrix product, wide operands", f"{golden['gmac_per_second_wide']:.2f} GMAC/s", "one core"))
    rows.append(("golden matrix product, normal operands", f"{golden['gmac_per_second_normal']:.2f} GMAC/s", "one core"))
    rows.append(("golden matrix product, 1-4-3 operands", f"{golden['gmac_per_second_1-4-3']:.2f} GMAC/s", "one core"))
    rows.append(("golden node", f"{golden['instructions_per_second']:,.0f} instructions/s", "one core"))
    converts = benchmarks.convert_speed(stages)
    figures["converts"] = converts
    for name, speeds in converts.items():
        encode, stochastic, decode = (speeds[f"{what}_per_second"] / 1e6 for what in ("encode", "encode_stochastic", "decode"))
        rows.append((f"golden encode, {name}", f"{encode:,.0f} M elements/s", f"stochastic {stochastic:,.0f}"))
        rows.append((f"golden decode, {name}", f"{decode:,.0f} M elements/s", "one core"))
    known = baselines.read_baselines()
    for case in baselines.CASES:
        result = baselines.measure(case, stages)
        equal = baselines.record(result) == known.get(case.name)
        figures["products"][case.name] = {
            **baselines.record(result),
            "utilisation": result.utilisation,
            "utilisation_per_node": list(result.utilisation_per_node),
            "lines_loaded": result.lines_loaded,
            "lines_stored": result.lines_stored,
            "lines_loaded_per_step": result.lines_loaded_per_step,
            "as_baseline": equal,
        }
        remark = f"{result.cycles:,} cycles, {'as its baseline' if equal else 'NOT as its baseline'}"
        remark += f", {result.lines_loaded_per_step:.2f} lines loaded per step"
        rows.append((f"matrix unit busy: {case.name}", f"{100 * result.utilisation:.2f} %", remark))
    known = baselines.read_baselines(core_baselines.FILE)
    for each_case in core_baselines.CASES:
        measured = core_baselines.measure(each_case, stages)
        equal = measured.record() == known.get(each_case.name)
        figures["core"][each_case.name] = {**measured.record(), **measured.rates(), "as_baseline": equal}
        remark = f"{measured.cycles:,} cycles, {'as its baseline' if equal else 'NOT as its baseline'}"
        rate = ", ".join(f"{rate:.3f} {what.replace('_', ' ')}" for what, rate in measured.rates().items())
        rows.append((each_case.name, rate, remark))
    known = baselines.read_baselines(collective_baselines.FILE)
    for collective in collective_baselines.CASES:
        counts = collective_baselines.record(collective_baselines.measure(collective, stages))
        equal = counts == known.get(collective.name)
        figures["collectives"][collective.name] = {**counts, "as_baseline": equal}
        rows.append((collective.name, f"{counts['cycles']:,} cycles", f"{'as its baseline' if equal else 'NOT as its baseline'}"))
    return figures, rows
