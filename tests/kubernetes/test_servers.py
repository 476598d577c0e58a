"""Replicas, their volumes, their names, their rights, and what runs beside them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

REPLICAS = {"postgres": 3, "redis": 3, "sentinel": 3, "router": 2}


def test_replicas_have_the_names_they_have_everywhere(cluster: Any) -> None:
    for name, each in cluster.of("StatefulSet").items():
        assert each["spec"]["ordinals"] == {"start": 1}, name
        assert each["spec"]["replicas"] == REPLICAS.get(name, 1)
        assert each["spec"]["serviceName"] == name


def test_a_lost_pod_does_not_wait_for_another_one(cluster: Any) -> None:
    for name, each in cluster.of("StatefulSet").items():
        assert each["spec"]["podManagementPolicy"] == "Parallel", name


def test_an_update_goes_from_one_replica_to_the_next_and_not_at_once(cluster: Any) -> None:
    for name, each in cluster.of("StatefulSet").items():
        # PostgreSQL's members are replaced by a job, which takes the primary last.
        kind = "OnDelete" if name == "postgres" else "RollingUpdate"
        assert each["spec"]["updateStrategy"] == {"type": kind}, name
        assert each["spec"]["minReadySeconds"] == (10 if name in REPLICAS else 0), name


def test_the_engine_waits_as_long_as_an_update_may_take(cluster: Any) -> None:
    # A place, 112 s to stop and 120 s to start, three times.
    assert cluster.request("StatefulSet", "postgres").create_timeout == "1236s"
    assert cluster.request("StatefulSet", "events").create_timeout == "600s"


def test_a_selector_finds_the_servers_and_not_the_jobs_beside_them(cluster: Any) -> None:
    for name, each in cluster.of("StatefulSet").items():
        selector = each["spec"]["selector"]["matchLabels"]
        found = {
            where
            for where, template in cluster.pods().items()
            if selector.items() <= template["metadata"]["labels"].items()
        }
        assert found == {f"StatefulSet/{name}"}


# Volumes.


def test_every_replica_with_data_has_a_claim_that_its_statefulset_finds(cluster: Any) -> None:
    wanted = {
        f"{template['metadata']['name']}-{name}-{number}"
        for name, each in cluster.of("StatefulSet").items()
        for template in each["spec"].get("volumeClaimTemplates", ())
        for number in range(1, each["spec"]["replicas"] + 1)
    }
    assert set(cluster.of("PersistentVolumeClaim")) == wanted
    assert "data-postgres-3" in wanted
    assert "data-router-1" not in wanted


def test_a_volume_is_as_large_as_the_stack_file_says_and_of_its_class(
    cluster: Any, on_kubernetes: Callable[..., Any]
) -> None:
    def claims(manifests: Any) -> dict[str, tuple[str, str | None]]:
        return {
            name: (
                each["spec"]["resources"]["requests"]["storage"],
                each["spec"].get("storageClassName"),
            )
            for name, each in manifests.of("PersistentVolumeClaim").items()
        }

    default = claims(cluster)
    assert default["data-postgres-1"] == ("20Gi", None)
    assert default["data-redis-2"] == ("5Gi", None)
    assert default["data-vault-1"] == default["data-vault-copy-1"] == ("100Gi", None)
    assert default["data-backup-1"] == default["data-side-1"] == ("20Gi", None)
    assert default["data-sentinel-1"] == default["data-events-1"] == ("1Gi", None)
    found = claims(
        on_kubernetes(
            settings={
                "kubernetes": {"storage_class": "fast"},
                "postgres": {"volume_gib": 500},
                "redis": {"volume_gib": 8},
                "backup": {"volume_gib": 9, "vault": {"volume_gib": 2000}},
            }
        )
    )
    assert found["data-postgres-1"] == ("500Gi", "fast")
    assert found["data-redis-2"] == ("8Gi", "fast")
    assert found["data-vault-1"] == ("2000Gi", "fast")
    assert found["data-replication-1"] == ("9Gi", "fast")


def test_volumes_stay_whatever_becomes_of_their_pods(cluster: Any) -> None:
    for each in cluster.of("StatefulSet").values():
        assert each["spec"]["persistentVolumeClaimRetentionPolicy"] == {
            "whenDeleted": "Retain",
            "whenScaled": "Retain",
        }


def test_pods_come_after_their_volumes_files_and_account(cluster: Any) -> None:
    request = cluster.request("StatefulSet", "postgres")
    names = {each.urn: f"{each.inputs['kind']}/{each.name}" for each in cluster.requests}
    before = {names[urn] for urn in request.dependencies if urn in names}
    assert {
        *(f"PersistentVolumeClaim/data-postgres-{n}" for n in (1, 2, 3)),
        *("ConfigMap/postgres-files", "Secret/postgres-secrets", "ServiceAccount/postgres"),
        *("Role/postgres", "RoleBinding/postgres", "NetworkPolicy/postgres-out"),
        *("StatefulSet/vault", "Service/postgres"),
    } <= before


# Names.


def test_every_member_others_connect_to_has_a_name_of_its_own(cluster: Any) -> None:
    members = {
        name: each
        for name, each in cluster.of("Service").items()
        if "statefulset.kubernetes.io/pod-name" in each["spec"].get("selector", {})
    }
    assert set(members) == {
        *(f"{name}-{n}" for name in ("postgres", "redis", "sentinel") for n in (1, 2, 3)),
        *("router-1", "router-2", "vault-1", "vault-copy-1", "events-1", "side-1"),
    }
    for name, each in members.items():
        assert each["spec"]["selector"]["statefulset.kubernetes.io/pod-name"] == name
        # Patroni and Sentinel ask members that are not ready whether they are.
        assert each["spec"]["publishNotReadyAddresses"] is True
        assert each["spec"].get("clusterIP") is None, "an address that stays"
        # The provider would wait for pods that wait for this.
        assert each["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}
    assert [port["port"] for port in members["postgres-2"]["spec"]["ports"]] == [5432, 8008, 8432]


def test_a_name_is_there_before_who_looks_it_up(cluster: Any) -> None:
    """A Sentinel does not start, and HAProxy neither, with a name that does not resolve."""
    services = {
        each.urn: each.name for each in cluster.requests if each.inputs["kind"] == "Service"
    }

    def known(name: str) -> set[str]:
        request = cluster.request("StatefulSet", name)
        return {services[urn] for urn in request.dependencies if urn in services}

    assert {f"redis-{n}" for n in (1, 2, 3)} | {f"sentinel-{n}" for n in (1, 2, 3)} <= known(
        "sentinel"
    )
    members = {f"{name}-{n}" for name in ("postgres", "redis") for n in (1, 2, 3)}
    assert members <= known("router")
    assert {"vault-1", "postgres-1"} <= known("postgres")
    assert {"sentinel-1", "postgres-3"} <= known("events")


def test_a_member_is_addressed_by_its_name(cluster: Any) -> None:
    group = json.loads(cluster.file("redis", "group.json"))
    assert group["members"] == {f"redis-{n}": f"redis-{n}" for n in (1, 2, 3)}
    assert group["sentinels"] == {f"sentinel-{n}": f"sentinel-{n}" for n in (1, 2, 3)}
    lines = cluster.file("sentinel", "sentinel.conf").splitlines()
    assert "sentinel resolve-hostnames yes" in lines
    assert "sentinel announce-hostnames yes" in lines
    assert "server redis-2 redis-2:6379 verifyhost redis-2" in cluster.file(
        "router", "haproxy-redis.cfg"
    )
    request = next(each for each in cluster.recording.requests if each.name == "redis-request")
    assert request.inputs["ipAddresses"] == ["127.0.0.1"]
    assert set(request.inputs["dnsNames"]) >= {"redis-1", "redis-2", "redis-3"}


# Clients.


def test_clients_have_one_entrance_to_all_routers(cluster: Any) -> None:
    service = cluster.of("Service")["router-clients"]
    assert service["spec"]["type"] == "LoadBalancer"
    assert service["spec"]["externalTrafficPolicy"] == "Local"
    assert service["spec"]["loadBalancerSourceRanges"] == ["10.20.0.0/16"]
    assert [
        (port["name"], port["port"], port["targetPort"]) for port in service["spec"]["ports"]
    ] == [("read-write", 5432, 5432), ("read-only", 5433, 5433), ("redis", 6379, 6379)]
    for word in ("aws-load-balancer-scheme", "azure-load-balancer-internal"):
        assert f"service.beta.kubernetes.io/{word}" in service["metadata"]["annotations"]
    assert cluster.recording.outputs["postgres_endpoints"] == {
        "read_write": [{"host": "db.example.com", "port": 5432}],
        "read_only": [{"host": "db.example.com", "port": 5433}],
    }
    assert cluster.recording.outputs["redis_endpoints"] == {
        "read_write": [{"host": "db.example.com", "port": 6379}]
    }


def test_the_routers_certificate_bears_every_name_of_the_entrance(cluster: Any) -> None:
    request = next(each for each in cluster.recording.requests if each.name == "router-request")
    assert {
        *("router-clients", "router-clients.selfmonitor-staging"),
        *("router-clients.selfmonitor-staging.svc", "db.example.com"),
        "router-clients.selfmonitor-staging.svc.cluster.local",
    } <= set(request.inputs["dnsNames"])
    assert request.inputs["ipAddresses"] == ["127.0.0.1"]


def test_without_a_load_balancer_the_entrance_is_the_clusters_own(
    on_kubernetes: Callable[..., Any],
) -> None:
    found = on_kubernetes(
        settings={
            "kubernetes": {"load_balancer": "none"},
            "postgres": {"routers": {"read_write_port": 6432}},
        }
    )
    service = found.of("Service")["router-clients"]
    assert service["spec"]["type"] == "ClusterIP"
    assert "annotations" not in service["metadata"]
    assert service["spec"]["ports"][0]["port"] == 6432
    assert service["spec"]["ports"][0]["targetPort"] == 5432
    assert found.recording.outputs["postgres_endpoints"]["read_write"] == [
        {"host": "router-clients.selfmonitor-staging.svc.cluster.local", "port": 6432}
    ]


def test_a_load_balancer_for_the_internet_is_asked_for_by_name(
    on_kubernetes: Callable[..., Any],
) -> None:
    found = on_kubernetes(
        settings={
            "kubernetes": {
                "load_balancer": "internet-facing",
                "load_balancer_annotations": {"example.com/tier": "gold"},
            }
        }
    )
    annotations = found.of("Service")["router-clients"]["metadata"]["annotations"]
    assert annotations == {
        "service.beta.kubernetes.io/aws-load-balancer-scheme": "internet-facing",
        "example.com/tier": "gold",
    }


# Rights.


def test_members_are_replaced_by_a_job_for_each_update(
    cluster: Any, on_kubernetes: Callable[..., Any]
) -> None:
    def job(manifests: Any) -> Any:
        return manifests.one("Job", "postgres-update-")

    (container,) = job(cluster)["spec"]["template"]["spec"]["containers"]
    assert container["args"] == [
        *("/usr/local/bin/update-members", "postgres", "selfmonitor.io/role", "1236")
    ]
    # The program ends first, and says why; then whoever waits for the job gives up.
    assert cluster.request("Job", "postgres-update").create_timeout == "1296s"
    postgres = cluster.of("StatefulSet")["postgres"]["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == postgres["image"]
    same = on_kubernetes(settings={"backup": {"second_region_lag_seconds": 100}})
    other = on_kubernetes(settings={"postgres": {"memory_mib": 2048}})
    assert job(same)["metadata"]["name"] == job(cluster)["metadata"]["name"]
    assert job(other)["metadata"]["name"] != job(cluster)["metadata"]["name"]


def test_the_job_and_nobody_else_waits_for_the_members_it_replaces(cluster: Any) -> None:
    """The engine would wait for members that are broken, and the update that mends them with it."""
    waits_not = {
        name
        for name, each in cluster.of("StatefulSet").items()
        if each["metadata"].get("annotations", {}).get("pulumi.com/skipAwait") == "true"
    }
    assert waits_not == {"postgres"}


def test_whatever_needs_postgresql_comes_after_its_update(cluster: Any) -> None:
    update = cluster.request("Job", "postgres-update")
    replicas = cluster.request("StatefulSet", "postgres")
    assert replicas.urn in update.dependencies
    assert update.urn in cluster.request("Job", "provision").dependencies


def test_the_job_that_replaces_members_may_evict_these_and_no_more(cluster: Any) -> None:
    assert cluster.of("Role")["postgres-update"]["rules"] == [
        {
            "apiGroups": ["apps"],
            "resources": ["statefulsets"],
            "resourceNames": ["postgres"],
            "verbs": ["get"],
        },
        {
            "apiGroups": [""],
            "resources": ["pods"],
            "resourceNames": ["postgres-1", "postgres-2", "postgres-3"],
            "verbs": ["get"],
        },
        {
            "apiGroups": [""],
            "resources": ["pods/eviction"],
            "resourceNames": ["postgres-1", "postgres-2", "postgres-3"],
            "verbs": ["create"],
        },
    ]
    binding = cluster.of("RoleBinding")["postgres-update"]
    assert binding["roleRef"]["name"] == "postgres-update"
    assert [each["name"] for each in binding["subjects"]] == ["postgres-update"]


def test_patronis_account_may_change_its_own_objects(cluster: Any) -> None:
    assert set(cluster.of("Role")) == {"postgres", "postgres-update"}
    role = cluster.of("Role")["postgres"]
    scope = "selfmonitor-staging"
    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": [
                f"{scope}-{each}" for each in ("config", "leader", "failover", "sync")
            ],
            "verbs": ["get", "patch"],
        },
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "list", "watch"]},
        {
            "apiGroups": [""],
            "resources": ["pods"],
            "resourceNames": ["postgres-1", "postgres-2", "postgres-3"],
            "verbs": ["get", "patch"],
        },
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
    ]
    assert set(cluster.of("RoleBinding")) == {"postgres", "postgres-update"}
    binding = cluster.of("RoleBinding")["postgres"]
    assert binding["roleRef"]["name"] == role["metadata"]["name"] == "postgres"
    assert [each["name"] for each in binding["subjects"]] == ["postgres"]


def test_patroni_looks_for_the_labels_its_pods_bear(cluster: Any) -> None:
    patroni = yaml.safe_load(cluster.file("postgres", "patroni.yml"))
    told = patroni["kubernetes"]
    labels = cluster.of("StatefulSet")["postgres"]["spec"]["template"]["metadata"]["labels"]
    wanted = {**told["labels"], told["scope_label"]: patroni["scope"]}
    assert wanted.items() <= labels.items()
    assert told["namespace"] == "selfmonitor-staging"
    assert told["use_endpoints"] is False
    # Patroni hands a namespace that stands outside on, over the one of this section.
    assert "namespace" not in patroni
    assert "etcd3" not in patroni
    for where, template in cluster.pods().items():
        assert (wanted.items() <= template["metadata"]["labels"].items()) is (
            where == "StatefulSet/postgres"
        )


def test_whoever_changes_something_in_patroni_knows_its_password(cluster: Any) -> None:
    """Not by address: a request does not come from what a member's name stands for."""
    patroni = yaml.safe_load(cluster.file("postgres", "patroni.yml"))
    assert patroni["restapi"]["verify_client"] == "required"
    assert not {"allowlist", "allowlist_include_members"} & patroni["restapi"].keys()
    password = cluster.recording.values["postgres-password-restapi"]["result"]
    secrets = yaml.safe_load(cluster.file("postgres", "passwords.yml"))
    assert secrets["restapi"]["authentication"] == {"username": "restapi", "password": password}
    for workload in ("postgres", "provision"):
        assert cluster.file(workload, "restapi.password") == password
    for name, each in cluster.of("Secret").items():
        has = "restapi.password" in each["data"]
        assert has is (name in ("postgres-secrets", "provision-secrets"))


