"""Runs the failure drills many times and writes a dated record of them.

    .venv/bin/python -m benchmarks.drills [--runs 20] [--kind KIND ...]

The stack must be up. Writes benchmarks/results/<date>/drill-postgres-<kind>.json and .svg.
"""

import argparse
import datetime
import json
import subprocess
import sys
from pathlib import Path

from cli.drill.faults import FAULTS

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
KINDS = tuple(FAULTS)


def measure(kind: str, runs: int, directory: Path) -> dict[str, object]:
    """One kind of drill; its summary. The drill's own exit status is in the record."""
    target = directory / f"drill-postgres-{kind}"
    command = [str(ROOT / "selfmonitor"), "drill", "postgres", "--kind", kind]
    command += ["--runs", str(runs), "-o", "json", "-o", f"{target}.svg"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    record = {
        "command": f"./selfmonitor drill postgres --kind {kind} --runs {runs} -o json",
        "exit_status": done.returncode,
        **json.loads(done.stdout),
    }
    Path(f"{target}.json").write_text(json.dumps(record, indent=1) + "\n")
    summary: dict[str, object] = record["kinds"][0]
    return summary


def main() -> int:
    """Exit status 0 when no drill lost a row and all healed."""
    parser = argparse.ArgumentParser(description="Failure drills, many times.")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--kind", action="append", choices=KINDS)
    arguments = parser.parse_args()
    directory = RESULTS / datetime.datetime.now(datetime.UTC).date().isoformat()
    directory.mkdir(parents=True, exist_ok=True)
    lost = 0
    for kind in arguments.kind or KINDS:
        found = measure(kind, arguments.runs, directory)
        shown = {key: value for key, value in found.items() if key != "each_run"}
        print(json.dumps(shown), flush=True)
        lost += int(str(found["lost"]))
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
