# SPDX-License-Identifier: Apache-2.0
"""Building simulators: keyed on all that they depend on, complete or absent, and with errors that say what to do."""

from __future__ import annotations

import multiprocessing
import os
import re
import time
from pathlib import Path

import pytest

from golden.config import preset
from scripts.simulator import SimulatorLibrary, build
from scripts.simulator import build as build_function
from scripts.simulator import toolchain as toolchain_module
from scripts.simulator.build import library_key
from scripts.simulator.cache import Cache, digest
from scripts.simulator.compilation import Compilation, quick_by_default
from scripts.simulator.errors import BuildError, SimulatorError, ToolMissing
from scripts.simulator.toolchain import Toolchain, find_toolchain
from verif.scripts.standin import StandInNode

TINY = preset("tiny")


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("D1_CACHE", str(tmp_path))
    return tmp_path


def test_a_second_build_is_instant_and_the_same(standin: SimulatorLibrary) -> None:
    start = time.monotonic()
    again = build(TINY, node=StandInNode)
    assert time.monotonic() - start < 1
    assert again.cached
    assert again.path == standin.path


def test_the_environment_says_how_simulators_are_compiled_of_which_nothing_else_is_said(
    standin: SimulatorLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value, quick in (("1", True), ("0", False), ("", False)):
        monkeypatch.setenv("D1_QUICK", value)
        assert quick_by_default() == quick
    monkeypatch.delenv("D1_QUICK")
    assert not quick_by_default()
    monkeypatch.setenv("D1_QUICK", "1")
    keys = {quick: library_key(TINY, "macro", None, find_toolchain(), StandInNode, quick=quick) for quick in (False, True)}
    assert build(TINY, node=StandInNode).key == keys[True] != keys[False]


def test_the_key_depends_on_every_option_but_not_on_the_presets_name() -> None:
    tools = find_toolchain()
    keys = [
        library_key(config, arithmetic, waves, tools, node, quick=quick)
        for config in (TINY, TINY.replace(channel_depth=5))
        for arithmetic in ("rtl", "macro")
        for waves in (None, "vcd")
        for node in (None, StandInNode)
        for quick in (False, True)
    ]
    assert len(set(keys)) == len(keys)
    assert library_key(TINY.replace(name="other"), "rtl", None, tools) == library_key(TINY, "rtl", None, tools)


@pytest.mark.parametrize("tool", ["verilator", "g++"])
def test_the_key_depends_on_the_tools_versions(tool: str) -> None:
    tools = find_toolchain()
    other = Toolchain(tools.verilator, tools.verilator_root, tools.cxx, tools.make, tools.perl, {**tools.versions, tool: "other"})
    assert library_key(TINY, "rtl", None, other) != library_key(TINY, "rtl", None, tools)


def test_the_key_depends_on_every_source_of_hardware_and_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    genuine = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read.append(path.as_posix()) or genuine(path))  # type: ignore[func-returns-value]
    library_key(TINY, "rtl", None, find_toolchain())
    for name in (
        "rtl/node.py",
        "rtl/macros/arithmetic.cpp",
        "golden/isa.py",
        "engine/array.cpp",
        "engine/flit.h",
        "simulator/build.py",
    ):
        assert any(path.endswith(name) for path in read), name


def test_digests_of_files_that_run_together_differ() -> None:
    assert digest([("a", b"bc")]) != digest([("ab", b"c")]) != digest([("a", b"b"), ("c", b"")])
    assert digest([("a", b"b")], "c") != digest([("a", b"b")], "d") != digest([("a", b"b")])


def test_a_failed_build_leaves_nothing_but_its_log(cache_folder: Path) -> None:
    cache = Cache("things")

    def fail(folder: Path) -> None:
        (folder / "half").write_text("done")
        raise BuildError("no")

    with pytest.raises(BuildError):
        cache.build("key", fail)
    assert cache.find("key") is None
    assert not list(cache.folder.glob("*.partial"))
    made = cache.build("key", lambda folder: (folder / "whole").touch())
    assert [path.name for path in made.iterdir()] == ["whole"]


