"""Runs the failure drills many times and writes a dated record of them.

    .venv/bin/python -m benchmarks.drills [--service redis [--wait 1]] [--runs 20] [--kind KIND ...]

The stack must be up. Writes benchmarks/results/<date>/drill-<service>-<kind>.json and .svg; with
--wait N, the names end in -wait<N>.
"""

import argparse
import datetime
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from cli.drill.kinds import KINDS

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def measure(service: str, kind: str, runs: int, wait: int, directory: Path) -> dict[str, Any]:
    """One kind of drill; its record, which has the drill's own exit status in it."""
    target = directory / (f"drill-{service}-{kind}" + f"-wait{wait}" * bool(wait))
    asked = ["drill", service, "--kind", kind, "--runs", str(runs), "-o", "json"]
    if wait:
        asked += ["--wait", str(wait)]
    command = [str(ROOT / "selfmonitor"), *asked, "-o", f"{target}.svg"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    record: dict[str, Any] = {
        "command": " ".join(["./selfmonitor", *asked]),
        "exit_status": done.returncode,
        **json.loads(done.stdout),
    }
    Path(f"{target}.json").write_text(json.dumps(record, indent=1) + "\n")
    return record


def main() -> int:
    """Exit status 0 when every drill's was."""
    parser = argparse.ArgumentParser(description="Failure drills, many times.")
    parser.add_argument("--service", choices=KINDS, default="postgres")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--kind", action="append")
    parser.add_argument("--wait", type=int, default=0, help="redis only")
    arguments = parser.parse_args()
    known = KINDS[arguments.service]
    for kind in arguments.kind or ():
        if kind not in known:
            parser.error(f"--kind {kind}: {arguments.service} has {', '.join(known)}")
    if arguments.wait and arguments.service != "redis":
        parser.error("--wait: redis only")
    directory = RESULTS / datetime.datetime.now(datetime.UTC).date().isoformat()
    directory.mkdir(parents=True, exist_ok=True)
    failed = 0
    for kind in arguments.kind or known:
        record = measure(arguments.service, kind, arguments.runs, arguments.wait, directory)
        shown = {key: value for key, value in record["kinds"][0].items() if key != "each_run"}
        print(json.dumps(shown), flush=True)
        failed += record["exit_status"] != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
