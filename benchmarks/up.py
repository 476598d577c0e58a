"""Measures bringing a stack up, as a person meets it, and writes a dated record.

    python3 benchmarks/up.py

Works in a fresh clone of this repository beside a temporary folder, so the first `up` makes its
own Python environment; what else it had to make (Docker Engine, the base image, the images) is
in the record. For the figure of a bare machine, run it on one. Takes the stack down afterwards.
Only the standard library is used: on a bare machine there is nothing else yet.
"""

import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
STATUS_RUNS = 10
# Caches have filled and nothing is being built any more.
REST_SECONDS = 60


def run(clone: Path, *arguments: str) -> float:
    """Runs the command in the clone; its wall time in seconds. Raises when it fails."""
    begun = time.monotonic()
    subprocess.run([str(clone / "selfmonitor"), *arguments], check=True, stdout=sys.stderr)
    return round(time.monotonic() - begun, 2)


def docker_lines(*arguments: str) -> list[str]:
    """Output lines of the docker command; none where there is no Docker."""
    if shutil.which("docker") is None:
        return []
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.split("\n") if done.returncode == 0 else []


def there_before() -> dict[str, bool]:
    """What the first `up` need not make."""
    images = docker_lines("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
    return {
        "docker_engine_installed": shutil.which("dockerd") is not None,
        "base_image": "debian:trixie-slim" in images,
        "images": any(image.startswith("selfmonitor/") for image in images),
    }


def _mib(text: str) -> float:
    units = {"GiB": 1024.0, "MiB": 1.0, "KiB": 1 / 1024, "B": 1 / 1024**2}
    for unit, factor in units.items():
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise ValueError(text)


def memory_at_rest() -> dict[str, float]:
    """Memory of each container after a minute without load, MiB, as Docker counts it."""
    time.sleep(REST_SECONDS)
    lines = docker_lines("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}")
    used = {line.split()[0]: round(_mib(line.split()[1]), 1) for line in lines if line}
    mine = {name: mib for name, mib in used.items() if name.startswith("selfmonitor-local-")}
    return {**mine, "total": round(sum(mine.values()), 1)}


def processor_share_at_rest(seconds: float = 20.0) -> float:
    """Share of all processors in use while the stack does nothing, 0 to 1."""

    def busy_and_all() -> tuple[int, int]:
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
        return sum(fields) - fields[3] - fields[4], sum(fields)

    first = busy_and_all()
    time.sleep(seconds)
    last = busy_and_all()
    return round((last[0] - first[0]) / (last[1] - first[1]), 3)


def measure(clone: Path) -> dict[str, Any]:
    """All figures, seconds and MiB."""
    found: dict[str, Any] = {"there_before": there_before()}
    found["first_up_seconds"] = run(clone, "up")
    found["second_up_seconds"] = run(clone, "up")
    times = [run(clone, "status", "-o", "json") for _ in range(STATUS_RUNS)]
    found["status_seconds"] = {"p50": statistics.median(times), "max": max(times)}
    found["memory_at_rest_mib"] = memory_at_rest()
    found["processor_share_at_rest"] = processor_share_at_rest()
    found["down_seconds"] = run(clone, "down")
    found["up_again_seconds"] = run(clone, "up")
    found["down_volumes_seconds"] = run(clone, "down", "--volumes", "--yes")
    found["up_with_images_seconds"] = run(clone, "up")
    run(clone, "down", "--volumes", "--yes")
    return found


def main() -> int:
    """Writes benchmarks/results/<date>/up.json; refuses to touch a stack that is up."""
    if any(
        line.startswith("selfmonitor-local-")
        for line in docker_lines("ps", "--format", "{{.Names}}")
    ):
        print(
            "stack local is up: take it down first, this measures bringing it up", file=sys.stderr
        )
        return 2
    with tempfile.TemporaryDirectory(prefix="selfmonitor-benchmark-") as directory:
        clone = Path(directory) / "selfmonitor"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        found = measure(clone)
    now = datetime.datetime.now(datetime.timezone.utc)  # noqa: UP017 (any Python on a bare machine)
    record = {
        "command": "python3 benchmarks/up.py",
        "at": now.isoformat(timespec="seconds"),
        "machine": {
            "system": platform.platform(),
            "processors": os.cpu_count(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3),
        },
        **found,
    }
    target = RESULTS / now.date().isoformat()
    target.mkdir(parents=True, exist_ok=True)
    (target / "up.json").write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps(record, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