def test_what_a_killed_build_left_is_cleaned_up(cache_folder: Path) -> None:
    cache = Cache("things")
    left = cache.folder / "key.partial"
    left.mkdir(parents=True)
    (left / "rubbish").touch()
    made = cache.build("key", lambda folder: (folder / "whole").touch())
    assert [path.name for path in made.iterdir()] == ["whole"]
    assert not left.exists()


def _build_slowly(start: multiprocessing.synchronize.Barrier, counter: Path) -> None:
    def make(folder: Path) -> None:
        with open(counter, "a") as file:
            file.write("built\n")
        time.sleep(0.5)
        (folder / "whole").touch()

    start.wait()
    assert (Cache("things").build("key", make) / "whole").exists()


def test_processes_that_build_the_same_at_once_build_it_once(cache_folder: Path) -> None:
    context = multiprocessing.get_context("fork")
    start, counter = context.Barrier(3), cache_folder / "counter"
    processes = [context.Process(target=_build_slowly, args=(start, counter)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    assert counter.read_text() == "built\n"


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    occupied = tmp_path / "file"
    occupied.touch()
    monkeypatch.setenv("D1_CACHE", str(occupied))
    with pytest.raises(SimulatorError, match=f"cannot write the cache in {re.escape(str(occupied))}.*D1_CACHE"):
        Cache("things").build("key", lambda folder: None)


@pytest.mark.parametrize(
    "name, text, words",
    [
        ("broken.v", "module top(input clk); assign = ; endmodule", ["Verilator failed", "broken.v:1", "syntax error"]),
        ("lost.v", "module top(input clk); nowhere n(clk); endmodule", ["Verilator failed", "nowhere"]),
    ],
)
def test_a_tools_own_words_reach_the_user(tmp_path: Path, name: str, text: str, words: list[str]) -> None:
    (tmp_path / name).write_text(text)
    log = tmp_path / "build.log"
    with (
        Compilation(find_toolchain(), tmp_path, log, lambda stage, done: None) as compilation,
        pytest.raises(BuildError) as caught,
    ):
        compilation.verilate([name], top="top", prefix="Top")
    for word in (*words, str(log)):
        assert word in str(caught.value)
    assert words[-1] in log.read_text()


def test_a_compilers_own_words_reach_the_user(tmp_path: Path) -> None:
    (tmp_path / "fine.v").write_text("module top(input clk); endmodule")
    (tmp_path / "broken.cpp").write_text("int f() { return undeclared; }")
    with Compilation(find_toolchain(), tmp_path, tmp_path / "build.log", lambda stage, done: None) as compilation:
        compilation.verilate(["fine.v", "broken.cpp"], top="top", prefix="Top")
        with pytest.raises(BuildError, match=r"broken\.cpp:1:.*undeclared"):
            compilation.compile()


def test_a_choice_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="'fast' is not one of rtl, macro"):
        build_function(TINY, "fast")
    with pytest.raises(ValueError, match="'lxt' is not one of vcd, fst"):
        build_function(TINY, waves="lxt")


@pytest.mark.parametrize("missing", ["perl", "g++", "make"])
def test_a_missing_tool_is_named_with_its_fix(missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = find_toolchain()
    for program, path in (("perl", tools.perl), ("g++", tools.cxx), ("make", tools.make)):
        if program != missing:
            (tmp_path / program).symlink_to(path)
    monkeypatch.setenv("PATH", str(tmp_path))
    for variable in ("CXX", "MAKE", "PERL"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(ToolMissing) as caught:
        toolchain_module.find_toolchain.__wrapped__()
    assert caught.value.exit_code == 3
    assert caught.value.tool == missing
    assert "apt-get install" in caught.value.fix


def test_a_compiler_that_the_environment_names_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "g++-from-nowhere")
    with pytest.raises(ToolMissing, match="CXX names 'g\\+\\+-from-nowhere'"):
        toolchain_module.find_toolchain.__wrapped__()


def test_the_callers_make_does_not_reach_into_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKEFLAGS", "--jobserver-auth=3,4 -n")
    environment = find_toolchain().environment()
    assert "MAKEFLAGS" not in environment
    assert environment["PATH"].split(os.pathsep)[0] == str(find_toolchain().verilator.parent)
