"""Runs the failure drills many times and writes a dated record of them.

    .venv/bin/python -m benchmarks.drills [--service redis [--wait 1]] [--runs 20] [--kind KIND ...]
    .venv/bin/python -m benchmarks.drills --service vault --runs 1 --kind away --hold 1800

    KUBECONFIG=… .venv/bin/python -m benchmarks.drills --stack staging --place kubernetes

The stack must be up. Writes benchmarks/results/<date>/drill-<service>-<kind>.json, and .svg but for
the vault; with --wait N, the names end in -wait<N>; with --place P, they begin with drill-<P>-.
"""

import argparse
import datetime
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cli.drill.kinds import KINDS
from cli.drill.vault import KINDS as VAULT_KINDS

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
VAULT = "vault"
SERVICES = {**KINDS, VAULT: VAULT_KINDS}


def measure(
    service: str,
    kind: str,
    runs: int,
    wait: int,
    hold: float | None,
    directory: Path,
    stack: Sequence[str],
    place: str | None,
) -> dict[str, Any]:
    """One kind of drill; its record, which has the drill's own exit status in it.

    stack: options of the command by which it finds another stack than the local one.
    """
    name = "-".join(each for each in ("drill", place, service, kind) if each)
    target = directory / (name + f"-wait{wait}" * bool(wait))
    asked = ["drill", service, "--kind", kind, "--runs", str(runs), "-o", "json"]
    if stack:
        asked = [*stack, *asked, "--yes"]
    if wait:
        asked += ["--wait", str(wait)]
    if hold is not None:
        asked += ["--hold", f"{hold:g}"]
    picture = [] if service == VAULT else ["-o", f"{target}.svg"]
    command = [str(ROOT / "selfmonitor"), *asked, *picture]
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
    parser.add_argument("--service", choices=SERVICES, default="postgres")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--kind", action="append")
    parser.add_argument("--wait", type=int, default=0, help="redis only")
    parser.add_argument("--stack", help="another than the local one")
    parser.add_argument("--config-file", help="its stack file, if elsewhere")
    parser.add_argument("--place", choices=["kubernetes"], help="what the records are named after")
    parser.add_argument("--hold", type=float, help="seconds, instead of each kind's own")
    arguments = parser.parse_args()
    known = SERVICES[arguments.service]
    for kind in arguments.kind or ():
        if kind not in known:
            parser.error(f"--kind {kind}: {arguments.service} has {', '.join(known)}")
    if arguments.wait and arguments.service != "redis":
        parser.error("--wait: redis only")
    directory = RESULTS / datetime.datetime.now(datetime.UTC).date().isoformat()
    directory.mkdir(parents=True, exist_ok=True)
    stack = ["-s", arguments.stack] if arguments.stack else []
    if arguments.config_file:
        stack += ["--config-file", arguments.config_file]
    failed = 0
    for kind in arguments.kind or known:
        record = measure(
            arguments.service,
            kind,
            arguments.runs,
            arguments.wait,
            arguments.hold,
            directory,
            stack,
            arguments.place,
        )
        shown = {key: value for key, value in record["kinds"][0].items() if key != "each_run"}
        print(json.dumps(shown), flush=True)
        failed += record["exit_status"] != 0
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
