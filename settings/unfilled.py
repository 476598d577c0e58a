"""What a team has to fill in: values that are nobody's own, where everybody's are others."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network

from settings.base import Settings
from settings.errors import dotted
from settings.stack import StackSettings

# How a value says that it is to be filled in. A text holds this word. What cannot hold one is what
# nobody has: no AWS account is all zeros, and RFC 5737 keeps the network for documentation.
MARK = re.compile(r"fill-in|(?<![0-9a-z])0{12}(?![0-9a-z])", re.IGNORECASE)
NETWORK = IPv4Network("192.0.2.0/24")

# {key: how to find its value}, in the order in which they are asked for. No other key is looked
# at: a database may be called as it likes.
HOW: Mapping[str, str] = {
    "kubernetes.context": (
        "aws eks update-kubeconfig --name CLUSTER --alias NAME makes one, "
        "kubectl config get-contexts lists those there are"
    ),
    "kubernetes.storage_class": (
        "kubectl get storageclass: one whose volumes are encrypted and may grow, and that binds "
        "when the first pod is placed"
    ),
    "kubernetes.clients.namespace_labels": (
        "kubectl get namespaces --show-labels: those of the applications"
    ),
    "kubernetes.clients.network": (
        "aws ec2 describe-subnets --query 'Subnets[].CidrBlock': where applications outside the "
        "cluster are, and where the load balancer's own checks come from"
    ),
    "kubernetes.client_names": (
        "choose a name in a DNS zone of yours; after the first up it leads to the load balancer "
        "that kubectl get services shows"
    ),
    "kubernetes.api_server_networks": (
        "kubectl get endpointslices kubernetes --namespace default; on EKS the subnets of the "
        "cluster, since these addresses change: aws eks describe-cluster --name CLUSTER --query "
        "cluster.resourcesVpcConfig.subnetIds"
    ),
    "kubernetes.registry": (
        "a registry that the nodes may pull from, and a path of your own in it; on ECR: "
        "aws ecr describe-repositories --query 'repositories[].repositoryUri', without the last "
        "part"
    ),
    "backup.vault.account_id": "aws sts get-caller-identity --query Account",
    "backup.vault.bucket": (
        "choose one: nobody else in all of AWS may have it, at most 53 characters, and it stays"
    ),
    "backup.vault.web_identity.provider_arn": (
        "aws iam list-open-id-connect-providers in that account: the one that ends as "
        "aws eks describe-cluster --name CLUSTER --query cluster.identity.oidc.issuer does; "
        "aws iam create-open-id-connect-provider --url ISSUER --client-id-list sts.amazonaws.com "
        "makes it"
    ),
    "backup.vault.administrators": (
        "aws iam list-roles --query 'Roles[].Arn': one that nobody takes on alone and no program "
        "does; or leave administrators out, and nobody may"
    ),
    "backup.vault.tags": "as your organisation tells what costs whom",
    "edge.load_balancer_arn": (
        "aws elbv2 describe-load-balancers --query 'LoadBalancers[].[Type,LoadBalancerArn]'"
    ),
}


@dataclass(frozen=True)
class Unfilled:
    """A value to fill in. key: as in errors, e.g. kubernetes.clients[1].network. meaning: what the
    key is for. how: to find the value.
    """

    key: str
    value: str
    meaning: str
    how: str


def is_unfilled(value: object) -> bool:
    """Whether a value says of itself that it is to be filled in."""
    if isinstance(value, IPv4Network):
        return value.subnet_of(NETWORK)
    return MARK.search(str(value)) is not None


def unfilled(settings: StackSettings) -> tuple[Unfilled, ...]:
    """What is still to be filled in, in the order of HOW."""
    found = list(_within(settings, (), ""))
    return tuple(each for how in HOW.values() for each in found if each.how == how)


def _within(value: object, location: tuple[str | int, ...], meaning: str) -> Iterator[Unfilled]:
    """location: of the value, as in the file; positions in lists and keys of mappings too."""
    if isinstance(value, Settings):
        for name, field in type(value).model_fields.items():
            yield from _within(getattr(value, name), (*location, name), field.description or "")
    elif isinstance(value, tuple):
        for index, each in enumerate(value):
            yield from _within(each, (*location, index), meaning)
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from _within(each, (*location, _Name(name)), meaning)
    else:
        how = HOW.get(_key(location))
        if how is not None and is_unfilled(value):
            yield Unfilled(dotted(location), str(value), meaning, how)


class _Name(str):
    """A key of a mapping, which everybody chooses, beside those of models."""


def _key(location: tuple[str | int, ...]) -> str:
    return ".".join(
        part for part in location if isinstance(part, str) and not isinstance(part, _Name)
    )
