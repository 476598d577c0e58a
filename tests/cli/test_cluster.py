"""How the cluster is, from what its members say; and what an application needs."""

import json
import shlex
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg.conninfo
import pytest
from click.testing import CliRunner

from cli import connection as connection_module
from cli.cluster import combine
from cli.connection import HIDDEN, as_environment, as_uri, describe
from cli.docker_cluster import DockerCluster
from cli.errors import UserError
from cli.psql import password_line

PASSWORD = "p'a\"s$s:w/o@r%d\\ #?&="


def primary(timeline: int = 3, location: int = 1000, **sync: str) -> dict[str, Any]:
    return {
        "role": "primary",
        "state": "running",
        "timeline": timeline,
        "xlog": {"location": location},
        "replication": [
            {"application_name": name.replace("_", "-"), "sync_state": state}
            for name, state in sync.items()
        ],
    }


def standby(timeline: int = 3, received: int = 1000, state: str = "streaming") -> dict[str, Any]:
    return {
        "role": "replica",
        "state": "running",
        "timeline": timeline,
        "replication_state": state,
        "xlog": {"received_location": received},
    }


def answers(**changes: Any) -> dict[str, Any]:
    healthy = {
        "postgres_1": primary(postgres_2="quorum", postgres_3="quorum"),
        "postgres_2": standby(),
        "postgres_3": standby(),
    }
    return {name.replace("_", "-"): answer for name, answer in {**healthy, **changes}.items()}


def test_a_primary_with_both_standbys_streaming_in_the_quorum_is_healthy() -> None:
    status = combine(answers())
    assert status.healthy
    assert status.leader == "postgres-1"
    assert [(m.role, m.state, m.synchronous) for m in status.members] == [
        ("primary", "running", False),
        ("standby", "streaming", True),
        ("standby", "streaming", True),
    ]


def test_of_two_that_claim_to_be_primary_the_younger_timeline_is_in_office() -> None:
    old = primary(timeline=3)
    new = primary(timeline=4, postgres_3="quorum")
    status = combine(answers(postgres_1=old, postgres_2=new, postgres_3=standby(timeline=4)))
    assert status.leader == "postgres-2"
    assert not status.healthy


@pytest.mark.parametrize("word", ["unreachable", "exited", "paused"])
def test_a_member_without_an_answer_is_shown_with_the_reason(word: str) -> None:
    status = combine(answers(postgres_3=word))
    member = status.members[2]
    assert (member.role, member.state, member.timeline) == ("unknown", word, None)
    assert not status.healthy


def test_with_no_primary_there_is_no_leader_and_no_lag() -> None:
    status = combine(answers(postgres_1="unreachable"))
    assert status.leader is None
    assert not status.healthy
    assert [m.lag_bytes for m in status.members] == [None, None, None]


def test_a_primary_that_only_starts_is_no_leader() -> None:
    assert combine(answers(postgres_1={**primary(), "state": "starting"})).leader is None


def test_lag_is_what_a_standby_has_not_received_and_never_negative() -> None:
    status = combine(answers(postgres_2=standby(received=400), postgres_3=standby(received=1001)))
    assert [m.lag_bytes for m in status.members] == [None, 600, 0]


@pytest.mark.parametrize(
    "third", [standby(state="in archive recovery"), standby(timeline=2), standby(state="")]
)
def test_a_standby_that_does_not_stream_on_the_leaders_timeline_is_not_healthy(
    third: dict[str, Any],
) -> None:
    assert not combine(answers(postgres_3=third)).healthy


def test_a_standby_outside_the_quorum_is_not_healthy() -> None:
    lonely = primary(postgres_2="quorum", postgres_3="async")
    status = combine(answers(postgres_1=lonely))
    assert [m.synchronous for m in status.members] == [False, True, False]
    assert not status.healthy


def test_nobody_is_no_healthy_cluster() -> None:
    assert not combine({}).healthy


# What an application needs.


@pytest.fixture
def cluster() -> Any:
    """A real Cluster whose outputs are known already."""
    databases = (
        SimpleNamespace(name="db_user_profile", owner="user"),
        SimpleNamespace(name="my shop", owner="o'neil"),
    )
    settings = SimpleNamespace(postgres=SimpleNamespace(databases=databases))
    project: Any = SimpleNamespace(stack="local", settings=settings, authority_file="/a b/ca.crt")
    found = DockerCluster(project, None)  # type: ignore[arg-type]
    found._connection = {
        "postgres_endpoints": {
            "read_write": [{"host": "127.0.0.1", "port": p} for p in (5432.0, 5442.0)],
            "read_only": [{"host": "127.0.0.1", "port": p} for p in (5433.0, 5443.0)],
        },
        "postgres_passwords": {"user": PASSWORD, "o'neil": PASSWORD},
    }
    return found


def test_a_uri_gives_back_every_part_whatever_its_characters(cluster: Any) -> None:
    uri = as_uri(describe(cluster, "my shop", reveal=True), reveal=True)
    found = psycopg.conninfo.conninfo_to_dict(uri)
    assert found["user"] == "o'neil"
    assert found["password"] == PASSWORD
    assert found["dbname"] == "my shop"
    assert (found["host"], found["port"]) == ("127.0.0.1,127.0.0.1", "5432,5442")
    assert found["sslmode"] == "verify-full"
    assert unquote(found["sslrootcert"]) == "/a b/ca.crt"
    assert urlsplit(uri).scheme == "postgresql"


def test_lines_for_a_shell_give_back_every_part(cluster: Any) -> None:
    text = as_environment(describe(cluster, "my shop", reveal=True), reveal=True)
    words = [shlex.split(line) for line in text.splitlines()]
    assert {word[0] for word in words} == {"export"}
    values = dict(word[1].split("=", 1) for word in words)
    assert values["PGPASSWORD"] == PASSWORD
    assert values["PGUSER"] == "o'neil"
    assert values["PGDATABASE"] == "my shop"
    assert values["PGPORT"] == "5432,5442"
    assert values["PGSSLROOTCERT"] == "/a b/ca.crt"


@pytest.mark.parametrize("form", ["uri", "env", "json"])
def test_the_password_is_shown_only_when_asked_for(
    cluster: Any, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "open_cluster", lambda context: cluster)
    cluster._connection["postgres_passwords"]["user"] = "Tq8pass"
    hidden = CliRunner().invoke(connection_module.connection, ["-o", form])
    shown = CliRunner().invoke(connection_module.connection, ["-o", form, "--reveal"])
    assert hidden.exit_code == shown.exit_code == 0
    assert "Tq8pass" not in hidden.output
    assert "--reveal" in hidden.stderr
    assert "Tq8pass" in shown.stdout
    assert shown.stderr == ""
    if form == "json":
        assert json.loads(hidden.stdout)["password"] == HIDDEN


def test_a_database_there_is_not_lists_those_there_are(cluster: Any) -> None:
    with pytest.raises(UserError, match="no database shop; there are: db_user_profile, my shop"):
        cluster.conninfo("shop")


def test_reading_only_goes_to_the_other_port(cluster: Any) -> None:
    assert cluster.conninfo()["port"] == "5432"
    assert cluster.conninfo(read_only=True)["port"] == "5433"


def test_a_password_file_escapes_what_separates_its_fields() -> None:
    info = {"host": "h", "port": "1", "dbname": "d", "user": "a:b", "password": "c\\:d"}
    assert password_line(info) == "h:1:d:a\\:b:c\\\\\\:d\n"
