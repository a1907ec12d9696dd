# SPDX-License-Identifier: Apache-2.0
"""Documentation is true: links resolve, commands exist, examples run."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest

from scripts.d1.main import COMMANDS
from verif.scripts.command import PATIENCE, d1

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def page_id(page: Path) -> str:
    """A page's name for reports."""
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> Iterator[str]:
    """Fenced blocks of a language."""
    yield from re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def commands(page: Path) -> Iterator[list[str]]:
    """Commands of a page: what stands behind a prompt, comments removed, and inline code that calls d1 or make."""
    for block in blocks(page, "console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                yield shlex.split(line[2:], comments=True)
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for code in re.findall(r"`((?:d1|make) [^`]+)`", prose):
        yield shlex.split(code)


#: Python blocks that are whole files: their first line names the file.
EXAMPLES = [block for page in PAGES for block in blocks(page, "python") if re.match(r"# [\w/]+\.py\n", block)]


def file_name(text: str) -> str:
    """The file that an example is for."""
    return text.splitlines()[0].removeprefix("# ")


def subcommand(command: Sequence[str]) -> Sequence[str]:
    """The words of a command that name what is called: two where the first one is a group."""
    found = getattr(importlib.import_module(COMMANDS[command[1]]), command[1])
    if not isinstance(found, click.Group):
        return command[1:2]
    if found.invoke_without_command and (len(command) == 2 or command[2].startswith("-")):
        return command[1:2]
    assert command[2] in found.list_commands(click.Context(found)), command
    return command[1:3]


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_relative_links_resolve(page: Path) -> None:
    targets = [target.partition("#")[0] for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text())]
    broken = [target for target in targets if target and not (page.parent / target).exists()]
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_to_headings_resolve(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)\s]*#[^)\s]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        headings = re.findall(r"^#+ (.+)$", (page.parent / path if path else page).read_text(), re.MULTILINE)
        anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert anchor in anchors, target


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_exist_with_the_options_that_are_shown(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for command in commands(page):
        if command[0] == "make":
            for target in (word for word in command[1:] if "=" not in word and not word.startswith("-")):
                assert re.search(rf"^{target}:", makefile, re.MULTILINE), command
        elif command[0] == "d1" and len(command) > 1 and not command[1].startswith("-"):
            assert command[1] in COMMANDS, command
            options = [word.partition("=")[0] for word in command[2:] if re.match(r"--[a-z]", word)]
            if options:
                shown = d1(*subcommand(command), "--help").stdout
                unknown = [option for option in options if not re.search(rf"{option}\b", shown)]
                assert not unknown, command


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_paths_in_commands_exist(page: Path) -> None:
    for command in commands(page):
        for word in command[1:]:
            if re.fullmatch(r"(sw|golden|rtl|verif|scripts|fpga)/[\w/.-]+", word):
                assert (ROOT / word).exists(), command


@pytest.mark.parametrize("text", EXAMPLES, ids=file_name)
def test_example_runs(text: str, tmp_path: Path) -> None:
    file = tmp_path / Path(file_name(text)).name
    file.write_text(text)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--import-mode=prepend",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        str(file),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_instruction_reference_is_up_to_date() -> None:
    assert d1("isa", "--markdown").stdout == (ROOT / "docs" / "isa.md").read_text(), "d1 isa --markdown > docs/isa.md"
