"""Volumes are of a class that encrypts."""

from policies.contract import (
    Finding,
    Findings,
    Level,
    Settings,
    Severity,
    StackControl,
    Unseen,
    WhenUnknown,
)
from policies.environment import PerEnvironment
from policies.parameters import Parameter
from policies.reading.kubernetes import CLAIMS, STATEFUL_SETS, known, part
from policies.resources import Resource, Stack
from policies.values import Unknown

CLASSES = ("kubernetes:storage.k8s.io/*:StorageClass",)
# Those that encrypt only what they are told to; others always do, or say it elsewhere.
ASKED = ("ebs.csi.aws.com", "kubernetes.io/aws-ebs")
CLASS = "storageClassName"


def check(subject: Resource, stack: Stack, settings: Settings) -> Findings:
    """Of a class by itself; of claims: which class they are of."""
    if subject.type.endswith(":StorageClass"):
        encrypted = subject.get("parameters.encrypted")
        if subject.get("provisioner") in ASKED and str(encrypted).lower() != "true":
            yield Finding("parameters.encrypted", "is not true", subject)
        return
    if subject.type in CLAIMS:
        yield from of_claim(subject.get("spec") or {}, "spec", subject, stack, settings)
        return
    for index, claim in enumerate(subject.get("spec.volumeClaimTemplates") or ()):
        path = f"spec.volumeClaimTemplates[{index}].spec"
        yield from of_claim(part(claim, "spec") or {}, path, subject, stack, settings)


def of_claim(
    claim: dict[str, object], path: str, subject: Resource, stack: Stack, settings: Settings
) -> Findings:
    """A class that the program makes is judged by itself."""
    made = stack.of(CLASSES)
    chosen = claim.get(CLASS)
    if isinstance(chosen, Unknown):
        if not set(subject.references.get("spec", ())) & {each.urn for each in made}:
            yield Unseen(f"{path}.{CLASS}", subject)
        return
    if chosen is None:
        yield Finding(f"{path}.{CLASS}", "is missing: it is whatever the cluster has", subject)
    elif chosen not in settings["classes"] and all(
        known(each, "metadata.name") != chosen for each in made
    ):
        yield Finding(f"{path}.{CLASS}", "is none that is known to encrypt", subject)


CONTROL = StackControl(
    module=__name__,
    title="Volumes are encrypted",
    why="a disk that is returned or copied is readable by whoever holds it",
    mend="Choose a StorageClass that encrypts, made here or named in setting classes.",
    references=("PCI DSS 4.0.1 3.5.1", "GDPR Art. 32(1)(a)", "FCA SYSC 8.1.8"),
    severity=Severity.HIGH,
    types=(*CLASSES, *CLAIMS, *STATEFUL_SETS),
    subjects=(*CLASSES, *CLAIMS, *STATEFUL_SETS),
    when_unknown=WhenUnknown.BLOCK,
    parameters={
        "classes": Parameter(
            "strings", (), "Classes of the cluster that somebody has found to encrypt."
        )
    },
    # A cluster to try things on has one class, of folders.
    enforcement=PerEnvironment(Level.DISABLED, Level.MANDATORY, Level.MANDATORY),
    check=check,
)
