"""Who may do what on Redis and on a Sentinel, as Redis would read it."""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

import pytest

REDIS_USERS = (
    *("application", "replication", "sentinel", "keeper", "router", "monitor"),
    *("backup", "restore"),
)
SENTINEL_USERS = ("application", "sentinel", "keeper", "events")
KINDS = [*(("redis-1", u) for u in REDIS_USERS), *(("sentinel-1", u) for u in SENTINEL_USERS)]


@dataclass(frozen=True)
class User:
    """One line of a users.acl. rules: what it may do, in the order in which Redis applies them.

    besides: what it may do with other keys, a selector in brackets.
    """

    on: bool
    secrets: tuple[str, ...]
    keys: tuple[str, ...]
    channels: tuple[str, ...]
    rules: tuple[str, ...]
    besides: tuple[str, ...] = ()


def users(recording: Any, server: str) -> dict[str, User]:
    found = {}
    for line in recording.file(server, "users.acl").splitlines():
        line, *selectors = re.split(r" \((.*?)\)", line)
        first, name, *words = line.split(" ")
        assert first == "user"
        assert name not in found
        found[name] = User(
            on="on" in words and "off" not in words,
            secrets=tuple(w for w in words if w[0] in "#>" or w == "nopass"),
            keys=tuple(w for w in words if w[0] in "~%" or w == "allkeys"),
            channels=tuple(w for w in words if w[0] == "&" or w == "allchannels"),
            rules=tuple(w for w in words if w[0] in "+-" or w in ("allcommands", "nocommands")),
            besides=tuple(filter(None, selectors)),
        )
        for part in (words, *(each.split(" ") for each in found[name].besides)):
            assert part.index("-@all") < min(
                (i for i, w in enumerate(part) if w[0] == "+"), default=len(part)
            ), "what is not named is not allowed"
    return found


@pytest.mark.parametrize(
    ("server", "names"), [("redis-1", REDIS_USERS), ("sentinel-1", SENTINEL_USERS)]
)
def test_there_is_a_user_for_each_purpose_and_no_other(
    local: Any, server: str, names: tuple[str, ...]
) -> None:
    assert users(local, server).keys() == {"default", *names}


@pytest.mark.parametrize("server", ["redis-1", "sentinel-1"])
def test_the_default_user_is_off_and_could_do_nothing(local: Any, server: str) -> None:
    found = users(local, server)["default"]
    assert found == User(on=False, secrets=(), keys=(), channels=(), rules=("-@all",))


@pytest.mark.parametrize(("server", "name"), KINDS)
def test_a_user_has_its_own_password_as_a_hash(local: Any, server: str, name: str) -> None:
    password = local.values[f"redis-password-{name}"]["result"]
    found = users(local, server)[name]
    assert found.on
    assert found.secrets == ("#" + hashlib.sha256(password.encode()).hexdigest(),)


@pytest.mark.parametrize("server", ["redis-1", "sentinel-1"])
def test_no_password_stands_in_the_file_itself(local: Any, server: str) -> None:
    text = local.file(server, "users.acl")
    assert not [
        name for name, made in local.values.items() if "result" in made and made["result"] in text
    ]
    assert "nopass" not in text


def test_all_members_let_the_same_users_in(local: Any) -> None:
    for name in ("redis", "sentinel"):
        assert len({local.file(f"{name}-{n}", "users.acl") for n in (1, 2, 3)}) == 1


@pytest.mark.parametrize(("server", "name"), [k for k in KINDS if k != ("redis-1", "application")])
def test_only_the_application_reads_keys_or_is_given_whole_groups_of_commands(
    local: Any, server: str, name: str
) -> None:
    found = users(local, server)[name]
    # Who makes backups and restores them: in one direction, see below.
    assert bool(found.keys) is (name in ("backup", "restore"))
    assert not [key for key in found.keys if not key.startswith("%W~")]
    assert [rule for rule in found.rules if "@" in rule] == ["-@all"]
    assert all(rule == "-@all" or re.fullmatch(r"\+[a-z|-]+", rule) for rule in found.rules)


# The application


def test_the_application_is_denied_what_is_dangerous_after_all_it_is_allowed(local: Any) -> None:
    found = users(local, "redis-1")["application"]
    assert found.keys == ("~*",)
    rules = list(found.rules)
    denied = max(rules.index("-@admin"), rules.index("-@dangerous"))
    groups = [rule for rule in rules if rule.startswith("+@")]
    assert all(rules.index(each) < denied for each in groups)
    assert "+@all" not in rules
    assert not {"+@admin", "+@dangerous"} & {*rules}
    # What comes back of the dangerous ones: neither changes anything on the server.
    assert rules[denied + 1 :] == ["+info", "+sort"]


def test_the_application_may_do_what_applications_do_and_wait_for_replicas(local: Any) -> None:
    rules = users(local, "redis-1")["application"].rules
    groups = {"read", "write", "connection", "transaction", "scripting", "pubsub"}
    assert {f"+@{each}" for each in groups} | {"+wait", "+waitaof"} <= {*rules}


