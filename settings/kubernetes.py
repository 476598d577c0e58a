"""A stack on Kubernetes: where in the cluster it is, on what, and who may come to it."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from settings.base import Settings
from settings.values import ANYWHERE, Network

# RFC 1123, as Kubernetes wants names of namespaces, classes and Services.
Label = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Name = Annotated[
    str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$")
]
# A repository's host, port and path, without a tag.
REGISTRY = r"^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*$"
Registry = Annotated[str, Field(pattern=REGISTRY)]


class ClientSettings(Settings):
    """Who may connect to what the stack publishes: pods of some namespaces, or a network."""

    namespace_labels: dict[str, str] | None = Field(
        default=None,
        min_length=1,
        description="Labels of the namespaces whose pods may connect, e.g. "
        "kubernetes.io/metadata.name: shop.",
    )
    network: Network | None = Field(
        default=None, description="Network from which connections may come."
    )

    @model_validator(mode="after")
    def it_is_one_of_the_two(self) -> "ClientSettings":
        if (self.namespace_labels is None) == (self.network is None):
            raise ValueError("give namespace_labels or network, and not both")
        return self


class KubernetesSettings(Settings):
    """What only a stack on Kubernetes needs to know."""

    context: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="Context of the kubeconfig, so that no stack comes to another's cluster; the "
        "current one when not given.",
    )
    namespace: Label | None = Field(
        default=None,
        description="Namespace of the stack, which is made for it; selfmonitor-STACK when not "
        "given.",
    )
    storage_class: Name | None = Field(
        default=None,
        description="StorageClass of every volume; the cluster's default one if not "
        "given. It should bind when the first pod is placed (WaitForFirstConsumer).",
    )
    spread: Literal["required", "preferred"] = Field(
        default="required",
        description="Replicas on different nodes, and evenly over zones: a pod for which there is "
        "no such place waits (required), or is placed all the same (preferred).",
    )
    cpu_request_share: float = Field(
        default=0.25,
        gt=0,
        le=1,
        strict=False,
        description="Share of its CPU limit that is kept free for each pod. Memory is kept free "
        "to the limit, always.",
    )
    load_balancer: Literal["internal", "internet-facing", "none"] = Field(
        default="internal",
        description="How clients outside the cluster reach the routers; with none, only pods do.",
    )
    load_balancer_annotations: dict[str, str] = Field(
        default={}, description="What the cluster's load balancers must be told besides."
    )
    clients: tuple[ClientSettings, ...] = Field(
        default=(), strict=False, description="Who may connect to the routers; nobody if empty."
    )
    client_names: tuple[Name, ...] = Field(
        default=(),
        strict=False,
        description="Further names of the routers, e.g. of the load balancer: they stand in the "
        "certificates.",
    )
    api_server_networks: tuple[Network, ...] = Field(
        default=(ANYWHERE,),
        min_length=1,
        strict=False,
        description="Where the API server is, as pods reach it behind its Service; PostgreSQL's "
        "members agree on their leader there, and the default lets them go anywhere on its ports.",
    )
    api_server_ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = Field(
        default=(443, 6443),
        min_length=1,
        strict=False,
        description="Ports of the API server, before and behind its Service.",
    )
    dns_networks: tuple[Network, ...] = Field(
        default=(),
        strict=False,
        description="Where names are resolved besides the pods k8s-app=kube-dns in kube-system, "
        "e.g. 169.254.20.10/32 with NodeLocal DNSCache.",
    )
    cluster_domain: Name = Field(default="cluster.local", description="The cluster's DNS domain.")
    registry: Registry | None = Field(
        default=None,
        description="Where the stack's images are, e.g. registry.example.com/selfmonitor; by "
        "digest, from images.lock.json. Without one, images must be on every node already.",
    )
    image_pull_secrets: tuple[Name, ...] = Field(
        default=(), strict=False, description="Secrets of the namespace by which images are pulled."
    )

    @field_validator("namespace")
    @classmethod
    def namespace_is_not_the_clusters(cls, namespace: str | None) -> str | None:
        if namespace == "default" or (namespace or "").startswith("kube-"):
            raise ValueError(
                f"{namespace} is the cluster's own: what is in the stack's namespace is confined, "
                "other workloads too; choose another"
            )
        return namespace

    @model_validator(mode="after")
    def nothing_is_given_that_nobody_reads(self) -> "KubernetesSettings":
        if self.load_balancer == "none" and self.load_balancer_annotations:
            raise ValueError("load_balancer_annotations is given, but load_balancer is none")
        if self.registry is None and self.image_pull_secrets:
            raise ValueError(
                "image_pull_secrets is given, but no registry, so that nothing is pulled"
            )
        return self

    def namespace_of(self, stack: str) -> str:
        """The namespace of a stack with these settings."""
        return self.namespace or f"selfmonitor-{stack}"
