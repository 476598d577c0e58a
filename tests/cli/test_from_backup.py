"""When a stack begins with its backups, when it must, and when it may not."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from cli import from_backup as module
from cli import under_way
from cli import up as up_module
from cli.errors import UserError
from cli.from_backup import Beginning
from cli.point import Point
from cli.project import Project
from settings.errors import SettingsError

NOW = "2026-11-24T09:00:00Z"


@pytest.fixture
def project(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr(module, "_now", lambda: NOW)
    found = Project(tmp_path, "local")
    found.directory.mkdir(parents=True)
    found.__dict__["configuration"] = {}
    (tmp_path / "Pulumi.yaml").write_text("name: selfmonitor\n")
    (tmp_path / "Pulumi.local.yaml").write_text("config: {}\n")
    return found


def engine(*workloads: str) -> Any:
    """A Docker client that has the data volumes of these workloads' first members, or of others
    by name, like redis-2.
    """
    volumes = [
        SimpleNamespace(
            name=f"selfmonitor-local-{member}-data",
            attrs={"Labels": {"io.selfmonitor.workload": member.rpartition("-")[0]}},
        )
        for member in (each if each[-1].isdigit() else f"{each}-1" for each in workloads)
    ]
    return SimpleNamespace(volumes=SimpleNamespace(list=lambda filters: volumes))


@pytest.fixture
def decide(project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Beginning | None]:
    """With these volumes there; the stack was up before unless told otherwise."""

    def go(*workloads: str, wanted: bool = False, up_before: bool = True, **how: Any) -> Any:
        outputs = {"ca_certificate": "x"} if up_before else {}
        by = SimpleNamespace(outputs=lambda: outputs)
        monkeypatch.setattr(module, "applier", lambda project, client: by)
        given = {"source": None, "to": None, **how}
        return module.decide(project, engine(*workloads), wanted=wanted, **given)

    return go


ALL = ("postgres", "redis", "etcd", "vault", "vault-copy", "backup")
DATABASES = ("postgres", "redis", "etcd")


def test_a_stack_with_its_data_is_brought_up_as_ever(decide: Callable[..., Any]) -> None:
    assert decide(*ALL) is None


def test_a_new_stack_begins_empty(decide: Callable[..., Any]) -> None:
    assert decide(up_before=False) is None


def test_a_first_run_that_was_killed_after_its_vault_was_made_goes_on(
    decide: Callable[..., Any],
) -> None:
    assert decide("vault", up_before=False) is None


@pytest.mark.parametrize("others", [(), ("redis", "etcd", "backup")])
def test_one_that_lost_its_databases_does_not_begin_empty_beside_its_backups(
    decide: Callable[..., Any], others: tuple[str, ...]
) -> None:
    with pytest.raises(UserError) as caught:
        decide("vault", "vault-copy", *others)
    said = str(caught.value)
    assert "./selfmonitor up --from-backup brings back what they hold" in said
    assert "./selfmonitor down --volumes deletes them too" in said


def test_with_the_copy_alone_it_is_told_to_begin_with_that(decide: Callable[..., Any]) -> None:
    with pytest.raises(UserError, match=r"up --from-backup --source copy brings back"):
        decide("vault-copy")


def test_it_begins_with_the_vault_and_all_there_is(
    decide: Callable[..., Any], project: Project
) -> None:
    assert decide("vault", wanted=True) == Beginning("vault", None, since=NOW)
    assert under_way.from_backup(project).read() == {
        **{"source": "vault", "asked": None, "to": None},
        **{"redis": True, "since": NOW},
    }


def test_it_begins_with_the_copy_and_up_to_a_point(decide: Callable[..., Any]) -> None:
    found = decide("vault-copy", wanted=True, source="copy", to="2026-11-23T00:00:00Z")
    assert found == Beginning("copy", "2026-11-23T00:00:00.000000Z", since=NOW)
    assert str(found) == "the second region's copy as of 2026-11-23T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("to", "known"),
    [
        ("latest", None),
        ("time:2026-11-23T01:00:00+01:00", "2026-11-23T00:00:00.000000Z"),
        ("lsn:a/b4c", "A/B4C"),
        # A restore point may have any name, when it is said to be one.
        ("name:latest", "latest"),
    ],
)
def test_a_point_means_what_it_means_to_restore(
    decide: Callable[..., Any], to: str, known: str | None
) -> None:
    assert decide("vault", wanted=True, to=to) == Beginning("vault", known, since=NOW)


@pytest.mark.parametrize("to", ["", "10 minuts ago", "lsn:latest", "2099-01-01T00:00:00Z"])
def test_what_is_no_point_is_refused_and_nothing_is_begun(
    decide: Callable[..., Any], project: Project, to: str
) -> None:
    with pytest.raises(UserError, match=r"names no point in time|is in the future"):
        decide("vault", wanted=True, to=to)
    assert under_way.from_backup(project).read() is None


def test_a_copy_that_the_stack_file_does_not_have_is_refused(
    decide: Callable[..., Any], project: Project
) -> None:
    (project.root / "Pulumi.local.yaml").write_text(
        "config:\n  selfmonitor:backup: {second_region: false}\n"
    )
    with pytest.raises(SettingsError, match="second_region"):
        decide("vault-copy", wanted=True, source="copy")
    assert under_way.from_backup(project).read() is None


def test_a_stack_that_has_data_is_not_overwritten(
    decide: Callable[..., Any], project: Project
) -> None:
    with pytest.raises(UserError) as caught:
        decide(*ALL, wanted=True)
    said = str(caught.value)
    assert "has PostgreSQL data (selfmonitor-local-postgres-1-data)" in said
    assert "restore --to TIME --into in-place" in said
    assert under_way.from_backup(project).read() is None


@pytest.mark.parametrize(
    ("there", "filled"),
    [((), True), (("redis-1", "redis-3"), True), (("redis-1", "redis-2", "redis-3"), False)],
)
def test_a_redis_that_has_lost_nothing_is_left_alone(
    decide: Callable[..., Any], project: Project, there: tuple[str, ...], filled: bool
) -> None:
    """A snapshot would bring back what was deleted since."""
    begun = decide("vault", *there, wanted=True)
    assert begun.redis is filled
    recovery = begun.recovering(project).recovery
    assert recovery == (
        {"source": "vault", "redis_before": NOW} if filled else {"source": "vault", "redis": False}
    )
    # And stays so when it goes on: by then every member has a volume.
    assert decide(*ALL, "redis-2", "redis-3", wanted=True) == begun


def test_one_that_an_earlier_release_began_goes_on(
    decide: Callable[..., Any], project: Project
) -> None:
    under_way.from_backup(project).write({"source": "vault", "asked": None, "to": None})
    begun = decide(*ALL, wanted=True)
    assert begun == Beginning("vault", None)
    assert begun.recovering(project).recovery == {"source": "vault"}


@pytest.mark.parametrize(
    ("there", "source", "said"),
    [
        ((), "vault", "nor any other: there is nothing to recover from"),
        (("vault-copy",), None, "up --from-backup --source copy"),
        (("vault",), "copy", "up --from-backup --source vault"),
    ],
)
def test_without_that_vault_there_is_nothing_to_begin_with(
    decide: Callable[..., Any], there: tuple[str, ...], source: str | None, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        decide(*there, wanted=True, source=source)


def test_killed_half_way_the_same_command_goes_on_with_the_same_point(
    decide: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "parse", lambda text: Point("time", "2026-11-23T00:00:00Z"))
    begun = decide("vault", wanted=True, to="1 hour ago")
    monkeypatch.setattr(module, "parse", lambda text: Point("time", "2026-11-23T01:00:00Z"))
    assert decide(*ALL, wanted=True, to="1 hour ago") == begun
    assert decide(*ALL, wanted=True) == begun


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (None, "latest"),
        ("latest", " Latest "),
        ("0/3000060", "lsn:0/3000060"),
        ("time:2026-11-23T00:00:00Z", "2026-11-23T01:00:00+01:00"),
    ],
)
def test_the_same_point_in_other_words_goes_on(
    decide: Callable[..., Any], first: str | None, then: str
) -> None:
    begun = decide("vault", wanted=True, to=first)
    assert decide(*ALL, wanted=True, to=then) == begun


@pytest.mark.parametrize("other", [{"to": "2026-11-22T00:00:00Z"}, {"source": "copy"}])
def test_half_way_it_cannot_become_another(
    decide: Callable[..., Any], other: dict[str, str]
) -> None:
    decide("vault", "vault-copy", wanted=True)
    with pytest.raises(UserError, match="down --volumes --keep-vault"):
        decide(*ALL, wanted=True, **other)


def test_half_way_up_alone_does_not_begin_empty(decide: Callable[..., Any]) -> None:
    decide("vault", wanted=True)
    with pytest.raises(UserError, match=r"up --from-backup goes on"):
        decide(*ALL)


# Up.


@pytest.fixture
def run(project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Runs `up`; what it did, in order."""
    done: list[str] = []

    def by(of: Project, client: Any) -> Any:
        def up(steps: Any) -> bool:
            done.append(f"apply {of.recovery}")
            return False

        return SimpleNamespace(up=up, outputs=dict)

    def healthy(cluster: Any, steps: Any, seconds: int = 90) -> None:
        done.append(f"healthy within {seconds}")

    monkeypatch.setattr(up_module, "prepare", lambda project, steps: engine("vault"))
    monkeypatch.setattr(up_module, "applier", by)
    monkeypatch.setattr(module, "applier", by)
    monkeypatch.setattr(up_module, "write_credentials", lambda project, by: None)
    monkeypatch.setattr(up_module, "wait_until_healthy", healthy)
    monkeypatch.setattr(
        up_module, "what_redis_got", lambda project, client: ["Redis: 5 keys loaded"]
    )
    monkeypatch.setattr(
        up_module,
        "ask_for_full_backup",
        lambda cluster, steps, since: done.append(f"full backup since {since}"),
    )
    monkeypatch.setattr(
        up_module, "panel", lambda cluster, seconds, changed: done.append(f"changed {changed}")
    )

    def go(*arguments: str) -> list[str]:
        result = CliRunner().invoke(
            up_module.up,
            list(arguments),
            obj=project,
            standalone_mode=False,
            catch_exceptions=False,
        )
        return [*done, *(line for line in result.output.splitlines() if "Redis" in line)]

    return go


