"""The members' programs, in processes of their own, with a pgBackRest that does as it is told."""

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

IMAGE = Path(__file__).resolve().parents[3] / "images" / "postgres"

# Runs the script's own main, with what stands fixed in it changed.
RUNNER = """
import importlib.machinery, importlib.util, sys
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader("script", {script!r})
module = importlib.util.module_from_spec(importlib.util.spec_from_loader("script", loader))
loader.exec_module(module)
vars(module).update({changes!r})
sys.argv = {argv!r}
sys.exit(module.main())
"""

# Writes down how it was called, and answers from a file: {"repository": {path: [name]},
# "info": …, "away": what it says while the vault is away, "hangs": seconds, "status": int,
# "after": [count, {…}]: from its call of that number on, "removes": a file}.
FAKE = f"""#!{sys.executable}
import json, os, re, sys, time
folder = os.path.dirname(os.path.abspath(__file__))
with open(folder + "/calls", "a") as calls:
    calls.write(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]) + "\\n")
with open(folder + "/calls") as calls:
    count = len(calls.readlines())
with open(folder + "/told.json") as file:
    told = json.load(file)
if count >= told.get("after", [float("inf")])[0]:
    told.update(told["after"][1])
if told.get("removes") and os.path.exists(told["removes"]):
    os.remove(told["removes"])
time.sleep(told.get("hangs", 0))
if told.get("away"):
    print(told["away"])
    sys.exit(103)
words = sys.argv[1:]
if "repo-ls" in words:
    path = words[words.index("repo-ls") + 1]
    (pattern,) = [word.partition("=")[2] for word in words if word.startswith("--filter=")]
    for name in sorted(told["repository"].get(path, [])):
        if re.search(pattern, name):
            print(name)
elif "info" in words:
    print(json.dumps(told["info"]))
sys.exit(told.get("status", 0))
"""


@dataclass
class Bench:
    """data: the folder a program runs in, as PostgreSQL's data directory."""

    folder: Path
    data: Path

    def tell(self, **told: Any) -> None:
        """How pgBackRest behaves from now on; what it was asked before is forgotten."""
        (self.folder / "told.json").write_text(json.dumps(told))
        (self.folder / "calls").write_text("")

    @property
    def calls(self) -> list[list[str]]:
        """How the programs on the PATH were called, in order: name and arguments."""
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]

    def run(self, script: str, *arguments: str, **changes: Any) -> subprocess.CompletedProcess[str]:
        """A script of the image to its end."""
        text = RUNNER.format(script=str(IMAGE / script), changes=changes, argv=[script, *arguments])
        return subprocess.run(
            [sys.executable, "-c", textwrap.dedent(text)],
            cwd=self.data,
            env={"PATH": str(self.folder)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    found = Bench(tmp_path / "bin", tmp_path / "data")
    found.folder.mkdir()
    found.data.mkdir()
    for program in ("pgbackrest", "initdb"):
        path = found.folder / program
        path.write_text(FAKE)
        path.chmod(0o755)
    found.tell()
    return found


@pytest.fixture
def one_line() -> Callable[[subprocess.CompletedProcess[str]], str]:
    """What a program that gave up said: exactly one line, and no traceback."""

    def said(done: subprocess.CompletedProcess[str]) -> str:
        assert done.returncode == 1, done.stderr
        (line,) = done.stderr.splitlines()
        return line

    return said
