"""The parts of provision that decide without a server."""

import base64
import hashlib
import hmac
import json
import math
import sys
import urllib.error
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="module")
def provision(image_programs: Callable[..., Any]) -> Any:
    """The script as a module. psycopg2 is in the image, not here, and none of this needs it."""
    stubs = {name: ModuleType(name) for name in ("psycopg2", "psycopg2.sql", "psycopg2.extensions")}
    stubs["psycopg2"].sql = stubs["psycopg2.sql"]  # type: ignore[attr-defined]
    stubs["psycopg2.extensions"].encrypt_password = None  # type: ignore[attr-defined]
    before = {name: sys.modules.get(name) for name in stubs}
    sys.modules.update(stubs)
    try:
        return image_programs("postgres", {"provision": "provision"}).provision
    finally:
        for name, found in before.items():
            if found is None:
                del sys.modules[name]
            else:
                sys.modules[name] = found


def verifier(password: str, salt: bytes, iterations: int) -> str:
    """As PostgreSQL stores it: SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    client = hmac.new(salted, b"Client Key", hashlib.sha256).digest()
    keys = (
        hashlib.sha256(client).digest(),
        hmac.new(salted, b"Server Key", hashlib.sha256).digest(),
    )
    texts = [base64.b64encode(part).decode() for part in (salt, *keys)]
    return f"SCRAM-SHA-256${iterations}:{texts[0]}${texts[1]}:{texts[2]}"


def test_the_example_of_rfc_7677_matches(provision: Any) -> None:
    """Its ClientProof, undone with the stored key, must give back the stored key's own source."""
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    stored = verifier("pencil", salt, 4096)
    assert provision.matches(stored, "pencil")
    # The RFC's exchange, which proves the verifier built here is the real one.
    message = (
        b"n=user,r=rOprNGfwEbeRWgbNEkqO,"
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    )
    stored_key = base64.b64decode(stored.split("$")[2].split(":")[0])
    signature = hmac.new(stored_key, message, hashlib.sha256).digest()
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
    assert hashlib.sha256(client_key).digest() == stored_key


@pytest.mark.parametrize("password", ["a", "x" * 200, "päss wörd", "$:=,", "pencil "])
def test_a_password_matches_its_own_verifier_and_no_other(provision: Any, password: str) -> None:
    stored = verifier(password, b"0123456789abcdef", 4096)
    assert provision.matches(stored, password)
    assert not provision.matches(stored, password + "x")
    assert not provision.matches(verifier("pencil", b"0123456789abcdef", 4096), password)


def test_salt_and_iterations_are_the_verifiers_own(provision: Any) -> None:
    assert provision.matches(verifier("pencil", b"other salt", 1234), "pencil")


@pytest.mark.parametrize("stored", [None, "", "md5" + "0" * 32, "pencil"])
def test_what_is_no_scram_verifier_matches_nothing(provision: Any, stored: str | None) -> None:
    assert not provision.matches(stored, "pencil")


