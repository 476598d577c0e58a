"""Many runs: each kind as often as asked for, until one shows that the cluster is not well."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from cli.drill.faults import Fault
from cli.drill.result import Campaign, RunResult
from cli.drill.run import Notify, NotReady, Timing, run_once
from cli.drill.service import Service
from cli.drill.stop import Interrupted, StopRequest
from cli.drill.store import Store, StoreError, patiently


def run_campaign(
    service: Service,
    faults: Sequence[Fault],
    *,
    runs: int,
    clients: int,
    stop: StopRequest,
    notify: Notify,
    finished: Callable[[RunResult], None],
    timing: Timing | None = None,
) -> Campaign:
    """Runs every fault `runs` times and returns what was measured, all of it or what there was
    until it had to end; `finished` gets each run as it ends.

    A run that failed (see RunResult.failure) is the last one: to go on breaking a cluster that
    has not recovered measures nothing and destroys the traces. Raises StoreError if
    nothing can be written in time, before anything is broken.
    """
    started_at = datetime.now(UTC)
    results: list[RunResult] = []
    ended_early: str | None = None
    interrupted = False
    unhealed: str | None = None
    timing = timing or Timing()
    _create(service.store, timing.first_write_limit, stop)
    try:
        for fault in faults:
            for number in range(1, runs + 1):
                result = run_once(
                    service,
                    fault,
                    number,
                    clients=clients,
                    stop=stop,
                    notify=notify,
                    timing=timing,
                )
                results.append(result)
                finished(result)
                if result.failure is not None:
                    ended_early = f"{fault.kind} run {number} failed"
                    break
            if ended_early:
                break
    except NotReady as error:
        ended_early = str(error)
    except Interrupted as interruption:
        unhealed = str(interruption) or None
        ended_early = "it was interrupted; the run that was under way is not counted"
        interrupted = True
    finally:
        leftover = _drop(service.store)
    planned = runs * len(faults)
    return Campaign(
        service=service.name,
        wait=service.wait,
        keeps_acknowledged=service.keeps_acknowledged,
        stack=service.cluster.stack,
        started_at=started_at,
        clients=clients,
        runs_planned=planned,
        runs=tuple(results),
        ended_early=ended_early if len(results) < planned else None,
        interrupted=interrupted,
        leftover=leftover,
        unhealed=unhealed,
    )


def _create(store: Store, within_seconds: float, stop: StopRequest) -> None:
    """Tries again for a while, as an application does: a router may find a new primary a moment
    after the cluster has agreed on it.
    """
    try:
        patiently(store.create, within_seconds, stop.sleep)
    except Interrupted as interruption:
        # It waited after an error only, which says more than that somebody had enough.
        if isinstance(interruption.__context__, StoreError):
            raise interruption.__context__ from None
        raise


def _drop(store: Store) -> str | None:
    try:
        store.drop()
    except StoreError as error:
        return f"{store.name} could not be dropped ({error})"
    return None
