"""What a data directory asks of a server that is to replay WAL in it."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

# Hot standby refuses to run, or stops replaying, with less than the primary had of these.
_SETTINGS = {
    "max_connections setting": "max_connections",
    "max_worker_processes setting": "max_worker_processes",
    "max_wal_senders setting": "max_wal_senders",
    "max_prepared_xacts setting": "max_prepared_transactions",
    "max_locks_per_xact setting": "max_locks_per_transaction",
}
_FLOOR = {
    "max_connections": 20,
    "max_worker_processes": 8,
    "max_wal_senders": 0,
    "max_prepared_transactions": 0,
    "max_locks_per_transaction": 64,
}


def read(directory: Path, bin_dir: Path) -> dict[str, str]:
    """pg_controldata's lines. Raises OSError, also when there is no cluster in `directory`."""
    done = subprocess.run(
        [bin_dir / "pg_controldata", "-D", directory],
        capture_output=True,
        text=True,
        timeout=60,
        env={"LC_ALL": "C"},
        check=False,
    )
    if done.returncode:
        raise OSError(f"{directory} holds no data directory: {done.stderr.strip()}")
    pairs = (line.split(":", 1) for line in done.stdout.splitlines() if ":" in line)
    return {name.strip(): value.strip() for name, value in pairs}


def segment_bytes(control: Mapping[str, str]) -> int:
    """How long a segment of the cluster's WAL is."""
    return int(control["Bytes per WAL segment"])


def least_settings(control: Mapping[str, str]) -> dict[str, str]:
    """Server settings with which the directory can be replayed, by name."""
    settings = {
        name: str(max(int(control.get(line, 0)), _FLOOR[name])) for line, name in _SETTINGS.items()
    }
    settings["track_commit_timestamp"] = control.get("track_commit_timestamp setting", "off")
    return settings
