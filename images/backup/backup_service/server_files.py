"""The configuration of a server on restored files: its own, nothing of the source's."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

# Loaded when they are installed: what they made in a database (event triggers, views) needs them.
_LIBRARIES = ("pg_stat_statements", "pgaudit")

_CONFIGURATION = """\
# Made anew at every start.
data_directory = '{data}'
hba_file = '{own}/hba.conf'
ident_file = '{own}/ident.conf'
unix_socket_directories = '{socket}'
unix_socket_permissions = 0700
shared_preload_libraries = '{libraries}'

# It is nobody's standby and archives nothing: the repository belongs to the source.
archive_mode = off
primary_conninfo = ''
primary_slot_name = ''
synchronous_standby_names = ''
# A subscription restored with its database would take the place of the source's.
max_logical_replication_workers = 0
hot_standby = on
wal_level = replica

shared_buffers = 64MB
# A container's /dev/shm is small.
dynamic_shared_memory_type = mmap
huge_pages = off
jit = off
max_wal_size = 1GB

logging_collector = off
log_destination = stderr
log_min_messages = warning
log_line_prefix = '%m [%p] '
log_timezone = 'UTC'
log_checkpoints = off
log_connections = off
log_disconnections = off
timezone = 'UTC'
lc_messages = 'C'
restart_after_crash = off
"""

# Thrown away as soon as it has answered: nothing of it has to outlive a power cut.
_FLEETING = """
fsync = off
full_page_writes = off
synchronous_commit = off
autovacuum = off
"""

_SILENT = "listen_addresses = ''\n"

_LISTENING = """
listen_addresses = '*'
port = {port}
ssl = on
ssl_cert_file = '{files}/tls.crt'
ssl_key_file = '{files}/tls.key'
ssl_ca_file = '{files}/ca.crt'
ssl_min_protocol_version = TLSv1.2
password_encryption = scram-sha-256
"""

# The socket lies in a folder of this user's own.
_LOCAL_ACCESS = "local all all trust\n"
# Whoever could log in to the databases then, with the password of then; the cluster's own roles
# are for the cluster's own network.
_NETWORK_ACCESS = """\
host all postgres,replicator,rewind,pgbouncer all reject
hostssl all all all scram-sha-256
host all all all reject
"""

_KEPT = ("restore_command", "recovery_target")


@dataclass(frozen=True, slots=True)
class Listen:
    """port: on every address. files: where tls.crt, tls.key and ca.crt are."""

    port: int
    files: Path


def write(
    data: Path,
    own: Path,
    socket: Path,
    *,
    least: Mapping[str, str],
    library_dir: Path,
    listen: Listen | None,
    durable: bool,
) -> Path:
    """Writes what a server on `data` is started with into `own`; the configuration file's path.

    least: settings the data asks for. library_dir: where the server's loadable libraries are.
    """
    libraries = [name for name in _LIBRARIES if (library_dir / f"{name}.so").exists()]
    text = _CONFIGURATION.format(data=data, own=own, socket=socket, libraries=",".join(libraries))
    text += "" if durable else _FLEETING
    text += _LISTENING.format(port=listen.port, files=listen.files) if listen else _SILENT
    text += "".join(f"{name} = {value}\n" for name, value in sorted(least.items()))
    _place(own / "hba.conf", _LOCAL_ACCESS + (_NETWORK_ACCESS if listen else ""))
    _place(own / "ident.conf", "")
    _place(own / "server.conf", text)
    automatic = data / "postgresql.auto.conf"
    if automatic.exists():
        _place(automatic, only_recovery(automatic.read_text().splitlines()))
    # With it the server would follow a primary instead of going into service.
    (data / "standby.signal").unlink(missing_ok=True)
    return own / "server.conf"


def only_recovery(lines: Iterable[str]) -> str:
    """Of postgresql.auto.conf what a recovery needs; what was set by hand at the source goes."""
    return "".join(line + "\n" for line in lines if line.strip().startswith(_KEPT))


def _place(path: Path, text: str) -> None:
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    new.chmod(0o600)
    os.replace(new, path)
