"""Every pod is confined, and is told what its program needs."""

import copy
from collections.abc import Callable
from typing import Any

import pytest


def test_every_pod_is_admitted_by_pod_security_restricted(
    cluster: Any, on_kubernetes: Callable[..., Any], pod_security: Any
) -> None:
    recovered = on_kubernetes(settings={"recovery": {"source": "copy"}})
    assert len(cluster.pods()) == 18
    assert len(recovered.pods()) == 20
    for manifests in (cluster, recovered):
        for where, template in manifests.pods().items():
            assert list(pod_security.violations(template["spec"])) == [], where


@pytest.mark.parametrize(
    ("violation", "change"),
    [
        ("hostNetwork", lambda pod: pod.update(hostNetwork=True)),
        ("hostPID", lambda pod: pod.update(hostPID=True)),
        ("volume host", lambda pod: pod["volumes"].append({"name": "host", "hostPath": {}})),
        ("runAsNonRoot", lambda pod: pod["securityContext"].pop("runAsNonRoot")),
        ("runAsUser", lambda pod: pod["securityContext"].update(runAsUser=0)),
        ("seccompProfile", lambda pod: pod["securityContext"].pop("seccompProfile")),
        (
            "capabilities.drop",
            lambda pod: pod["containers"][0]["securityContext"].pop("capabilities"),
        ),
        (
            "allowPrivilegeEscalation",
            lambda pod: pod["containers"][0]["securityContext"].pop("allowPrivilegeEscalation"),
        ),
        ("privileged", lambda pod: pod["containers"][0]["securityContext"].update(privileged=True)),
        ("hostPort", lambda pod: pod["containers"][0]["ports"][0].update(hostPort=1)),
    ],
)
def test_the_check_sees_a_pod_that_is_not_confined(
    cluster: Any, pod_security: Any, violation: str, change: Callable[[Any], None]
) -> None:
    pod = copy.deepcopy(cluster.server("postgres"))
    change(pod)
    assert list(pod_security.violations(pod)) == [violation]


def test_nothing_a_container_may_write_to_is_of_the_image(cluster: Any) -> None:
    for where, template in cluster.pods().items():
        for container in template["spec"]["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, where
            writable = {m["name"] for m in container["volumeMounts"] if not m.get("readOnly")}
            assert "files" not in writable


def test_files_are_for_the_owner_and_the_group_alone(cluster: Any) -> None:
    for where, template in cluster.pods().items():
        if where.startswith("Job/postgres-update-"):
            assert [v["name"] for v in template["spec"]["volumes"]] == ["scratch-tmp"]
            continue
        (volume,) = [v for v in template["spec"]["volumes"] if v["name"] == "files"]
        assert volume["projected"]["defaultMode"] == 0o400, where
        (mount,) = [
            m for m in template["spec"]["containers"][0]["volumeMounts"] if m["name"] == "files"
        ]
        assert mount == {"name": "files", "mountPath": "/etc/selfmonitor", "readOnly": True}


def test_every_file_object_a_pod_mounts_is_registered(cluster: Any) -> None:
    there = {kind: set(cluster.of(kind)) for kind in ("ConfigMap", "Secret")}
    used: dict[str, set[str]] = {"ConfigMap": set(), "Secret": set()}
    for template in cluster.pods().values():
        for volume in template["spec"]["volumes"]:
            for source in volume.get("projected", {}).get("sources", ()):
                for key, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
                    if key in source:
                        used[kind].add(source[key]["name"])
    assert used == there


def test_scratch_space_is_in_memory_and_bounded(cluster: Any) -> None:
    volumes = {v["name"]: v for v in cluster.server("postgres")["volumes"]}
    assert volumes["scratch-tmp"]["emptyDir"] == {"medium": "Memory", "sizeLimit": "64Mi"}
    assert volumes["scratch-run-postgresql"]["emptyDir"]["sizeLimit"] == "16Mi"
    mounts = {
        m["name"]: m["mountPath"]
        for m in cluster.server("postgres")["containers"][0]["volumeMounts"]
    }
    assert mounts["scratch-run-postgresql"] == "/run/postgresql"


def test_memory_is_kept_free_to_the_limit_and_a_share_of_the_cpu(
    cluster: Any, on_kubernetes: Callable[..., Any]
) -> None:
    def resources(manifests: Any) -> Any:
        return manifests.server("postgres")["containers"][0]["resources"]

    assert resources(cluster) == {
        "limits": {"cpu": "2000m", "memory": "1024Mi"},
        "requests": {"cpu": "500m", "memory": "1024Mi"},
    }
    from_settings = {
        "kubernetes": {"cpu_request_share": 0.1},
        "postgres": {"memory_mib": 700, "cpus": 1.5},
    }
    assert resources(on_kubernetes(settings=from_settings)) == {
        "limits": {"cpu": "1500m", "memory": "700Mi"},
        "requests": {"cpu": "150m", "memory": "700Mi"},
    }


def test_a_member_knows_its_own_name_before_what_is_made_of_it(cluster: Any) -> None:
    environment = cluster.server("postgres")["containers"][0]["env"]
    assert environment[0]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    own = environment[0]["name"]
    values = {each["name"]: each["value"] for each in environment[1:]}
    assert values["PATRONI_NAME"] == f"$({own})"
    assert values["PATRONI_RESTAPI_CONNECT_ADDRESS"] == f"$({own}):8008"
    assert values["PATRONI_POSTGRESQL_CONNECT_ADDRESS"] == f"$({own}):5432"


def test_a_pod_is_ready_when_its_program_says_so(cluster: Any) -> None:
    ready = {
        name: cluster.server(name)["containers"][0]["readinessProbe"]["exec"]["command"]
        for name in cluster.of("StatefulSet")
    }
    paced = ["/usr/local/bin/paced-probe", "12"]
    assert ready["postgres"] == [*paced, "/usr/local/bin/ready", "8008"]
    assert ready["sentinel"] == [*paced, "/usr/local/bin/ready", "sentinel", "26379"]
    # Clients are sent to a router for as long as it says yes: it is asked without a pause.
    assert ready["router"][:2] == ["/bin/sh", "-c"]
    assert len(ready) == 11


def test_only_patronis_loop_is_watched_for_hanging_and_patiently(cluster: Any) -> None:
    """A restart costs a failover: what ends restarts by itself, and PostgreSQL is Patroni's."""
    watched = {
        name
        for name in cluster.of("StatefulSet")
        if "livenessProbe" in cluster.server(name)["containers"][0]
    }
    assert watched == {"postgres"}
    container = cluster.server("postgres")["containers"][0]
    liveness = container["livenessProbe"]
    assert liveness["exec"]["command"][-1] == "https://localhost:8008/liveness"
    assert liveness["periodSeconds"] * liveness["failureThreshold"] == 60
    startup = container["startupProbe"]
    assert startup["exec"] == liveness["exec"]
    assert startup["periodSeconds"] * startup["failureThreshold"] == 120


def test_a_primary_hands_over_before_it_is_stopped_and_has_the_time(cluster: Any) -> None:
    pod = cluster.server("postgres")
    assert pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"] == [
        "/usr/local/bin/hand-over",
        "8008",
    ]
    assert pod["terminationGracePeriodSeconds"] == 60 + 50 + 2
    assert cluster.server("redis")["terminationGracePeriodSeconds"] == 60


