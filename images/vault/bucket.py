#!/usr/bin/python3
"""Makes the vault's bucket what vault.json says; may be killed at any point and run again.

The bucket is locked in COMPLIANCE mode: nobody, its administrator included, removes what is in it
before its time. The lock's time only ever grows.

versitygw keeps the bucket's default retention as a span that begins when it was configured, and
not for every object from when that was written: after lock_days it would protect nothing any more.
So it is configured anew at every start and by the keeper, which also gives each object a lock of
its own (lock.py).
"""

import json
import os
import sys
from typing import Any

import gateway


def log(message: str) -> None:
    sys.stderr.write(f"vault: {message}\n")
    sys.stderr.flush()


class NotLocked(Exception):
    """The bucket is there, but without what makes it a vault. One line."""


def prepare(client: Any, wanted: gateway.Configuration) -> int:
    """The days that are now locked. Raises NotLocked, and botocore's errors."""
    from botocore.exceptions import ClientError

    bucket = wanted.bucket
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        client.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
        log(f"bucket {bucket} created")
    if client.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
        # Killed while it was being created.
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        log(f"bucket {bucket}: versioning enabled")
    days = max(wanted.lock_days, _locked_days(client, bucket))
    if days > wanted.lock_days:
        log(
            f"bucket {bucket} stays locked for {days} days: lock_days {wanted.lock_days} is"
            " shorter, and a lock is never shortened; put the old value back into the settings"
        )
    client.put_object_lock_configuration(
        Bucket=bucket,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": days}},
        },
    )
    if _locked_days(client, bucket) != days:
        raise NotLocked(f"bucket {bucket} has no lock: this storage is no vault")
    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(wanted.policy()))
    return days


def _locked_days(client: Any, bucket: str) -> int:
    from botocore.exceptions import ClientError

    try:
        found = client.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ObjectLockConfigurationNotFoundError":
            raise
        return 0
    retention = found.get("Rule", {}).get("DefaultRetention", {})
    return int(retention.get("Days", 0)) if retention.get("Mode") == "COMPLIANCE" else 0


def remove_unusable(wanted: gateway.Configuration) -> None:
    """A folder without its owner's mark, which a gateway killed between two steps leaves.

    The gateway can neither use nor remove it. It is empty, or stays.
    """
    folder = gateway.DATA / "data" / wanted.bucket
    try:
        if not os.listxattr(folder):
            folder.rmdir()
            log(f"bucket {wanted.bucket} was created half: removed")
    except OSError:
        # Not there, or not empty.
        pass


def main() -> int:
    """The program's exit status: 0 prepared, 1 failed, 2 wrong settings."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        wanted = gateway.Configuration.load()
        remove_unusable(wanted)
        with gateway.private(wanted.region) as (endpoint, secret):
            prepare(gateway.client(endpoint, wanted.region, secret), wanted)
    except gateway.WrongSettings as error:
        log(str(error))
        return 2
    except (gateway.NoGateway, NotLocked, BotoCoreError, ClientError, OSError) as error:
        log(f"the bucket is not prepared: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
