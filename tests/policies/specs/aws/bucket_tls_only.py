"""Spec of aws-bucket-tls-only."""

from policy_aws import document
from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

FILE = "components/aws/policies.py"
POLICY = "aws:s3/bucketPolicy:BucketPolicy"
ARN = "arn:aws:s3:::acme-vault"
REFUSES = {
    "Effect": "Deny",
    "Principal": {"AWS": "*"},
    "Action": "s3:*",
    "Resource": [ARN, f"{ARN}/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
LETS_IN = {
    "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::123456789012:role/reader"},
    "Action": "s3:GetObject",
    "Resource": f"{ARN}/*",
}


def policy(*statements):
    return resource(POLICY, "vault-policy", {"policy": document(*statements)})


def refusing(**changes):
    return policy(LETS_IN, {**REFUSES, **changes})


AT = ("vault-policy", "policy")

SPEC = Spec(
    passes={
        "in a text": passes(refusing()),
        "in a mapping": passes(
            resource(POLICY, "vault-policy", {"policy": {"Statement": REFUSES}})
        ),
        "in other words": passes(
            refusing(
                Principal="*",
                Action=["*"],
                Resource="*",
                Condition={"BoolIfExists": {"AWS:securetransport": False}},
            )
        ),
        "by a pattern": passes(refusing(Resource=f"{ARN}*")),
    },
    fails={
        "nothing is said": fails(policy(LETS_IN), at=AT),
        "nothing at all": fails(resource(POLICY, "vault-policy", {}), at=AT),
        "no policy": fails(resource(POLICY, "vault-policy", {"policy": "{"}), at=AT),
        "who comes by TLS is refused": fails(
            refusing(Condition={"Bool": {"aws:SecureTransport": "true"}}), at=AT
        ),
        "it allows": fails(refusing(Effect="Allow"), at=AT),
        "on a further condition": fails(
            refusing(
                Condition={
                    "Bool": {"aws:SecureTransport": "false"},
                    "StringEquals": {"aws:PrincipalAccount": "123456789012"},
                }
            ),
            at=AT,
        ),
        "for somebody": fails(refusing(Principal={"AWS": "123456789012"}), at=AT),
        "for reading alone": fails(refusing(Action="s3:GetObject"), at=AT),
        "for the bucket and not for objects": fails(refusing(Resource=ARN), at=AT),
        "for objects and not for the bucket": fails(refusing(Resource=f"{ARN}/*"), at=AT),
        "for some objects": fails(refusing(Resource=[ARN, f"{ARN}/public/*"]), at=AT),
    },
    unknown={
        "what it says": unseen(resource(POLICY, "vault-policy", {"policy": UNKNOWN}), at=AT),
        "which bucket it says it of": unseen(
            resource(
                POLICY,
                "vault-policy",
                {"policy": {"Statement": [{**REFUSES, "Resource": [UNKNOWN]}]}},
            ),
            at=("vault-policy", "policy.Statement[0].Resource[0]"),
        ),
    },
    not_applicable={"of a queue": passes(resource("aws:sqs/queuePolicy:QueuePolicy", "q", {}))},
    mutations={
        "who comes by TLS is refused": edit(
            "production", FILE, '"aws:SecureTransport": "false"', '"aws:SecureTransport": "true"'
        ),
        "plain HTTP is not spoken of": edit(
            "production",
            "components/aws/bucket.py",
            "own = tls_only(self.name)",
            "own = tls_only(self.name)[1:]",
        ),
        "for objects alone": edit(
            "production",
            FILE,
            '"Sid": "TlsOnly",\n            "Resource": _everything_in(bucket)',
            '"Sid": "TlsOnly",\n            "Resource": _everything_in(bucket)[1:]',
        ),
    },
)