def test_only_postgresql_has_a_token_for_the_api_server(cluster: Any) -> None:
    tokens = {
        where: template["spec"]["automountServiceAccountToken"]
        for where, template in cluster.pods().items()
    }
    # Patroni's, for the consensus, and that of the job that replaces members after an update.
    update = cluster.one("Job", "postgres-update-")["metadata"]["name"]
    assert {where for where, token in tokens.items() if token} == {
        *("StatefulSet/postgres", f"Job/{update}")
    }
    for account in cluster.of("ServiceAccount").values():
        assert account["automountServiceAccountToken"] is False


def test_each_workload_has_an_account_of_its_own(cluster: Any) -> None:
    used = {}
    for template in cluster.pods().values():
        workload = template["metadata"]["labels"]["app.kubernetes.io/name"]
        used.setdefault(workload, set()).add(template["spec"]["serviceAccountName"])
    assert used == {name: {name} for name in cluster.of("ServiceAccount")}


def test_services_are_no_variables_of_a_pod(cluster: Any) -> None:
    for where, template in cluster.pods().items():
        assert template["spec"]["enableServiceLinks"] is False, where


def test_a_name_of_the_container_itself_is_in_its_hosts_file(cluster: Any) -> None:
    assert cluster.server("router")["hostAliases"] == [
        {
            "ip": "127.0.0.2",
            # As a resolver's search list makes it, too: there is a Service of that name.
            "hostnames": ["postgres", "postgres.selfmonitor-staging.svc.cluster.local"],
        }
    ]


def test_servers_come_before_what_can_wait(cluster: Any) -> None:
    (priority,) = cluster.of("PriorityClass").values()
    assert priority["value"] == 1_000_000
    for where, template in cluster.pods().items():
        is_server = where.startswith("StatefulSet/")
        name = template["spec"].get("priorityClassName")
        assert name == (priority["metadata"]["name"] if is_server else None), where


@pytest.mark.parametrize("spread", ["required", "preferred"])
def test_replicas_are_spread_over_zones_and_nodes(
    cluster: Any, on_kubernetes: Callable[..., Any], spread: str
) -> None:
    found = on_kubernetes(settings={"kubernetes": {"spread": spread}})
    zone, node = found.server("postgres")["topologySpreadConstraints"]
    assert zone["topologyKey"] == "topology.kubernetes.io/zone"
    assert node["topologyKey"] == "kubernetes.io/hostname"
    wanted = "DoNotSchedule" if spread == "required" else "ScheduleAnyway"
    assert zone["whenUnsatisfiable"] == node["whenUnsatisfiable"] == wanted
    assert node.get("minDomains") == (3 if spread == "required" else None)
    labels = found.of("StatefulSet")["postgres"]["spec"]["template"]["metadata"]["labels"]
    assert zone["labelSelector"]["matchLabels"].items() <= labels.items()
    assert "topologySpreadConstraints" not in found.server("vault")


def test_images_are_those_of_this_projects_folders(cluster: Any) -> None:
    for where, template in cluster.pods().items():
        image = template["spec"]["containers"][0]["image"]
        repository, _, tag = image.partition(":")
        assert repository.startswith("selfmonitor/"), where
        assert len(tag) == 12
        assert template["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"
