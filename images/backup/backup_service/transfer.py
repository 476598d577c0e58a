"""What one vault has and another has not, and how it gets there."""

from collections.abc import Callable, Iterator

from backup_service.s3 import NoSuchObject, Object, Vault

# The name of what an object was copied from, in its metadata.
SOURCE = "source-etag"
# The rank of what names all backups.
LISTS = 2


class Transfer:
    """From one vault to another.

    Content is the same when size and etag are. The etag of what was uploaded in parts depends on
    their sizes, so the target's metadata says which one it was copied from.
    """

    def __init__(self, source: Vault, target: Vault) -> None:
        self.source = source
        self.target = target
        # What was uploaded in parts and found to be the same: key → both etags.
        self._same: dict[str, tuple[str, str]] = {}

    def compare(self, prefix: str, after: str | None = None) -> Iterator[tuple[Object, bool]]:
        """What the source has, by key, and whether the target has the same. Raises VaultError."""
        for found, other in pairs(self.source.list(prefix, after), self.target.list(prefix, after)):
            if found is not None:
                yield found, other is not None and self._is_same(found, other)

    def missing(self, prefix: str) -> Iterator[Object]:
        """Those that the target lacks, or has otherwise, by key. Raises VaultError."""
        return (found for found, same in self.compare(prefix) if not same)

    def _is_same(self, found: Object, other: Object) -> bool:
        if found.size != other.size:
            return False
        if found.etag == other.etag:
            return True
        if "-" not in found.etag and "-" not in other.etag:
            return False
        both = (found.etag, other.etag)
        if self._same.get(found.key) != both:
            metadata = self.target.metadata(found.key) or {}
            if metadata.get(SOURCE) != found.etag:
                return False
            self._same[found.key] = both
        return True

    def copy(self, found: Object, on_bytes: Callable[[int], None] | None = None) -> None:
        """Exactly what was listed. Raises Changed or NoSuchObject when that is not there any more,
        and other VaultErrors.
        """
        with self.source.open(found.key, etag=found.etag) as stream:
            self.target.upload(found.key, stream, on_bytes, {SOURCE: found.etag})


class Replicated(Transfer):
    """From one vault to another by the vault itself.

    Each encrypts with a key of its own, and then an etag says nothing about the content
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html); so where etags differ, it is
    the source that says whether its current version has arrived.
    """

    def _is_same(self, found: Object, other: Object) -> bool:
        if found.size != other.size:
            return False
        both = (found.etag, other.etag)
        if found.etag == other.etag or self._same.get(found.key) == both:
            return True
        try:
            arrived = self.source.replicated(found.key)
        except NoSuchObject:
            # Deleted since it was listed.
            return True
        if arrived:
            self._same[found.key] = both
        return arrived


def pairs(
    left: Iterator[Object], right: Iterator[Object]
) -> Iterator[tuple[Object | None, Object | None]]:
    """Both by key, joined: what only one has comes with None."""
    one, other = next(left, None), next(right, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one.key < other.key):
            yield one, None
            one = next(left, None)
        elif one is None or other.key < one.key:
            yield None, other
            other = next(right, None)
        else:
            yield one, other
            one, other = next(left, None), next(right, None)


def rank(key: str) -> int:
    """What refers to other objects comes after them: 0 data, 1 a backup's manifest, LISTS those of
    all backups. A vault that is filled in this order can be restored from at any moment.
    """
    name = key.rpartition("/")[2]
    if name in ("backup.info", "backup.info.copy", "archive.info", "archive.info.copy"):
        return LISTS
    if name in ("manifest.json", "backup.manifest", "backup.manifest.copy"):
        return 1
    return 0
