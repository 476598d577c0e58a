"""Where the members of a PostgreSQL cluster agree on their leader."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from components.certificate_authority import CertificateAuthority, CertificateAuthorityArgs
from components.context import Context
from components.probes import https_probe
from platforms.workload import (
    Consensus,
    ConsensusStore,
    Data,
    Peer,
    Port,
    Readiness,
    Segment,
    Workload,
)
from settings.postgres import PostgresSettings

ETCD_CLIENT_PORT = 2379
ETCD_PEER_PORT = 2380
# Stands in the certificates of the consensus store's own members: no client becomes a peer.
ETCD_PEER_NAME = "consensus-peer"
ETCD_MEMORY_MIB = 256

# What Patroni keeps besides the members themselves, each an object of its own (its
# dcs/kubernetes.py, 4.0.7; failsafe and history are parts of the leader's and of the config's).
PATRONI_OBJECTS = ("config", "leader", "failover", "sync")


@dataclass(frozen=True)
class ConsensusAccess:
    """How a cluster's members reach what they agree in.

    hosts: of etcd, "name:port"; store: the platform's own. One of the two is empty.
    secret_files, talks_to, consensus: for the members' workload. servers: what to wait for.
    """

    hosts: tuple[str, ...] = ()
    store: ConsensusStore | None = None
    secret_files: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    talks_to: tuple[Peer, ...] = ()
    consensus: Consensus | None = None
    servers: tuple[pulumi.Resource, ...] = ()


def in_platform(members: Peer, scope: str, context: Context) -> ConsensusAccess:
    """The platform's own store: nothing to run, and nothing but the members' own to be read."""
    return ConsensusAccess(
        store=context.platform.consensus_store(members),
        consensus=Consensus(scope, tuple(f"{scope}-{each}" for each in PATRONI_OBJECTS)),
    )


def in_etcd(
    name: str, settings: PostgresSettings, context: Context, parent: pulumi.Resource
) -> ConsensusAccess:
    """An etcd of the cluster's own.

    An authority of its own: whoever it has not certified (a router, the provisioning job) cannot
    even speak to the consensus store. etcd's check of names in client certificates would do the
    same with one authority, but its gateway, which Patroni uses, fails it.
    """
    authority = CertificateAuthority(
        f"{name}-consensus-authority",
        CertificateAuthorityArgs(
            common_name=f"selfmonitor {context.stack} consensus",
            settings=context.certificates,
        ),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    etcd = _etcd(settings, context, authority)
    client = authority.issue("patroni", common_name="patroni", dns_names=("patroni",))
    return ConsensusAccess(
        hosts=tuple(f"{member}:{ETCD_CLIENT_PORT}" for member in etcd.members),
        secret_files=client.files("consensus-"),
        talks_to=(etcd,),
        servers=context.platform.run(etcd, parent),
    )


def _etcd(
    settings: PostgresSettings, context: Context, authority: CertificateAuthority
) -> Workload:
    ports = (Port("client", ETCD_CLIENT_PORT), Port("peer", ETCD_PEER_PORT))
    peer = Peer("etcd", 1, settings.consensus_members, (Segment.DATA,), ports)
    names = peer.members
    certificate = authority.issue(
        "etcd",
        common_name="etcd",
        dns_names=(*names, "etcd", "localhost", ETCD_PEER_NAME),
        ip_addresses=("127.0.0.1",),
    )
    tls = {"CERT_FILE": "tls.crt", "KEY_FILE": "tls.key", "TRUSTED_CA_FILE": "ca.crt"}
    environment = {
        "ETCD_NAME": "{member}",
        "ETCD_DATA_DIR": "/var/lib/etcd/data",
        "ETCD_LISTEN_CLIENT_URLS": f"https://0.0.0.0:{ETCD_CLIENT_PORT}",
        "ETCD_LISTEN_PEER_URLS": f"https://0.0.0.0:{ETCD_PEER_PORT}",
        "ETCD_ADVERTISE_CLIENT_URLS": f"https://{{member}}:{ETCD_CLIENT_PORT}",
        "ETCD_INITIAL_ADVERTISE_PEER_URLS": f"https://{{member}}:{ETCD_PEER_PORT}",
        "ETCD_INITIAL_CLUSTER": ",".join(
            f"{name}=https://{name}:{ETCD_PEER_PORT}" for name in names
        ),
        "ETCD_INITIAL_CLUSTER_TOKEN": f"selfmonitor-{context.stack}",
        "ETCD_INITIAL_CLUSTER_STATE": "new",
        "ETCD_CLIENT_CERT_AUTH": "true",
        "ETCD_PEER_CLIENT_CERT_AUTH": "true",
        "ETCD_PEER_CERT_ALLOWED_HOSTNAME": ETCD_PEER_NAME,
        "ETCD_TLS_MIN_VERSION": "TLS1.2",
        # Patroni writes a few keys every two seconds: history is worthless after an hour, and
        # frequent snapshots keep memory small.
        "ETCD_AUTO_COMPACTION_MODE": "periodic",
        "ETCD_AUTO_COMPACTION_RETENTION": "1h",
        "ETCD_SNAPSHOT_COUNT": "10000",
        # And collected twice as often as Go would by itself: there is hardly any work to slow down.
        "GOGC": "50",
        "ETCD_LOG_LEVEL": "warn",
    }
    for key, file in tls.items():
        environment[f"ETCD_{key}"] = f"/etc/selfmonitor/{file}"
        environment[f"ETCD_PEER_{key}"] = f"/etc/selfmonitor/{file}"
    return Workload(
        **vars(peer),
        image="etcd",
        memory_mib=ETCD_MEMORY_MIB,
        cpus=1.0,
        environment=environment,
        secret_files=certificate.files(),
        data=Data("/var/lib/etcd"),
        readiness=Readiness(
            https_probe(ETCD_CLIENT_PORT, "/health"),
            meaning="a quorum of the consensus store",
        ),
    )
