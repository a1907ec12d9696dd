# SPDX-License-Identifier: Apache-2.0
"""Make the project's virtual environment, or leave it alone if it is up to date: ``python3 scripts/set_up.py [EXTRA...]``.

Runs before anything is installed, so it uses the standard library only, and syntax that an old Python can still read in
order to be told that it is too old. The environment is ``.venv`` in the project's folder; the digest of ``pyproject.toml``,
of the interpreter and the extras installed so far are noted in it, so a second run takes no time.

Exit codes: 0 ready, 3 something is missing on this machine (said with its fix), or pip failed.
"""

import hashlib
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
PROGRAMS = (("g++", "g++"), ("make", "make"), ("perl", "perl"))


def missing():
    """What this machine lacks, a list of (what, fix)."""
    found = []
    if sys.version_info < MINIMUM:
        have = ".".join(str(part) for part in sys.version_info[:3])
        want = ".".join(str(part) for part in MINIMUM)
        found.append(
            (
                "Python %s or newer (%s is %s)" % (want, sys.executable, have),  # noqa: UP031
                "install a newer Python and name it: make PYTHON=python%s ..." % want,  # noqa: UP031
            )
        )
    try:
        import ensurepip
        import venv

        assert ensurepip and venv
    except ImportError:
        found.append(("Python's venv module", "apt-get install python3-venv (or your system's package of that name)"))
    for program, package in PROGRAMS:
        if shutil.which(program) is None:
            found.append((program, "apt-get install " + package))
    return found


def digest():
    """Hexadecimal digest of everything that an installed environment depends on."""
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        return hashlib.sha256(file.read() + sys.version.encode() + ROOT.encode()).hexdigest()


def installed(key):
    """Extras that the environment holds already, or None if it has to be made."""
    try:
        with open(STAMP) as file:
            stamp = json.load(file)
    except (OSError, ValueError):
        return None
    return set(stamp["extras"]) if stamp.get("digest") == key and os.path.exists(PYTHON) else None


def main(extras):
    """Bring the environment up to date with the extras; returns the exit code."""
    lacks = missing()
    for what, fix in lacks:
        sys.stderr.write("missing: " + what + "\n    fix: " + fix + "\n")
    if lacks:
        return 3
    key = digest()
    have = installed(key)
    if have is not None and have >= set(extras):
        return 0
    wanted = sorted((have or set()) | set(extras))
    start = time.monotonic()
    print("Setting up .venv" + (" with " + ", ".join(wanted) if wanted else "") + " (once) ...", flush=True)
    steps = []
    if not os.path.exists(PYTHON):
        steps.append([sys.executable, "-m", "venv", VENV])
    target = ROOT + ("[" + ",".join(wanted) + "]" if wanted else "")
    steps.append([PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--editable", target])
    for step in steps:
        if subprocess.call(step) != 0:
            sys.stderr.write("set-up failed in: " + " ".join(step) + "\n    fix: see the message above; to begin anew, remove .venv\n")
            return 3
    with open(STAMP, "w") as file:
        json.dump({"digest": key, "extras": wanted}, file)
    print("Environment ready after %.0f s." % (time.monotonic() - start), flush=True)  # noqa: UP031
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
