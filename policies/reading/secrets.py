"""What gives a secret away: its name, or its shape."""

import itertools
import math
import re

from policies.parameters import Parameter

# The last word of a name says what a value is: DB_PASSWORD, and not PASSWORD_ENCRYPTION.
WORDS = (
    r"(?:password|passwd|pwd|passphrase|secret|token|credentials?"
    r"|api[_-]?key|access[_-]?key|secret[_-]?key|private[_-]?key|encryption[_-]?key)"
)
NAME = re.compile(rf"{WORDS}$", re.IGNORECASE)
# Where a secret is, and not what it is; and what is no secret.
HARMLESS = re.compile(
    r"(?:/.*|\$.*|\{\{.*|file:.*|true|false|yes|no|on|off|null|none|)", re.IGNORECASE
)
# `name: value` and `name = value`, in any of the usual formats; and Redis's own.
LINES = (
    re.compile(
        rf"(?:^|[\s,{{\"'])(?P<name>[\w.-]*{WORDS})[\"']?[ \t]*[:=][ \t]*[\"']?"
        r"(?P<value>[^\s\"',}]+)",
        re.IGNORECASE | re.MULTILINE,
    ),
    re.compile(
        r"^[ \t]*(?P<name>requirepass|masterauth|sentinel[ \t]+auth-pass[ \t]+\S+)"
        r"[ \t]+(?P<value>\S+)",
        re.MULTILINE,
    ),
)
COMMENT = re.compile(r"^[ \t]*[#;].*$", re.MULTILINE)
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
PUBLIC = re.compile(
    r"-----BEGIN ([A-Z ]*(?:CERTIFICATE|PUBLIC KEY)[A-Z ]*)-----.*?-----END \1-----", re.S
)
# As who gives them out makes them recognisable: AWS, GitHub, Slack, Pulumi, Stripe.
ACCESS_KEY = re.compile(
    r"\b(?:(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_\w{36,}|xox[abprs]-[\w-]{10,}|pul-[0-9a-f]{40}"
    r"|[sr]k_live_\w{16,})\b"
)
URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/:@]*:(?P<value>[^\s/@]+)@", re.IGNORECASE)
# A long run of letters of both cases and digits that changes between these kinds as often as a
# random one does (62 times in a hundred); words, however they are put together, do not.
RANDOM = re.compile(r"[A-Za-z0-9+/]{24,}")
CHANGES = 0.4
KINDS = 3

HARMLESS_NAMES = Parameter(
    "strings",
    # etcd's is a name, by which clusters are told apart.
    ("ETCD_INITIAL_CLUSTER_TOKEN",),
    "Names that sound like those of secrets, and are not.",
)


def shape(text: str) -> str | None:
    """What a text has the shape of, as in "holds a private key"; None: nothing secret."""
    if PRIVATE_KEY.search(text):
        return "holds a private key"
    if ACCESS_KEY.search(text):
        return "holds an access key"
    if any(not HARMLESS.fullmatch(found["value"]) for found in URL.finditer(text)):
        return "holds a password in a URL"
    if any(_is_random(found.group()) for found in RANDOM.finditer(PUBLIC.sub("", text))):
        return "holds what looks like a generated secret"
    return None


def named(name: str, harmless: list[str]) -> bool:
    """Whether a value's name says that it is a secret."""
    return name not in harmless and NAME.search(name) is not None


def of_value(name: str, text: str, harmless: list[str]) -> str | None:
    """What is secret about a named value; None: nothing."""
    if named(name, harmless) and not HARMLESS.fullmatch(text):
        return "is a secret, as its name says"
    return shape(text)


def of_file(text: str, harmless: list[str]) -> str | None:
    """What is secret in a file of any usual format; None: nothing."""
    settings = COMMENT.sub("", text)
    for pattern in LINES:
        for found in pattern.finditer(settings):
            if found["name"] not in harmless and not HARMLESS.fullmatch(found["value"]):
                return (
                    f"holds a secret, as a name in line {_line(settings, found.start('name'))} says"
                )
    return shape(text)


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _is_random(text: str) -> bool:
    kinds = ["digit" if each.isdigit() else "lower" if each.islower() else "upper" for each in text]
    if len(set(kinds)) < KINDS:
        return False
    changes = sum(one != other for one, other in itertools.pairwise(kinds))
    return changes >= math.ceil(CHANGES * (len(text) - 1))