def test_the_recovery_is_for_one_run_and_what_follows_is_as_ever(
    run: Callable[..., list[str]], project: Project
) -> None:
    assert run("--from-backup", "--to", "0/3000060") == [
        f"apply {{'source': 'vault', 'to': '0/3000060', 'redis_before': '{NOW}'}}",
        "healthy within 3600",
        f"full backup since {NOW}",
        "apply None",
        "healthy within 90",
        "changed True",
        "✓ Redis: 5 keys loaded",
    ]
    assert under_way.from_backup(project).read() is None


def test_without_a_wish_nothing_is_recovered(run: Callable[..., list[str]]) -> None:
    assert run() == ["apply None", "healthy within 90", "changed False"]


@pytest.mark.parametrize("option", [("--to", "x"), ("--source", "copy")])
def test_a_point_without_a_recovery_is_refused(
    run: Callable[..., list[str]], option: tuple[str, str]
) -> None:
    with pytest.raises(Exception, match="go with --from-backup"):
        run(*option)


def test_a_mistyped_point_is_refused_before_anything_is_fetched(
    run: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(up_module, "prepare", lambda project, steps: pytest.fail("it began"))
    with pytest.raises(UserError, match="'10 minuts ago' names no point in time: give"):
        run("--from-backup", "--to", "10 minuts ago")


def test_a_note_that_cannot_be_read_is_not_passed_over(project: Project) -> None:
    (project.directory / "in-place.json").write_text("{")
    with pytest.raises(UserError, match=r"in-place\.json cannot be read"):
        module.refuse_during_restore(project)
