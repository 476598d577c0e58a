"""The vault on AWS: a locked bucket and its key in each region, who may use them, who watched."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.aws.audit import Audit, log_bucket
from components.aws.bucket import GuardedBucket, GuardedBucketArgs, Lifecycle, Lock
from components.aws.key import make_key
from components.aws.names import Names
from components.aws.policies import governed_key, nothing_ends, own_key_only, used_through_s3
from components.aws.region import Region
from components.aws.replication import WITH_SOURCE_KEY, WITH_TARGET_KEY, End, replicate
from components.aws.roles import Site, key_users, make_roles, work_of
from components.vault_place import HTTPS, Place
from settings.vault import AwsVaultSettings

# The role with which S3 replicates the backups.
REPLICATOR = "replicator"


@dataclass(frozen=True)
class AwsVaultArgs:
    """retention_days: how far back one can restore. lock_days: how long a version is locked.

    copies: whether there is a second region. seeding: the stack begins with what that holds.
    """

    stack: str
    settings: AwsVaultSettings
    retention_days: int
    lock_days: int
    copies: bool
    seeding: bool


class AwsVault(pulumi.ComponentResource):
    """`place` and `copy` are without credentials: workloads take roles on by web identity."""

    place: Place
    copy: Place | None

    def __init__(
        self, name: str, args: AwsVaultArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("selfmonitor:data:AwsVault", name, None, opts)
        self._name = name
        self._args = args
        self._settings = settings = args.settings
        self._names = Names(args.stack, settings.account_id, settings.bucket)
        copy_bucket = f"{settings.bucket}-copy" if args.copies else None
        self._work = work_of(settings.bucket, copy_bucket, seeding=args.seeding)
        self._tags = {
            **settings.tags,
            "Project": "selfmonitor",
            "Stack": args.stack,
            "Component": "backup-vault",
        }
        first = self._region("first", settings.region)
        first_logs = self._logs("logs", "", settings.bucket, first)
        here = self._bucket("first", settings.bucket, first, first_logs)
        ends = {"first": here}
        logs = {"logs": (first_logs, first)}
        if copy_bucket and settings.copy_region:
            second = self._region("copy", settings.copy_region)
            second_logs = self._logs("copy-logs", "copy-", copy_bucket, second)
            ends["copy"] = self._bucket("copy", copy_bucket, second, second_logs)
            logs["copy-logs"] = (second_logs, second)
        audit = Audit(
            f"{name}-audit",
            f"{settings.bucket}-audit",
            [each.bucket.name for each in ends.values()],
            logs,
            settings,
            self._names,
            first,
            opts=pulumi.ResourceOptions(parent=self),
        )
        ready: tuple[pulumi.Resource, ...] = (*here.bucket.ready, *audit.ready, *self._roles(ends))
        if "copy" in ends:
            there = ends["copy"]
            # What is written before replication is configured is replicated by nobody.
            ready += replicate(f"{name}-replication", REPLICATOR, here, there, self._names, self)
            ready += there.bucket.ready
        self.place = self._place(here, ready)
        self.copy = self._place(ends["copy"], ready) if "copy" in ends else None
        self.register_outputs({})

    def _region(self, which: str, region: str) -> Region:
        return Region.make(
            region, self._settings.account_id, self._tags, f"{self._name}-{which}", self
        )

    def _logs(self, which: str, prefix: str, of: str, region: Region) -> GuardedBucket:
        bucket = f"{self._settings.bucket}-{prefix}logs"
        return log_bucket(f"{self._name}-{which}", bucket, of, self._settings, region, self)

    def _bucket(self, which: str, bucket: str, region: Region, logs: GuardedBucket) -> End:
        """A region's bucket and its key."""
        args, settings, names = self._args, self._settings, self._names
        users = key_users(self._work, which)
        if args.copies:
            for action in WITH_SOURCE_KEY if which == "first" else WITH_TARGET_KEY:
                users.setdefault(action, []).append(REPLICATOR)
        key = make_key(
            f"{self._name}-{which}-key",
            f"selfmonitor-{names.stack}-{which}",
            f"Backups of stack {names.stack} in {region.name}",
            [
                *governed_key(names, settings.administrators),
                *used_through_s3(names, region.name, bucket, users),
            ],
            settings.kms_deletion_window_days,
            region,
            self,
        )
        made = GuardedBucket(
            f"{self._name}-{which}-bucket",
            GuardedBucketArgs(
                bucket=bucket,
                region=region,
                statements=key.arn.apply(
                    lambda arn: [
                        *own_key_only(bucket, arn),
                        *nothing_ends(bucket, settings.administrators),
                    ]
                ),
                # Whatever is deleted or overwritten can be put back for as long as one can
                # restore: the vault is rewound as far as the database. What is current is deleted
                # by those who keep it, who know what still rests on it.
                lifecycle=Lifecycle(noncurrent_days=args.retention_days),
                key=key,
                lock=Lock(settings.lock_mode, args.lock_days),
                logs=logs,
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return End(made, region, key)

    def _roles(self, ends: dict[str, End]) -> tuple[pulumi.Resource, ...]:
        sites = {
            which: Site(end.region.name, end.bucket.name, self._key(end))
            for which, end in ends.items()
        }
        return make_roles(
            f"{self._name}-role",
            self._work,
            sites,
            self._settings.web_identity,
            self._names,
            ends["first"].region,
            self,
        )

    @staticmethod
    def _key(end: End) -> aws.kms.Key:
        assert end.key is not None, "made with one"
        return end.key

    def _place(self, end: End, ready: tuple[pulumi.Resource, ...]) -> Place:
        return Place(
            host=f"s3.{end.region.name}.amazonaws.com",
            port=HTTPS,
            region=end.region.name,
            bucket=end.bucket.name,
            credentials={},
            peer=None,
            servers=ready,
            networks=self._settings.networks,
            authority=None,
            path_style=False,
            roles={role: self._names.role_arn(role) for role in self._work},
            kms_key=self._key(end).arn,
            copies_itself=self._args.copies,
        )