def test_there_is_no_etcd_and_no_certificate_for_it(cluster: Any) -> None:
    assert "etcd" not in cluster.of("StatefulSet")
    names = {each.name for each in cluster.recording.requests}
    assert not {"postgres-consensus-authority", "etcd-certificate", "patroni-certificate"} & names


# Disruptions, jobs.


def test_of_several_replicas_one_at_a_time_may_be_taken_away(cluster: Any) -> None:
    budgets = cluster.of("PodDisruptionBudget")
    assert set(budgets) == set(REPLICAS)
    for name, each in budgets.items():
        assert each["spec"]["maxUnavailable"] == 1
        assert each["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        selector = cluster.of("StatefulSet")[name]["spec"]["selector"]
        assert each["spec"]["selector"] == selector


def test_a_job_is_another_one_when_its_content_is(
    cluster: Any, on_kubernetes: Callable[..., Any]
) -> None:
    job = cluster.one("Job", "provision-1-")
    assert job["spec"]["backoffLimit"] == 3
    assert "ttlSecondsAfterFinished" not in job["spec"]
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"
    assert job["spec"]["template"]["spec"]["hostname"] == "provision-1"
    database = {"name": "orders", "owner": "shop"}
    other = on_kubernetes(settings={"postgres": {"databases": [database]}})
    assert other.one("Job", "provision-1-")["metadata"]["name"] != job["metadata"]["name"]
    # The databases' own parameters are not the job's.
    same = on_kubernetes(settings={"postgres": {"parameters": {"work_mem": "8MB"}}})
    assert same.one("Job", "provision-1-")["metadata"]["name"] == job["metadata"]["name"]


def test_every_schedule_is_a_cronjob_and_the_programs_own_scheduler_rests(
    cluster: Any,
) -> None:
    found = {
        name: (
            each["spec"]["schedule"],
            each["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"],
        )
        for name, each in cluster.of("CronJob").items()
    }
    program = ["/usr/local/bin/backup-service", "run"]
    assert found == {
        "backup-full": ("0 1 * * 0", [*program, "full"]),
        "backup-differential": ("0 1 * * 1-6", [*program, "differential"]),
        "backup-logical": ("0 2 * * *", [*program, "logical"]),
        "backup-redis": ("30 2 * * *", [*program, "redis"]),
        "restore-test-restore-test": ("0 4 * * *", [*program, "restore-test"]),
    }
    for workload in ("backup", "restore-test"):
        assert json.loads(cluster.file(workload, "backup.json"))["scheduler"] is False


def test_a_cronjob_is_never_twice_at_once_and_is_made_up_for(cluster: Any) -> None:
    for each in cluster.of("CronJob").values():
        spec = each["spec"]
        assert spec["timeZone"] == "Etc/UTC"
        assert spec["concurrencyPolicy"] == "Forbid"
        assert spec["startingDeadlineSeconds"] == 7 * 24 * 3600
        assert spec["jobTemplate"]["spec"]["activeDeadlineSeconds"] == 24 * 3600


@pytest.mark.parametrize(
    ("cron_job", "server"), [("backup-full", "backup"), ("restore-test-", "restore-test")]
)
def test_a_scheduled_job_has_the_servers_image_files_and_data_on_its_node(
    cluster: Any, cron_job: str, server: str
) -> None:
    found = cluster.one("CronJob", cron_job)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    beside = cluster.server(server)
    for key in ("image", "volumeMounts", "resources"):
        mine, its = found["containers"][0][key], beside["containers"][0][key]
        assert mine == its, key
    volumes = {each["name"]: each for each in found["volumes"]}
    assert volumes["data"]["persistentVolumeClaim"] == {"claimName": f"data-{server}-1"}
    assert volumes["files"] == next(v for v in beside["volumes"] if v["name"] == "files")
    (term,) = found["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    selector = cluster.of("StatefulSet")[server]["spec"]["selector"]
    assert term == {"labelSelector": selector, "topologyKey": "kubernetes.io/hostname"}