@pytest.mark.parametrize(
    ("wanted", "actual", "changes"),
    [
        ({}, {"a": 1}, {}),
        ({"a": 1}, {"a": 1, "b": 2}, {}),
        ({"a": 1}, {}, {"a": 1}),
        ({"a": 1}, {"a": 2}, {"a": 1}),
        ({"p": {"a": 1, "b": 2}}, {"p": {"a": 1, "b": 3, "c": 4}}, {"p": {"b": 2}}),
        ({"p": {"q": {"a": 1}}}, {"p": {"q": {"a": 1}}}, {}),
        ({"p": {"a": 1}}, {"p": "text"}, {"p": {"a": 1}}),
        ({"p": {"a": 1}}, {}, {"p": {"a": 1}}),
        ({"a": False}, {"a": None}, {"a": False}),
        ({"a": 0}, {}, {"a": 0}),
    ],
)
def test_only_what_is_not_already_so_is_changed(
    provision: Any, wanted: dict[str, Any], actual: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert provision.difference(wanted, actual) == changes


def test_a_setting_that_is_given_as_another_type_is_a_difference(provision: Any) -> None:
    assert provision.difference({"a": "on"}, {"a": True}) == {"a": "on"}


def test_nobody_becomes_a_role_of_the_cluster_through_the_routers(provision: Any) -> None:
    for condition in (
        "NOT rolsuper",
        "NOT rolreplication",
        "NOT IN ('pgbouncer', 'rewind', 'backup')",
    ):
        assert condition in provision.USER_LOOKUP


class Catalog:
    """What the server says, by what the question contains; what is changed."""

    def __init__(self, provision: Any, monkeypatch: pytest.MonkeyPatch, **says: Any) -> None:
        self.changed: list[str] = []
        self.says = says
        monkeypatch.setattr(provision, "query", self.query)
        monkeypatch.setattr(provision, "execute", self.execute)
        monkeypatch.setattr(provision.sql, "SQL", Text, raising=False)
        monkeypatch.setattr(provision.sql, "Identifier", "<{}>".format, raising=False)

    def query(self, _: Any, statement: str, *values: str) -> list[Any]:
        for word, rows in self.says.items():
            if word in statement:
                return [row for row in rows if not values or row == (values[-1],)]
        raise AssertionError(statement)

    def execute(self, _: Any, statement: Any) -> None:
        self.changed.append(str(statement))


class Text(str):
    def format(self, *values: Any, **_: Any) -> str:  # type: ignore[override]
        return str.format(self, *values)


ROLES = [("pg_read_all_data",), ("pg_monitor",)]
FUNCTIONS = [("pg_switch_wal()",), ("pg_create_restore_point(text)",)]


def test_the_backup_role_reads_everything_everywhere(
    provision: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = {"rolbypassrls": [], "pg_has_role": [], "pg_database": [("app",), ("postgres",)]}
    catalog = Catalog(provision, monkeypatch, **says)
    provision.ensure_backup_role(None)
    assert catalog.changed == [
        "ALTER ROLE backup BYPASSRLS",
        "GRANT <pg_read_all_data> TO backup",
        "GRANT <pg_monitor> TO backup",
        "GRANT CONNECT ON DATABASE <app> TO backup",
        "GRANT CONNECT ON DATABASE <postgres> TO backup",
    ]


def test_the_backup_role_may_switch_segments_and_name_points(
    provision: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = Catalog(provision, monkeypatch, has_function_privilege=[])
    provision.ensure_backup_functions(None)
    assert catalog.changed == [
        "GRANT EXECUTE ON FUNCTION pg_switch_wal() TO backup",
        "GRANT EXECUTE ON FUNCTION pg_create_restore_point(text) TO backup",
    ]


def test_what_the_backup_role_has_already_is_not_given_again(
    provision: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = {"rolbypassrls": [(1,)], "pg_has_role": ROLES, "has_function_privilege": FUNCTIONS}
    catalog = Catalog(provision, monkeypatch, pg_database=[], **says)
    provision.ensure_backup_role(None)
    provision.ensure_backup_functions(None)
    assert catalog.changed == []


def test_patroni_is_told_a_password_where_it_wants_one(
    provision: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provision, "FILES", f"{tmp_path}/")
    assert provision.credentials() == {}
    (tmp_path / "restapi.password").write_text("pass word")
    encoded = base64.b64encode(b"restapi:pass word").decode()
    assert provision.credentials() == {"Authorization": f"Basic {encoded}"}


class Patroni:
    """Members by name: how often each refuses yet, and who waits for a restart."""

    def __init__(self, provision: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.refusals: dict[str, float] = {}
        self.pending: set[str] = set()
        self.restarted: list[str] = []
        monkeypatch.setattr(provision, "request", self.request)
        monkeypatch.setattr(provision.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(provision.time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def request(self, _: Any, member: str, method: str, path: str, *__: Any) -> str:
        if self.refusals.get(member, 0) > 0:
            self.refusals[member] -= 1
            raise urllib.error.HTTPError(path, 503, "Service Unavailable", Message(), None)
        if (method, path) == ("POST", "/restart"):
            self.pending.discard(member)
            self.restarted.append(member)
        members = [
            {"name": name, "role": role, "pending_restart": name in self.pending}
            for name, role in (("a", "leader"), ("b", "replica"))
        ]
        return json.dumps({"members": members})


@pytest.fixture
def patroni(provision: Any, monkeypatch: pytest.MonkeyPatch) -> Patroni:
    return Patroni(provision, monkeypatch)


PLAN = {"members": ["a", "b"]}


def test_the_next_member_is_asked_when_one_does_not_answer(
    provision: Any, patroni: Patroni
) -> None:
    patroni.refusals = {"a": math.inf}
    assert provision.rest(PLAN, "GET", "/config")
    assert patroni.now == 0


def test_members_none_of_which_answers_are_asked_again_for_a_while(
    provision: Any, patroni: Patroni
) -> None:
    patroni.refusals = {"a": 3, "b": 3}
    assert provision.rest(PLAN, "GET", "/config")
    patroni.refusals = {"a": math.inf, "b": math.inf}
    with pytest.raises(RuntimeError, match="no member accepts GET /config: b: HTTP Error 503"):
        provision.rest(PLAN, "GET", "/config")
    assert provision.ANSWER_SECONDS < patroni.now < 2 * provision.ANSWER_SECONDS


def test_who_waits_for_a_restart_gets_one_and_the_leader_last(
    provision: Any, patroni: Patroni
) -> None:
    patroni.pending = {"a", "b"}
    provision.restart_where_pending(PLAN)
    assert patroni.restarted == ["b", "a"]


def test_a_restart_that_is_refused_is_asked_for_again(
    provision: Any, patroni: Patroni, capsys: pytest.CaptureFixture[str]
) -> None:
    patroni.pending = {"a", "b"}
    patroni.refusals = {"b": 2}
    provision.restart_where_pending(PLAN)
    assert patroni.restarted == ["b", "a"]
    assert capsys.readouterr().out.count("b not restarted yet: HTTP Error 503") == 2


def test_one_that_never_restarts_is_given_up_with_its_reason(
    provision: Any, patroni: Patroni
) -> None:
    patroni.pending = {"b"}
    patroni.refusals = {"b": math.inf}
    with pytest.raises(RuntimeError, match=r"still wait for a restart.*b: HTTP Error 503"):
        provision.restart_where_pending(PLAN)
    assert patroni.now < 2 * provision.PENDING_SECONDS
