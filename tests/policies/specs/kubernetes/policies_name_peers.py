"""Spec of kubernetes-policies-name-peers."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, setting, unseen
from policy_stacks import ON_KUBERNETES


def policy(*rules):
    return resource(
        "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        "clients",
        {"spec": {"podSelector": {}, "ingress": list(rules)}},
    )


def peers(*found):
    return policy({"from": list(found)})


WHERE = "spec.ingress[0].from"

SPEC = Spec(
    passes={
        "no rule": passes(policy()),
        "a network": passes(peers({"ipBlock": {"cidr": "10.20.0.0/16"}})),
        "pods": passes(peers({"podSelector": {"matchLabels": {"app": "api"}}})),
        "pods of other namespaces": passes(
            peers({"namespaceSelector": {"matchLabels": {"team": "shop"}}})
        ),
        "all pods of its own": passes(peers({"podSelector": {}})),
    },
    fails={
        "no peers": fails(policy({"ports": [{"port": 1}]}), at=("clients", WHERE)),
        "empty peers": fails(peers(), at=("clients", WHERE)),
        "every address": fails(
            peers({"ipBlock": {"cidr": "0.0.0.0/0"}}, {"ipBlock": {"cidr": "::/0"}}),
            at=(("clients", f"{WHERE}[0].ipBlock.cidr"), ("clients", f"{WHERE}[1].ipBlock.cidr")),
        ),
        "every namespace": fails(peers({"namespaceSelector": {}}), at=("clients", f"{WHERE}[0]")),
        "every pod of every namespace": fails(
            peers({"namespaceSelector": {}, "podSelector": {}}), at=("clients", f"{WHERE}[0]")
        ),
    },
    unknown={
        "which network": unseen(
            peers({"ipBlock": {"cidr": UNKNOWN}}), at=("clients", f"{WHERE}[0].ipBlock.cidr")
        )
    },
    not_applicable={"no policy": passes(resource("kubernetes:core/v1:Service", "clients", {}))},
    mutations={
        "whoever likes may connect": edit(
            "staging",
            "platforms/kubernetes_network.py",
            '"from": list(map(_client, self._surroundings.clients))',
            '"from": []',
        ),
        "the whole world is a client": setting(
            "production",
            kubernetes={**ON_KUBERNETES["kubernetes"], "clients": [{"network": "0.0.0.0/0"}]},
        ),
    },
)
