"""The members' programs, in processes of their own, with a pgBackRest that does as it is told."""

import json
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping
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

# Notes how it was called and does as `told` says. A shell, since it is started some hundred times:
# Python takes thirty times as long to begin.
FAKE = r"""#!/bin/sh
folder=${0%/*}
PATH=/usr/bin:/bin
{ printf '%s\037' "${0##*/}" "$@"; echo; } >> "$folder/calls"
count=0
while read -r _; do count=$((count + 1)); done < "$folder/calls"
. "$folder/told"
[ -z "$removes" ] || rm -f "$removes"
[ -z "$hangs" ] || exec sleep "$hangs"
[ -z "$away" ] || { printf '%s\n' "$away"; exit 103; }
said= pattern=
for word in "$@"; do
    case $word in
        repo-ls | info) said=$word ;;
        --filter=*) pattern=${word#--filter=} ;;
        archive/*) path=$word ;;
    esac
done
case $said in
    repo-ls) names "$path" | grep -E -e "$pattern" ;;
    info) printf '%s\n' "$info" ;;
esac
exit "$status"
"""


def told(
    *,
    repository: Mapping[str, Iterable[str]] | None = None,
    info: Any = None,
    away: str = "",
    hangs: int | None = None,
    status: int = 0,
    removes: str = "",
    after: tuple[int, dict[str, Any]] | None = None,
) -> str:
    """What pgBackRest does, in the shell's words.

    repository: {path: names}. info: what it says of itself. away: what it says while the vault
    is away. hangs: for so many seconds. removes: a file. after: what it does instead from its
    call of that number on.
    """
    listed = " ".join(
        f"{shlex.quote(path)}) printf '%s\\n' {shlex.join(sorted(names))} ;;"
        for path, names in (repository or {}).items()
    )
    lines = [
        f"names() {{ case $1 in {listed} *) ;; esac; }}",
        f"info={shlex.quote(json.dumps(info))}",
        f"away={shlex.quote(away)}",
        f"hangs={hangs or ''}",
        f"status={status}",
        f"removes={shlex.quote(removes)}",
    ]
    if after is not None:
        count, otherwise = after
        lines += [f'if [ "$count" -ge {count} ]; then', told(**otherwise), "fi"]
    return "\n".join(lines)


@dataclass
class Bench:
    """data: the folder a program runs in, as PostgreSQL's data directory."""

    folder: Path
    data: Path

    def tell(self, **behaviour: Any) -> None:
        """How pgBackRest behaves from now on, see `told`; what it was asked is forgotten."""
        (self.folder / "told").write_text(told(**behaviour))
        (self.folder / "calls").write_text("")

    @property
    def calls(self) -> list[list[str]]:
        """How the programs on the PATH were called, in order: name and arguments."""
        lines = (self.folder / "calls").read_text().split("\n")[:-1]
        return [line.split("\x1f")[:-1] for line in lines]

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
