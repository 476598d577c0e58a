"""Policies of IAM and of resources: their statements, judged one by one."""

from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from policies.contract import Finding, Findings, ResourceControl, Settings, Unseen, WhenUnknown
from policies.reading.aws_values import decoded, every, texts
from policies.resources import Resource
from policies.values import Unknown, UnknownUsedError, joined_path

# {type: where its policies are}: those that say what an identity may do.
RIGHTS: Mapping[str, str] = {
    "aws:iam/policy:Policy": "policy",
    "aws:iam/rolePolicy:RolePolicy": "policy",
    "aws:iam/userPolicy:UserPolicy": "policy",
    "aws:iam/groupPolicy:GroupPolicy": "policy",
    "aws:iam/role:Role": "inlinePolicies[].policy",
}
# Who takes a role on.
TRUST: Mapping[str, str] = {"aws:iam/role:Role": "assumeRolePolicy"}
# Of a bucket; the last two are the same under names of version 6 of the provider.
OF_BUCKETS: Mapping[str, str] = {
    "aws:s3/bucketPolicy:BucketPolicy": "policy",
    "aws:s3/bucket:Bucket": "policy",
    "aws:s3/bucketV2:BucketV2": "policy",
}
# Who may do what with a resource.
OF_RESOURCES: Mapping[str, str] = {
    **OF_BUCKETS,
    **TRUST,
    "aws:kms/key:Key": "policy",
    "aws:kms/keyPolicy:KeyPolicy": "policy",
    "aws:kms/replicaKey:ReplicaKey": "policy",
    "aws:kms/externalKey:ExternalKey": "policy",
    "aws:sqs/queue:Queue": "policy",
    "aws:sqs/queuePolicy:QueuePolicy": "policy",
    "aws:sns/topic:Topic": "policy",
    "aws:sns/topicPolicy:TopicPolicy": "policy",
    "aws:secretsmanager/secret:Secret": "policy",
    "aws:secretsmanager/secretPolicy:SecretPolicy": "policy",
    "aws:ecr/repositoryPolicy:RepositoryPolicy": "policy",
    "aws:efs/fileSystemPolicy:FileSystemPolicy": "policy",
    "aws:backup/vaultPolicy:VaultPolicy": "policy",
    "aws:opensearch/domain:Domain": "accessPolicies",
    "aws:opensearch/domainPolicy:DomainPolicy": "accessPolicies",
}

# What narrows a statement down to somebody, whoever its principal is.
NARROWING = (
    *("aws:principalarn", "aws:principalaccount", "aws:principalorgid", "aws:principalorgpaths"),
    *("aws:sourcearn", "aws:sourceaccount", "aws:sourceorgid", "aws:sourceorgpaths"),
    *("aws:sourcevpc", "aws:sourcevpce", "kms:calleraccount"),
)

Statement = Mapping[str, Any]
# statement → (what of it, what is wrong with it)
Judge = Callable[[Statement, Settings], Iterator[tuple[str, str]]]


class NoPolicyError(Exception):
    """What stands there is no policy."""


def statements(value: Any, path: str) -> Iterator[tuple[str, Statement]]:
    """(path, statement) of a policy, a text of JSON or a mapping; of None: none.

    Raises UnknownUsedError where it is not known, NoPolicyError where it is none.
    """
    if value is None:
        return
    policy = decoded(value)
    if isinstance(policy, Unknown):
        raise UnknownUsedError(policy.path)
    if not isinstance(policy, Mapping):
        raise NoPolicyError
    found = policy.get("Statement")
    for index, each in enumerate([found] if isinstance(found, Mapping) else found or ()):
        if not isinstance(each, Mapping | Unknown):
            raise NoPolicyError
        yield joined_path(f"{path}.Statement", index), each  # type: ignore[misc]


def allows(statement: Statement) -> bool:
    """It lets somebody do something."""
    return bool(statement.get("Effect") == "Allow")


def denies(statement: Statement) -> bool:
    """It refuses something, whatever others allow."""
    return bool(statement.get("Effect") == "Deny")


def matches(pattern: str, action: str) -> bool:
    """Whether `s3:*` covers an action."""
    return fnmatchcase(action.lower(), pattern.lower())


def means_everybody(principal: Any) -> bool:
    """`*`, alone or among others, of whatever kind."""
    if isinstance(principal, Mapping):
        return any("*" in texts(each) for each in principal.values())
    return "*" in texts(principal)


def principals(statement: Statement, kind: str) -> tuple[str, ...]:
    """Of a kind, such as Service or Federated."""
    principal = statement.get("Principal")
    if isinstance(principal, Unknown):
        raise UnknownUsedError(principal.path)
    return texts(principal.get(kind)) if isinstance(principal, Mapping) else ()


def conditions(statement: Statement) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(operator, key in lower case, values) of all conditions."""
    for operator, keys in (statement.get("Condition") or {}).items():
        for key, values in keys.items():
            yield operator, key.lower(), texts(values)


def is_narrowed(statement: Statement) -> bool:
    """Whether a condition names who is meant; one that holds as well without the key does not."""
    return any(
        key in NARROWING and "*" not in values and "Not" not in operator and not may_miss(operator)
        for operator, key, values in conditions(statement)
    )


def may_miss(operator: str) -> bool:
    """Whether it holds too for a request without the key."""
    return (
        operator.endswith("IfExists") or operator.startswith("ForAllValues") or operator == "Null"
    )


def statement_control(
    module: str, *, policies: Mapping[str, str], judge: Judge, **metadata: Any
) -> ResourceControl:
    """A control of every statement of these policies: each is judged by itself, so that what is not
    known of one hides nothing of another. metadata: as ResourceControl has it.

    A policy speaks of what has an ARN only once it is there: so it is waited for.
    """

    def check(resource: Resource, settings: Settings) -> Findings:
        for path, value in every(resource, policies[resource.type]):
            try:
                found = tuple(statements(value, path))
            except UnknownUsedError as error:
                yield Unseen(error.path)
                continue
            except NoPolicyError:
                yield Finding(path, "is no policy")
                continue
            for place, statement in found:
                try:
                    for where, what in judge(statement, settings):
                        yield Finding(f"{place}.{where}", what)
                except UnknownUsedError as error:
                    yield Unseen(error.path)

    return ResourceControl(
        module=module,
        types=tuple(policies),
        when_unknown=WhenUnknown.DEFER,
        check=check,
        **metadata,
    )
