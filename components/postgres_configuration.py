"""What PostgreSQL and Patroni are told, with the reason for each value that matters."""

from typing import Any

from settings.postgres import PostgresSettings

POSTGRES_PORT = 5432
REST_PORT = 8008
# Where the backup service reads a member's files.
BACKUP_SERVER_PORT = 8432
DATA_DIRECTORY = "/var/lib/postgresql/17/main"

# Each standby needs one sender; a base backup or a rejoining member one more for a while.
MAX_WAL_SENDERS = 10
# What a standby that is away may hold back before it must be copied anew. Without a bound a dead
# standby fills the primary's disk.
SLOT_WAL_MIB = 4096
# How long the slot of an absent member is kept. Patroni's own 30 min would make every standby
# that was away for longer be copied anew; the bound above protects the disk meanwhile.
SLOT_SECONDS = 24 * 3600
# A silent peer is given up well before PostgreSQL's own 60 s.
REPLICATION_TIMEOUT_SECONDS = 10


def dynamic_configuration(settings: PostgresSettings) -> dict[str, Any]:
    """Patroni's configuration in the consensus store, the same for all members.

    Quorum commit and strict mode are the promise (RPO 0): a commit is acknowledged only when a
    standby has it, and with no standby commits wait. Without strict mode a primary that was
    frozen and thawed has acknowledged commits nobody else had (measured: in 1 to 9 of some 20
    freezes; with it, in none). primary_start_timeout 0: a crashed primary is replaced at once
    instead of being restarted for up to 300 s. failsafe_mode: a primary that can still see every
    member goes on without the consensus store.
    """
    return {
        "ttl": settings.failover.ttl_seconds,
        "loop_wait": settings.failover.loop_wait_seconds,
        "retry_timeout": settings.failover.retry_timeout_seconds,
        "primary_start_timeout": 0,
        "failsafe_mode": True,
        "check_timeline": True,
        "synchronous_mode": "quorum",
        "synchronous_mode_strict": True,
        "synchronous_node_count": 1,
        "maximum_lag_on_failover": 1048576,
        "member_slots_ttl": SLOT_SECONDS,
        "postgresql": {
            "use_pg_rewind": True,
            "use_slots": True,
            "parameters": {
                "max_connections": settings.max_connections,
                "max_wal_senders": MAX_WAL_SENDERS,
                "max_replication_slots": MAX_WAL_SENDERS,
                "max_worker_processes": 8,
                "wal_level": "replica",
                "wal_log_hints": "on",
                "hot_standby": "on",
                # By which restored content is compared with what had been committed at a time.
                "track_commit_timestamp": "on",
            },
        },
    }


def server_parameters(settings: PostgresSettings, archive_timeout_seconds: int) -> dict[str, Any]:
    """postgresql.conf settings of every member; the stack file's own come last."""
    return {
        "shared_preload_libraries": "pg_stat_statements,pgaudit",
        "shared_buffers": f"{settings.shared_buffers_mib}MB",
        "max_slot_wal_keep_size": f"{SLOT_WAL_MIB}MB",
        "wal_sender_timeout": f"{REPLICATION_TIMEOUT_SECONDS}s",
        "wal_receiver_timeout": f"{REPLICATION_TIMEOUT_SECONDS}s",
        # How long a standby that lost its source waits before it asks again. PostgreSQL's own 5 s
        # would hold commits up whenever a standby follows a new primary before it is promoted.
        "wal_retrieve_retry_interval": "300ms",
        "tcp_keepalives_idle": 10,
        "tcp_keepalives_interval": 5,
        "tcp_keepalives_count": 3,
        "pgaudit.log": "ddl,role",
        # Always: a standby keeps what is not in the vault yet, for the day it is promoted.
        "archive_mode": "always",
        # pgBackRest insists on its own name in the command.
        "archive_command": "/usr/local/bin/pgbackrest-archive %p %f",
        "archive_timeout": f"{archive_timeout_seconds}s",
        **settings.parameters,
    }
