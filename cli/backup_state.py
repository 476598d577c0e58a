"""What the parts of the backup service have last noted of themselves, read without a program."""

import json
from contextlib import suppress
from typing import Any

from cli.cluster import Cluster
from cli.containers import CannotBeAsked

# Long enough for every kind's last run: three lines a run, a handful of runs a day.
RECORD_LINES = 200
RESTORE_TEST = "restore-test"
RESULTS = ("ok", "failed")
# One exec, no interpreter: `status` asks several containers and must answer at once.
LOOK = (
    "cd /var/lib/backup 2>/dev/null || exit 0; "
    "for each in archiver copy; do "
    'if [ -f "$each.json" ]; then echo "= $each"; cat "$each.json"; echo; fi; done; '
    f'if [ -f records.jsonl ]; then echo "= records"; tail -n {RECORD_LINES} records.jsonl; fi'
)


def look(cluster: Cluster, workload: str) -> dict[str, Any]:
    """{"archiver": …, "copy": …, "last": {kind: the newest record}, "tested": the newest record of
    a restore test that came to a result} as far as a workload has them; empty when it does not run.
    """
    for container in cluster.containers(workload):
        if container.state == "running":
            with suppress(CannotBeAsked):
                return parse(container.exec_run(["/bin/sh", "-c", LOOK]).output)
    return {}


def parse(text: bytes) -> dict[str, Any]:
    """From what LOOK prints. What was written half way is left out."""
    found: dict[str, Any] = {}
    last: dict[str, Any] = {}
    part = ""
    for line in text.splitlines():
        if line.startswith(b"= "):
            part = line[2:].decode(errors="replace")
            continue
        try:
            document = json.loads(line)
        except ValueError:
            continue
        if not isinstance(document, dict):
            continue
        if part != "records":
            found[part] = document
        elif isinstance(record := document.get("record"), dict) and record.get("result"):
            last[str(record.get("kind"))] = record
            # One that was interrupted since takes nothing back.
            if record.get("kind") == RESTORE_TEST and record["result"] in RESULTS:
                found["tested"] = record
    if last:
        found["last"] = last
    return found
