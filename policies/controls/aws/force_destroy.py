"""Nothing is deleted with what is still in it."""

from collections.abc import Mapping

from policies.contract import Finding, Findings, ResourceControl, Settings, Severity, WhenUnknown
from policies.reading.aws import BUCKETS
from policies.resources import Resource

# {type: the property that deletes what is in it, or leaves no last snapshot of it}
FLAGS: Mapping[str, str] = {
    **dict.fromkeys(BUCKETS, "forceDestroy"),
    "aws:backup/vault:Vault": "forceDestroy",
    "aws:ecr/repository:Repository": "forceDelete",
    "aws:rds/instance:Instance": "skipFinalSnapshot",
    "aws:rds/cluster:Cluster": "skipFinalSnapshot",
    "aws:docdb/cluster:Cluster": "skipFinalSnapshot",
    "aws:neptune/cluster:Cluster": "skipFinalSnapshot",
    "aws:redshift/cluster:Cluster": "skipFinalSnapshot",
}


def check(resource: Resource, settings: Settings) -> Findings:
    """False where nothing is said."""
    flag = FLAGS[resource.type]
    if resource.get(flag):
        yield Finding(flag, "is true")


CONTROL = ResourceControl(
    module=__name__,
    title="Nothing is deleted with what is in it",
    why="a destroy at the wrong stack then takes the data with it, and nothing refuses",
    mend="Leave it out, and empty what is to be deleted by hand.",
    references=("PCI DSS 4.0.1 6.5.1", "GDPR Art. 32(1)(b)", "FCA SYSC 4.1.7"),
    severity=Severity.HIGH,
    types=tuple(FLAGS),
    when_unknown=WhenUnknown.BLOCK,
    check=check,
)
