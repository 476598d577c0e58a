"""Runs workloads on Kubernetes."""

from pathlib import Path
from typing import Any, Literal

import pulumi
import pulumi_kubernetes as k8s

from platforms import kubernetes_names as names
from platforms.image_reference import ImageReferences
from platforms.kubernetes_account import account
from platforms.kubernetes_files import deliver
from platforms.kubernetes_jobs import cron_job, job
from platforms.kubernetes_network import NetworkPolicies, Surroundings
from platforms.kubernetes_pod import PodOptions, job_pod, scheduled_pod, server_pod
from platforms.kubernetes_servers import claims, disruption_budget, stateful_set
from platforms.kubernetes_services import Services
from platforms.kubernetes_update import update_job
from platforms.workload import (
    ConsensusStore,
    EntranceNames,
    Outside,
    Peer,
    Segment,
    Workload,
)
from settings.errors import SettingsError
from settings.kubernetes import KubernetesSettings

# What Pod Security admits in the stack's namespace.
POD_SECURITY = "restricted"
# Above what nobody has ranked (0), below the cluster's own (2,000,000,000): a pod without a place
# takes that of one that can wait.
PRIORITY = 1_000_000
LONGEST_LABEL = 63


class KubernetesPlatform:
    """Renders workloads as pulumi_kubernetes resources, in one namespace.

    Segments are no networks here: who may connect to whom follows from talks_to and asks, and
    nobody else may.
    """

    consensus: Literal["platform"] = "platform"
    runs_schedules = True
    addresses_are_names = True

    def __init__(self, stack: str, root: Path, settings: KubernetesSettings) -> None:
        """Raises SettingsError for names that Kubernetes refuses and for images nobody pushed."""
        namespace = settings.namespace_of(stack)
        for name in (stack, namespace):
            if not _is_label(name):
                raise SettingsError(
                    f"{name!r} cannot be a name on Kubernetes: at most {LONGEST_LABEL} lower-case "
                    "letters, digits and dashes, a letter or digit at both ends; rename the stack"
                )
        self._place = names.Place(stack, namespace, settings.cluster_domain)
        self._settings = settings
        self._images = ImageReferences(root, settings.registry)
        self._pods = PodOptions(
            place=self._place,
            spread=settings.spread,
            cpu_request_share=settings.cpu_request_share,
            pull_secrets=settings.image_pull_secrets,
            priority_class=namespace,
        )
        self._services = Services(
            self._place,
            settings.load_balancer,
            settings.load_balancer_annotations,
            tuple(str(each.network) for each in settings.clients if each.network),
        )
        self._policies = NetworkPolicies(
            self._place,
            Surroundings(
                clients=settings.clients,
                api_server=Outside(
                    "the API server", settings.api_server_ports, settings.api_server_networks
                ),
                dns_networks=settings.dns_networks,
            ),
        )
        self._provider: pulumi.ProviderResource | None = None
        self._ground: tuple[pulumi.Resource, ...] = ()

    def run(
        self,
        workload: Workload,
        parent: pulumi.Resource,
        after: tuple[pulumi.Resource, ...] = (),
    ) -> tuple[pulumi.Resource, ...]:
        """See Platform.run."""
        ground = self._prepared()
        child = pulumi.ResourceOptions(
            parent=parent, provider=self._provider, depends_on=list(ground)
        )
        files = deliver(workload, self._place, child)
        around = [
            *account(workload, self._place, child),
            *self._policies.for_workload(workload, child),
            *files.resources,
        ]
        peers = () if workload.runs_once else (workload,)
        for peer in (*peers, *workload.talks_to, *workload.asks):
            around += self._services.for_members(peer, child)
        image = self._images.of(workload.image)
        opts = _after(child, [*around, *after])
        if workload.runs_once:
            pod = job_pod(workload, image, files, self._pods)
            return (job(workload, pod, self._place, opts),)
        storage_class = self._settings.storage_class
        around += [
            self._services.for_pods(workload, child),
            *claims(workload, self._place, storage_class, child),
            *disruption_budget(workload, self._place, child),
        ]
        opts = _after(child, [*around, *after])
        pod = server_pod(workload, image, files, self._pods)
        servers = stateful_set(workload, pod, self._place, storage_class, opts)
        if workload.replace_members:
            (servers,) = self.run(update_job(workload, pod), parent, after=(servers,))
        serving = _after(child, [servers])
        self._services.for_clients(workload, serving)
        for scheduled in workload.schedules:
            pod = scheduled_pod(workload, scheduled, image, files, self._pods)
            cron_job(workload, scheduled, pod, self._place, serving)
        return (servers,)

    def address(self, peer: Peer, index: int, segment: Segment) -> str:
        """See Platform.address: the member's own name, whose Service keeps its address."""
        return peer.members[index]

    def consensus_store(self, peer: Peer) -> ConsensusStore:
        """See Platform.consensus_store."""
        return ConsensusStore(
            namespace=self._place.namespace,
            labels=self._place.selector(peer.name),
            scope_label=names.LABEL_SCOPE,
            role_label=names.LABEL_ROLE,
        )

    def entrances(self, peer: Peer, published: tuple[int, ...]) -> tuple[tuple[str, int], ...]:
        """See Platform.entrances: one for all replicas, on the first one's port."""
        host = (*self._settings.client_names, self._place.entrance(peer))[0]
        return ((host, published[0]),)

    def entrance_names(self, peer: Peer) -> EntranceNames:
        """See Platform.entrance_names."""
        if not any(port.published for port in peer.ports):
            return EntranceNames((), ())
        whole = self._place.entrance(peer)
        short = names.entrance_name(peer)
        within = (short, f"{short}.{self._place.namespace}", f"{short}.{self._place.namespace}.svc")
        return EntranceNames((*within, whole, *self._settings.client_names), ())

    def _prepared(self) -> tuple[pulumi.Resource, ...]:
        """What everything else stands on, registered once."""
        if self._ground:
            return self._ground
        self._provider = k8s.Provider(
            "cluster",
            context=self._settings.context,
            # The provider would delete a Secret and make it anew for a renewed certificate; one
            # that is broken off in between leaves pods that cannot start.
            enable_secret_mutable=True,
        )
        here = pulumi.ResourceOptions(provider=self._provider)
        namespace: pulumi.Resource = k8s.core.v1.Namespace(
            self._place.namespace,
            metadata={
                "name": self._place.namespace,
                "labels": {
                    **self._place.labels(),
                    **{
                        f"pod-security.kubernetes.io/{mode}": POD_SECURITY
                        for mode in ("enforce", "audit", "warn")
                    },
                },
            },
            # With a namespace everything in it is deleted, the volumes too.
            opts=pulumi.ResourceOptions.merge(here, pulumi.ResourceOptions(retain_on_delete=True)),
        )
        priority: dict[str, Any] = {
            "metadata": {"name": self._pods.priority_class, "labels": self._place.labels()},
            "value": PRIORITY,
            "global_default": False,
            "description": "Databases, their backups and the way to them.",
        }
        priority_class: pulumi.Resource = k8s.scheduling.v1.PriorityClass(
            self._pods.priority_class, **priority, opts=here
        )
        within = _after(here, [namespace])
        # No pod ever runs unconfined: the policies come first.
        self._ground = (namespace, priority_class, *self._policies.for_all(within))
        return self._ground


def _is_label(name: str) -> bool:
    """RFC 1123, as Kubernetes wants it for a namespace and, more loosely, for a label's value."""
    letters = name.replace("-", "")
    return (
        0 < len(name) <= LONGEST_LABEL
        and letters.isascii()
        and letters.isalnum()
        and name == name.lower().strip("-")
    )


def _after(
    opts: pulumi.ResourceOptions, resources: list[pulumi.Resource]
) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=resources))
