"""Buckets and what is configured about them by resources of their own."""

from policies.contract import Unseen
from policies.resources import Resource, Stack

# Each of these had another name in version 6 of the provider.
BUCKETS = ("aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2")
# By which one may refer to a bucket.
BUCKET_NAMES = ("bucket",)


def sidecar_types(name: str) -> tuple[str, ...]:
    """Types of a bucket's configuration: `BucketVersioning` → both of its names."""
    module = name[0].lower() + name[1:]
    return (f"aws:s3/{module}:{name}", f"aws:s3/{module}V2:{name}V2")


def sidecars(
    bucket: Resource, stack: Stack, types: tuple[str, ...]
) -> tuple[tuple[Resource, ...], tuple[Unseen, ...]]:
    """A bucket's configurations of a type, and of which resources it cannot be told yet whether
    they are one; the latter only where there is none for certain.
    """
    joined = stack.referring(bucket, types, "bucket", BUCKET_NAMES)
    unseen = () if joined.found else joined.possible
    return joined.found, tuple(Unseen(f"bucket of {each.name}", bucket) for each in unseen)
