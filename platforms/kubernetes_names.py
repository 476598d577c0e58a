"""Names and labels of a stack's objects on Kubernetes.

The program writes them and the operator's commands find things by them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from platforms.workload import Peer

# What Kubernetes recommends, and most tools show.
LABEL_PART_OF = "app.kubernetes.io/part-of"
LABEL_STACK = "app.kubernetes.io/instance"
LABEL_WORKLOAD = "app.kubernetes.io/name"
# Ours: a server, or a job that has the server's image, files and rights to the network.
LABEL_KIND = "selfmonitor.io/kind"
LABEL_SCOPE = "selfmonitor.io/scope"
LABEL_ROLE = "selfmonitor.io/role"
# A pod without it is cut off: every policy that allows something is about pods that have it.
# Whoever takes it away fences a pod, or pulls its cable to see what happens.
LABEL_NETWORK = "selfmonitor.io/network"
NETWORK_JOINED = "joined"
# The StatefulSet controller's own, on each of its pods.
LABEL_POD = "statefulset.kubernetes.io/pod-name"

KIND_SERVER = "server"
KIND_JOB = "job"

PART_OF = "selfmonitor"
DATA_VOLUME = "data"

# For what must exist before anything it could wait for (documented by the Pulumi provider).
SKIP_AWAIT: Mapping[str, str] = {"pulumi.com/skipAwait": "true"}


@dataclass(frozen=True)
class Place:
    """Where a stack is: its name, its namespace, the cluster's DNS domain."""

    stack: str
    namespace: str
    domain: str

    def labels(self, workload: str | None = None) -> dict[str, str]:
        """What every object bears, or those of one workload."""
        found = {LABEL_PART_OF: PART_OF, LABEL_STACK: self.stack}
        if workload is not None:
            found[LABEL_WORKLOAD] = workload
        return found

    def selector(self, workload: str) -> dict[str, str]:
        """Every pod of a workload, those of its jobs too."""
        return {LABEL_STACK: self.stack, LABEL_WORKLOAD: workload}

    def network_selector(self, workload: str) -> dict[str, str]:
        """The pods of a workload that may use the network."""
        return {**self.selector(workload), LABEL_NETWORK: NETWORK_JOINED}

    def server_selector(self, workload: str) -> dict[str, str]:
        """The pods of a workload that serve."""
        return {**self.selector(workload), LABEL_KIND: KIND_SERVER}

    def metadata(
        self,
        name: str,
        workload: str | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> dict[str, object]:
        """Metadata of an object in the stack's namespace."""
        found: dict[str, object] = {
            "name": name,
            "namespace": self.namespace,
            "labels": self.labels(workload),
        }
        if annotations:
            found["annotations"] = dict(annotations)
        return found

    def entrance(self, peer: Peer) -> str:
        """The Service by which clients come to a workload, as every pod of the cluster names it."""
        return self.within(entrance_name(peer))

    def within(self, name: str) -> str:
        """The whole name of what the namespace calls `name`."""
        return f"{name}.{self.namespace}.svc.{self.domain}"


def entrance_name(peer: Peer) -> str:
    """The Service by which clients come to a workload."""
    return f"{peer.name}-clients"


def egress_name(workload: str) -> str:
    """The policy that says where a workload's pods may go."""
    return f"{workload}-out"


def claim_name(member: str) -> str:
    """The claim of a member's volume, as the StatefulSet controller looks for it."""
    return f"{DATA_VOLUME}-{member}"
