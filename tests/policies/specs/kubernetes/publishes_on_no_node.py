"""Spec of kubernetes-publishes-on-no-node."""

from policy_spec import UNKNOWN, Spec, edit, fails, passes, resource, unseen

SERVICE = "kubernetes:core/v1:Service"


def service(**spec):
    return resource(SERVICE, "clients", {"spec": spec})


def pod(*ports):
    spec = {"containers": [{"name": "db", "ports": list(ports)}]}
    return resource("kubernetes:core/v1:Pod", "db", {"spec": spec})


SPEC = Spec(
    passes={
        "an address of the cluster's": passes(service(type="ClusterIP")),
        "a load balancer": passes(service(type="LoadBalancer")),
        "a port of the container's own": passes(pod({"containerPort": 5432})),
    },
    fails={
        "a port of every node": fails(service(type="NodePort"), at=("clients", "spec.type")),
        "an address of a node": fails(
            service(externalIPs=["192.0.2.7"]), at=("clients", "spec.externalIPs")
        ),
        "a port of the pod's node": fails(
            pod({"containerPort": 1}, {"containerPort": 5432, "hostPort": 5432}),
            at=("db", "spec.containers[0].ports[1].hostPort"),
        ),
    },
    unknown={"the type": unseen(service(type=UNKNOWN), at=("clients", "spec.type"))},
    not_applicable={"neither": passes(resource("kubernetes:core/v1:Node", "db", {}))},
    mutations={
        "clients come by nodes": edit(
            "staging",
            "platforms/kubernetes_services.py",
            'spec["type"] = "LoadBalancer"',
            'spec["type"] = "NodePort"',
        ),
        "containers take their node's ports": edit(
            "production",
            "platforms/kubernetes_pod.py",
            '"containerPort": port.number,',
            '"containerPort": port.number, "hostPort": port.number,',
        ),
    },
)
