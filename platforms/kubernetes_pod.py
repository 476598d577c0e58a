"""What a workload's pod is, on Kubernetes: one container, confined."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from platforms import kubernetes_names as names
from platforms.kubernetes_files import FileObjects
from platforms.workload import FILES_DIRECTORY, LOOPBACK, USER_ID, Readiness, Scheduled, Workload

Manifest = dict[str, Any]

FILES_VOLUME = "files"
# Only the owner reads; the kubelet adds the same for the pod's group, and nothing for others.
FILES_MODE = 0o400
MEMBER = "SELFMONITOR_MEMBER"
# While a program starts, it is looked at this often; then liveness begins to count.
STARTUP_SECONDS = 2
# Of what is kept free for others, for those who give way: requests are also the weights by which
# a node shares out its processors.
BACKGROUND_SHARE = 0.25
# Of a token; the kubelet writes another before four fifths of it are over.
TOKEN_SECONDS = 3600


@dataclass(frozen=True)
class PodOptions:
    """What is the same for all pods of a stack.

    cpu_request_share: of the limit, 0–1. spread: see settings.
    """

    place: names.Place
    spread: str
    cpu_request_share: float
    pull_secrets: tuple[str, ...]
    priority_class: str


def server_pod(workload: Workload, image: str, files: FileObjects, options: PodOptions) -> Manifest:
    """The pod template of a StatefulSet. A volume "data" comes from its claim templates."""
    container = _container(workload, image, files)
    container["env"] = _environment(workload, None)
    if workload.readiness is not None:
        container["readinessProbe"] = _probe(workload.readiness)
    if workload.liveness is not None:
        container["livenessProbe"] = _probe(workload.liveness)
        container["startupProbe"] = {
            **_probe(workload.liveness),
            "periodSeconds": STARTUP_SECONDS,
            "failureThreshold": workload.liveness.within_seconds // STARTUP_SECONDS,
        }
    if workload.before_stop:
        container["lifecycle"] = {"preStop": {"exec": {"command": list(workload.before_stop)}}}
    spec = _pod(workload, container, files, options)
    spec["priorityClassName"] = options.priority_class
    if workload.replicas > 1:
        spec["topologySpreadConstraints"] = _spread(workload, options)
    return _template(workload, names.KIND_SERVER, spec, options)


def job_pod(workload: Workload, image: str, files: FileObjects, options: PodOptions) -> Manifest:
    """The pod template of a job that runs once."""
    container = _container(workload, image, files)
    container["env"] = _environment(workload, workload.members[0])
    spec = {
        **_pod(workload, container, files, options),
        "hostname": workload.members[0],
        "restartPolicy": "Never",
    }
    return _template(workload, names.KIND_JOB, spec, options)


def scheduled_pod(
    workload: Workload,
    scheduled: Scheduled,
    image: str,
    files: FileObjects,
    options: PodOptions,
) -> Manifest:
    """The pod template of what runs at times, beside the first replica and with its data."""
    member = workload.members[0]
    container = _container(workload, image, files)
    container["env"] = _environment(workload, member)
    container["args"] = _literal(scheduled.command)
    spec = _pod(workload, container, files, options)
    if workload.data is not None:
        spec["volumes"].append(
            {
                "name": names.DATA_VOLUME,
                "persistentVolumeClaim": {"claimName": names.claim_name(member)},
            }
        )
        # The volume is one node's at a time, and a lock in a file is one kernel's.
        spec["affinity"] = {
            "podAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "labelSelector": {
                            "matchLabels": options.place.server_selector(workload.name)
                        },
                        "topologyKey": "kubernetes.io/hostname",
                    }
                ]
            }
        }
    spec["restartPolicy"] = "Never"
    return _template(workload, names.KIND_JOB, spec, options)


def _template(workload: Workload, kind: str, spec: Manifest, options: PodOptions) -> Manifest:
    labels = {
        **options.place.labels(workload.name),
        names.LABEL_KIND: kind,
        names.LABEL_NETWORK: names.NETWORK_JOINED,
    }
    if workload.consensus is not None:
        labels[names.LABEL_SCOPE] = workload.consensus.scope
    return {"metadata": {"labels": labels}, "spec": spec}


def _pod(
    workload: Workload, container: Manifest, files: FileObjects, options: PodOptions
) -> Manifest:
    container["resources"] = _resources(workload, options.cpu_request_share)
    spec: Manifest = {
        "serviceAccountName": workload.name,
        # A token is a way to the API server: nobody has one without a use for it.
        "automountServiceAccountToken": workload.asks_platform,
        # Otherwise every Service of the namespace is a set of variables, some of which programs
        # would take for their settings (VAULT_…, REDIS_…).
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            # A volume of a terabyte is not walked at every start; and PostgreSQL refuses a
            # directory that its group may write to.
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": workload.stop_grace_seconds
        + (workload.before_stop_seconds if workload.before_stop else 0),
        "containers": [container],
        "volumes": [
            *_file_volumes(files),
            *_token_volumes(workload),
            *_scratch_volumes(workload),
        ],
    }
    if workload.loopback_names:
        # With the domain too: a resolver that begins with the search list (c-ares, in PgBouncer)
        # asks for that name first, and would find the Service of another workload.
        names_here = [
            each for name in workload.loopback_names for each in (name, options.place.within(name))
        ]
        spec["hostAliases"] = [{"ip": LOOPBACK, "hostnames": names_here}]
    if options.pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in options.pull_secrets]
    return spec


def _container(workload: Workload, image: str, files: FileObjects) -> Manifest:
    mounts: list[Manifest] = [
        {"name": _scratch_name(path), "mountPath": path} for path in sorted(workload.scratch)
    ]
    if files:
        mounts.append({"name": FILES_VOLUME, "mountPath": FILES_DIRECTORY, "readOnly": True})
    mounts += [
        {"name": _token_name(path), "mountPath": str(PurePosixPath(path).parent), "readOnly": True}
        for path in sorted(workload.tokens)
    ]
    if workload.data is not None:
        mounts.append({"name": names.DATA_VOLUME, "mountPath": workload.data.path})
    container: Manifest = {
        "name": workload.name,
        "image": image,
        # A tag is a hash of the content, and a digest is one by itself: neither ever changes.
        "imagePullPolicy": "IfNotPresent",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": mounts,
    }
    if workload.command:
        container["args"] = _literal(workload.command)
    if workload.ports:
        container["ports"] = [
            {"name": port.name, "containerPort": port.number, "protocol": "TCP"}
            for port in workload.ports
        ]
    return container


def _literal(command: tuple[str, ...]) -> list[str]:
    """Kubernetes replaces $(NAME) in arguments and variables; the vocabulary has no such thing."""
    return [word.replace("$(", "$$(") for word in command]


def _environment(workload: Workload, member: str | None) -> list[Manifest]:
    """member: the replica's identity where it is known; None: the pod's own name."""
    found: list[Manifest] = []
    if member is None and workload.environment:
        source = {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}
        # First: a variable may name only those before it.
        found.append({"name": MEMBER, "valueFrom": source})
    for name, value in sorted(workload.environment.items()):
        text = value.replace("$(", "$$(").format(member=member or f"$({MEMBER})")
        found.append({"name": name, "value": text})
    return found


def _probe(readiness: Readiness) -> Manifest:
    return {
        "exec": {"command": list(readiness.probe)},
        "periodSeconds": readiness.interval_seconds,
        "timeoutSeconds": readiness.probe_timeout_seconds,
        "failureThreshold": readiness.failures,
    }


def _resources(workload: Workload, cpu_request_share: float) -> Manifest:
    memory = f"{workload.memory_mib}Mi"
    limit = round(workload.cpus * 1000)
    share = cpu_request_share * (BACKGROUND_SHARE if workload.background else 1)
    request = max(1, round(limit * share))
    return {
        "limits": {"cpu": f"{limit}m", "memory": memory},
        # All of its memory: what is killed for a neighbour's sake costs a failover.
        "requests": {"cpu": f"{request}m", "memory": memory},
    }


def _file_volumes(files: FileObjects) -> list[Manifest]:
    sources: list[Manifest] = []
    if files.config_map:
        sources.append({"configMap": {"name": files.config_map}})
    if files.secret:
        sources.append({"secret": {"name": files.secret}})
    if not sources:
        return []
    return [{"name": FILES_VOLUME, "projected": {"defaultMode": FILES_MODE, "sources": sources}}]


def _token_name(path: str) -> str:
    return "token-" + PurePosixPath(path).parent.name.lower()


def _token_volumes(workload: Workload) -> list[Manifest]:
    """One volume a token: none is a way to the API server, whose audience is another."""
    return [
        {
            "name": _token_name(path),
            "projected": {
                "defaultMode": FILES_MODE,
                "sources": [
                    {
                        "serviceAccountToken": {
                            "path": PurePosixPath(path).name,
                            "audience": audience,
                            "expirationSeconds": TOKEN_SECONDS,
                        }
                    }
                ],
            },
        }
        for path, audience in sorted(workload.tokens.items())
    ]


def _scratch_name(path: str) -> str:
    return "scratch" + path.replace("/", "-")


def _scratch_volumes(workload: Workload) -> list[Manifest]:
    return [
        {
            "name": _scratch_name(path),
            "emptyDir": {"medium": "Memory", "sizeLimit": f"{size}Mi"},
        }
        for path, size in sorted(workload.scratch.items())
    ]


def _spread(workload: Workload, options: PodOptions) -> list[Manifest]:
    """Evenly over zones, and each replica on a node of its own.

    minDomains is what makes the second one strict: with one node alone, three replicas on it
    would be spread evenly.
    """
    selector = {"matchLabels": options.place.server_selector(workload.name)}
    required = options.spread == "required"
    common = {
        "maxSkew": 1,
        "whenUnsatisfiable": "DoNotSchedule" if required else "ScheduleAnyway",
        "labelSelector": selector,
    }
    nodes: Manifest = {**common, "topologyKey": "kubernetes.io/hostname"}
    if required:
        nodes["minDomains"] = workload.replicas
    return [{**common, "topologyKey": "topology.kubernetes.io/zone"}, nodes]
