# SPDX-License-Identifier: Apache-2.0
"""Calls the ``d1`` command in a process of its own, as a user does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

#: Seconds after which a call hangs: more than a slow machine needs to build a simulator beside other tests.
PATIENCE = 900


@dataclass(frozen=True)
class Outcome:
    """How a call ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        """The object on stdout; fails if anything else is there."""
        value = json.loads(self.stdout)
        assert isinstance(value, dict)
        return value


def d1(*arguments: str | Path, env: Mapping[str, str | None] | None = None) -> Outcome:
    """Run ``d1`` with arguments; fails if it hangs or shows a traceback.

    Parameters
    ----------
    env : mapping
        Changes of the environment; None removes a variable.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    for name, value in (env or {}).items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    command = [sys.executable, "-m", "scripts.d1.main", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=environment, check=False)
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    assert "internal error" not in done.stderr, done.stderr
    return Outcome(done.returncode, done.stdout, done.stderr)


def refused(outcome: Outcome, code: int, *parts: str) -> None:
    """Assert that a call ended with that exit code, nothing on stdout and one short error that holds all parts.

    Stages that had passed before may stand above it.
    """
    assert outcome.code == code, outcome
    assert outcome.stdout == ""
    assert sum(line.startswith("d1: ") for line in outcome.stderr.splitlines()) == 1
    assert len(outcome.stderr.splitlines()) <= 12
    for part in parts:
        assert part in outcome.stderr
