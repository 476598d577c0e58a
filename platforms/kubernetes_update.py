"""The job that replaces a workload's replicas on Kubernetes where the workload knows better how.

It also waits until all of them are as they are to be, at the first start too.
"""

from typing import Any

from platforms import kubernetes_names as names
from platforms.kubernetes_files import content_hash
from platforms.kubernetes_servers import update_seconds
from platforms.workload import Peer, Workload

MEMORY_MIB = 64
CPUS = 0.5
# Until the program has given up and said why, before the job is given up.
MARGIN_SECONDS = 60


def update_job(workload: Workload, pod: dict[str, Any]) -> Workload:
    """As a workload of its own: another program, with other rights.

    pod: the template that all replicas are to have. It stands in the job, which so is another one
    with each update, and is done at once where there is nothing to replace.
    """
    # It serves nobody and is in no segment: the ordinal, by which Docker hands out addresses, says
    # nothing here.
    peer = Peer(f"{workload.name}-update", workload.ordinal, 1, ())
    seconds = workload.patience_seconds or update_seconds(workload)
    command = (word.format(role_label=names.LABEL_ROLE) for word in workload.replace_members)
    return Workload(
        **vars(peer),
        image=workload.image,
        memory_mib=MEMORY_MIB,
        cpus=CPUS,
        command=(*command, str(seconds)),
        environment={"UPDATE_TO": content_hash(pod)},
        scratch={"/tmp": 4},
        runs_once=True,
        patience_seconds=seconds + MARGIN_SECONDS,
        replaces=workload,
    )
