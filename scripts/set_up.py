# SPDX-License-Identifier: Apache-2.0
"""Make the project's virtual environment, or leave it alone if it is up to date: ``python3 scripts/set_up.py [EXTRA...]``.

Runs before anything is installed, so it uses the standard library only, and syntax that an old Python can still read in
order to be told that it is too old. The environment is ``.venv`` in the project's folder; the digest of ``pyproject.toml``,
of the interpreter and the extras installed so far are noted in it, so a second run takes no time.

Exit codes: 0 ready, 3 something is missing on this machine (said with its fix), or pip failed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time

MINIMUM = (3, 11)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
STAMP = os.path.join(VENV, "opend1.json")
PYTHON = os.path.join(VENV, "bin", "python")
PROGRAMS = ("g++", "make", "perl")


def missing() -> list[tuple[str, str]]:
    """What this machine lacks, as (what, fix)."""
    found = []
    if sys.version_info < MINIMUM:
        have = ".".join(str(part) for part in sys.version_info[:3])
        want = ".".join(str(part) for part in MINIMUM)
        fix = f"install a newer Python and name it: make PYTHON=python{want} ..."
        found.append((f"Python {want} or newer ({sys.executable} is {have})", fix))
    if any(importlib.util.find_spec(module) is None for module in ("venv", "ensurepip")):
        found.append(("Python's venv module", "apt-get install python3-venv (or your system's package of that name)"))
    for program in PROGRAMS:
        if shutil.which(program) is None:
            found.append((program, f"apt-get install {program}"))
    return found


def digest() -> str:
    """Hexadecimal digest of everything that an installed environment depends on."""
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        return hashlib.sha256(file.read() + sys.version.encode() + ROOT.encode()).hexdigest()


def installed(key: str) -> set[str] | None:
    """Extras that the environment holds already, or None if it has to be made."""
    try:
        with open(STAMP) as file:
            stamp = json.load(file)
    except (OSError, ValueError):
        return None
    return set(stamp["extras"]) if stamp.get("digest") == key and os.path.exists(PYTHON) else None


def main(extras: list[str]) -> int:
    """Bring the environment up to date with the extras; returns the exit code."""
    lacks = missing()
    for what, fix in lacks:
        print(f"missing: {what}\n    fix: {fix}", file=sys.stderr)
    if lacks:
        return 3
    key = digest()
    have = installed(key)
    if have is not None and have >= set(extras):
        return 0
    wanted = sorted((have or set()) | set(extras))
    start = time.monotonic()
    print(f"Setting up .venv{' with extra ' + ', '.join(wanted) if wanted else ''}, once ...", flush=True)
    steps = []
    if not os.path.exists(PYTHON):
        steps.append([sys.executable, "-m", "venv", VENV])
    target = ROOT + (f"[{','.join(wanted)}]" if wanted else "")
    steps.append([PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--editable", target])
    for step in steps:
        if subprocess.call(step) != 0:
            print(f"set-up failed in: {' '.join(step)}", file=sys.stderr)
            print("    fix: see the message above; to begin anew, remove .venv", file=sys.stderr)
            return 3
    with open(STAMP, "w") as file:
        json.dump({"digest": key, "extras": wanted}, file)
    print(f"Environment ready after {time.monotonic() - start:.0f} s.", flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