def test_on_a_sentinel_the_application_asks_and_listens_and_changes_nothing(local: Any) -> None:
    allowed = commands(local, "sentinel-1", "application")
    assert allowed == {
        *("ping", "subscribe", "psubscribe", "unsubscribe", "punsubscribe"),
        *("client|setname", "client|setinfo"),
        *(f"sentinel|{word}" for word in ASKING),
    }


# The stack's own

ASKING = ("get-master-addr-by-name", "master", "masters", "replicas", "slaves", "sentinels")
CHANGES_DATA = {"replicaof", "slaveof", "flushall", "flushdb", "shutdown", "debug", "failover"}


def commands(recording: Any, server: str, name: str) -> set[str]:
    return {r.removeprefix("+") for r in users(recording, server)[name].rules if r[0] == "+"}


def test_monitoring_reads_figures_and_nothing_that_is_secret(local: Any) -> None:
    """CONFIG GET would show masterauth, MONITOR and ACL LIST what users send and are."""
    found = users(local, "redis-1")["monitor"]
    allowed = commands(local, "redis-1", "monitor")
    assert (found.keys, found.channels) == ((), ())
    assert allowed == {
        *("ping", "info", "role", "dbsize", "lastsave"),
        *("client|list", "client|setname", "client|setinfo", "slowlog|get", "slowlog|len"),
        *("latency|latest", "latency|histogram", "memory|stats", "acl|log"),
    }


def test_a_router_sees_who_is_primary_and_no_more(local: Any) -> None:
    assert commands(local, "redis-1", "router") == {"ping", "info", "quit"}
    assert users(local, "redis-1")["router"].channels == ()


def test_a_replica_can_do_nothing_but_replicate(local: Any) -> None:
    assert commands(local, "redis-1", "replication") == {"ping", "psync", "replconf"}


def test_a_sentinel_speaks_in_its_own_channel_alone(local: Any) -> None:
    for server in ("redis-1", "sentinel-1"):
        assert users(local, server)["sentinel"].channels == ("&__sentinel__:hello",)
    assert commands(local, "sentinel-1", "sentinel") == {
        *("ping", "publish", "client|setname", "sentinel|is-master-down-by-addr")
    }


def test_a_sentinel_may_make_primaries_and_replicas_of_members(local: Any) -> None:
    """What Sentinel's documentation asks for, and nothing to read or write data with."""
    assert commands(local, "redis-1", "sentinel") == {
        *("multi", "exec", "slaveof", "ping", "info", "role", "publish", "subscribe"),
        *("config|rewrite", "client|setname", "client|kill", "script|kill"),
    }


def test_the_keeper_of_a_member_does_what_its_programs_need(local: Any) -> None:
    assert commands(local, "redis-1", "keeper") == {
        *("ping", "info", "replicaof", "config|set", "acl|load"),
        *("client|pause", "client|unpause", "client|kill", "client|setinfo"),
    }
    assert commands(local, "sentinel-1", "keeper") == {
        *("ping", "info", "client|setinfo"),
        *(f"sentinel|{word}" for word in ASKING),
        *("sentinel|ckquorum", "sentinel|failover", "sentinel|debug"),
    }


def test_a_backup_takes_the_stream_of_changes_and_writes_one_key(local: Any) -> None:
    """The canary, by which a restored snapshot is known to be that very one."""
    assert commands(local, "redis-1", "backup") == {
        *("ping", "info", "sync", "psync", "replconf", "bgsave", "lastsave", "client|setinfo"),
        *("set", "wait"),
    }
    found = users(local, "redis-1")["backup"]
    # Without the right to read, SET … GET is refused too.
    assert (found.keys, found.channels, found.besides) == (("%W~selfmonitor:canary",), (), ())


def test_a_restore_writes_what_a_snapshot_held_and_reads_nothing(local: Any) -> None:
    assert commands(local, "redis-1", "restore") == {
        *("ping", "info", "select", "wait", "restore", "function|restore", "client|setinfo")
    }
    found = users(local, "redis-1")["restore"]
    assert (found.keys, found.channels) == (("%W~*",), ())
    # How far it came is noted in a key of its own.
    assert found.besides == ("%RW~selfmonitor:* -@all +get +set",)


@pytest.mark.parametrize(
    "name", ["replication", "router", "monitor", "backup", "restore", "application"]
)
def test_nobody_but_sentinels_and_the_keeper_changes_a_role(local: Any, name: str) -> None:
    assert not commands(local, "redis-1", name) & CHANGES_DATA


def test_the_watcher_listens_to_all_that_sentinels_tell_and_changes_nothing(local: Any) -> None:
    assert users(local, "sentinel-1")["events"].channels == ("&*",)
    changing = {"publish", "sentinel|failover", "sentinel|set", "sentinel|debug", "sentinel|reset"}
    assert not commands(local, "sentinel-1", "events") & changing
    assert {"psubscribe", "subscribe"} <= commands(local, "sentinel-1", "events")
