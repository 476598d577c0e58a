"""A stack on Kubernetes."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

from cli import credentials, kubernetes_consensus, kubernetes_cut, kubernetes_faults
from cli.cluster import Cluster
from cli.containers import Container
from cli.errors import OperationFailed, UserError
from cli.kubernetes_api import KubernetesApi, Manifest, connect
from cli.kubernetes_pod import Pod
from cli.kubernetes_way_in import WaysIn
from cli.project import Project
from cli.redis import RedisAccess
from platforms import kubernetes_names as names
from platforms.workload import Peer, Segment
from settings.kubernetes import KubernetesSettings

# The workload whose members agree in the API server.
IN_CONSENSUS = "postgres"


class KubernetesCluster(Cluster):
    """See Cluster. api: of the stack's namespace."""

    # Of what has psql and redis-cli, the one that policies let go to the routers.
    beside_router: ClassVar[Mapping[Segment, str]] = {Segment.DATA: "side", Segment.CACHE: "side"}

    def __init__(self, project: Project, api: KubernetesApi) -> None:
        super().__init__(project)
        self._api = api
        settings = kubernetes_settings(project)
        self._settings = settings
        self._place = names.Place(self.stack, api.namespace, settings.cluster_domain)
        self._ways_in = WaysIn(api, self._place)
        self._kubectl = ("kubectl", *(("--context", settings.context) if settings.context else ()))
        self._kubectl += ("--namespace", api.namespace)
        # What this process has frozen: the API shows it as running.
        self._frozen: set[str] = set()

    # What there is.

    def version(self) -> str:
        """Of the cluster's API server. Raises OperationFailed."""
        return self._api.version()

    def storage_classes(self) -> list[Manifest]:
        """Of the cluster. Raises OperationFailed."""
        return self._api.storage_classes()

    def containers(self, workload: str | None = None) -> list[Container]:
        return list(self._pods(workload))

    def container(self, member: str) -> Pod:
        for pod in self._pods():
            if pod.member == member:
                return pod
        raise self._no_such(member)

    def _pods(self, workload: str | None = None) -> list[Pod]:
        """Every member there is to be; one whose pod is gone for the moment as well."""
        labels = self._place.labels(workload)
        with ThreadPoolExecutor(max_workers=2) as pool:
            sets = pool.submit(self._api.find_all, "statefulsets", labels)
            servers = {**labels, names.LABEL_KIND: names.KIND_SERVER}
            pods = {each["metadata"]["name"]: each for each in self._api.find_all("pods", servers)}
        found = [
            self._pod(f"{each['metadata']['name']}-{number}", each["metadata"]["name"], pods)
            for each in sets.result()
            for number in range(1, each["spec"]["replicas"] + 1)
        ]
        return sorted(found, key=lambda each: each.member)

    def _pod(self, member: str, workload: str, pods: Mapping[str, Manifest]) -> Pod:
        return Pod(
            self._api,
            member,
            workload,
            pods.get(member),
            kubectl=self._kubectl,
            frozen=member in self._frozen,
        )

    def _look(self, member: str) -> Pod:
        """The member's pod as it is now, of one that there is to be."""
        manifest = self._api.find("pods", member)
        return self._pod(member, member.rpartition("-")[0], {member: manifest} if manifest else {})

    # How to reach it.

    def endpoints(self) -> dict[str, list[str]]:
        settings = self.project.settings
        routers = settings.postgres.routers
        host = self._entrance("router")
        return {
            "read_write": [f"{host}:{routers.read_write_port}"],
            "read_only": [f"{host}:{routers.read_only_port}"],
            "redis": [f"{host}:{settings.redis.port}"],
        }

    def _entrance(self, workload: str) -> str:
        """The name by which clients come to a workload, which its certificate bears."""
        own = self._place.entrance(Peer(workload, 1, 1, ()))
        return (*self._settings.client_names, own)[0]

    def way_in(self, endpoint: Mapping[str, Any], workload: str = "router") -> dict[str, str]:
        address, port = self._ways_in.find(workload, int(endpoint["port"]))
        return {"host": str(endpoint["host"]), "hostaddr": address, "port": str(port)}

    def way_beside(self) -> dict[str, str]:
        port = self.project.settings.backup.side_port
        return self.way_in({"host": self._entrance("side"), "port": port}, "side")

    def router_inside(self, published_port: str, segment: Segment) -> dict[str, str]:
        target = self._ways_in.target("router", int(published_port))
        for pod in self._pods("router"):
            service = self._api.find("services", pod.member) if pod.state == "running" else None
            if service is not None:
                address = str(service["spec"]["clusterIP"])
                return {"host": pod.member, "hostaddr": address, "port": str(target)}
        raise OperationFailed("no router runs: ./selfmonitor status")

    def address(self, member: str, segment: Segment) -> str:
        """The member's name; policies and no segments say who reaches it."""
        pod = self.container(member)
        if segment is Segment.CACHE and pod.workload not in ("redis", "sentinel"):
            raise UserError(f"{member} is not in the segment {segment.value}")
        return pod.address

    def redis_access(self) -> RedisAccess:
        """Through the routers alone: Sentinels and members are reached from the namespace only."""
        given = self.redis_given()
        address, port = self._ways_in.find("router", given.ports[0])
        return RedisAccess(**{**vars(given), "address": address, "ports": (port,), "sentinels": ()})

    def _read_outputs(self) -> dict[str, Any]:
        from cli.apply import outputs_on_kubernetes

        found = outputs_on_kubernetes(self.project)
        if found:
            # Whoever applied the stack, and wherever: clients here verify by these.
            credentials.write(self.project, found)
        return found

    # Faults.

    def kill(self, member: str) -> None:
        """See Cluster.kill."""
        self.container(member)
        kubernetes_faults.kill(self._api, lambda: self._look(member))
        self._frozen.discard(member)

    def start(self, member: str) -> None:
        """See Cluster.start: the StatefulSet makes the pod anew once it may."""
        self.container(member)
        kubernetes_faults.release(self._api, lambda: self._look(member))

    def restart(self, member: str) -> None:
        """See Cluster.restart."""
        self.container(member)
        kubernetes_faults.restart(self._api, lambda: self._look(member))

    def pause(self, member: str) -> None:
        """See Cluster.pause. Liveness probes end a freeze that lasts too long."""
        pod = self.container(member)
        # Before: one that fails half way is thawed all the same.
        self._frozen.add(member)
        kubernetes_faults.freeze(pod)

    def unpause(self, member: str) -> None:
        """See Cluster.unpause."""
        self.container(member)
        self._frozen.discard(member)
        kubernetes_faults.thaw(lambda: self._look(member))

    def disconnect(self, member: str) -> None:
        """See Cluster.disconnect."""
        pod = self.container(member)
        others = [each for each in self._pods(pod.workload) if each.member != member]
        kubernetes_cut.leave(self._api, pod, others)

    def reconnect(self, member: str) -> None:
        """See Cluster.reconnect."""
        self.container(member)
        kubernetes_cut.rejoin(self._api, member)

    def cut_consensus(self) -> None:
        """See Cluster.cut_consensus."""
        servers = kubernetes_consensus.api_servers(self._api)
        kubernetes_consensus.cut(self._api, names.egress_name(IN_CONSENSUS), servers)
        pods = [pod for pod in self._pods(IN_CONSENSUS) if pod.state == "running"]
        for pod in pods:
            for address, port in servers:
                kubernetes_cut.until_unreachable(pod, str(address), port)
        addresses = dict.fromkeys(str(address) for address, _ in servers)
        for pod in pods:
            # Those to the API server alone: whatever else the members are connected to goes on.
            kubernetes_cut.cut_connections(self._api.namespace, pod.member, *addresses)

    def mend_consensus(self) -> None:
        """See Cluster.mend_consensus."""
        kubernetes_consensus.mend(self._api, names.egress_name(IN_CONSENSUS))


def kubernetes_settings(project: Project) -> KubernetesSettings:
    """Raises SettingsError."""
    return project.settings.kubernetes or KubernetesSettings()


def open_on_kubernetes(project: Project) -> KubernetesCluster:
    """The stack, in the cluster its stack file names. Raises UserError."""
    settings = kubernetes_settings(project)
    client = connect(settings.context)
    return KubernetesCluster(project, KubernetesApi(client, settings.namespace_of(project.stack)))
