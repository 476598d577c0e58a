"""A planned change of primary: nothing that was acknowledged is lost.

Sentinel's own FAILOVER promotes a replica while the old primary goes on accepting writes, which
are lost. So writing is paused first, until the replicas have everything.
"""

import contextlib
import time

import redis
from group import wait_until

# Longer than everything below may take: writing must not go on by itself in between.
PAUSE_MS = 20_000
CATCH_UP_SECONDS = 3.0
# Beyond Sentinel's own time-out (failover-timeout, 10 s at most), after which nothing happens.
PROMOTION_SECONDS = 12.0
# Sentinel reads a replica's priority every second.
PREFERENCE_SECONDS = 10.0
PREFERRED, NORMAL = 10, 100


class NotHandedOver(Exception):
    """Nothing has changed, and writing goes on where it was. The text says why."""


def hand_over(group, to=None):
    """Makes another member the primary and this one its replica; returns the new one's name."""
    with group.member(group.name) as own:
        try:
            info = own.info("replication")
        except redis.RedisError as error:
            raise NotHandedOver(f"{group.name} does not answer: {error}") from None
        if info["role"] != "master":
            raise NotHandedOver(f"{group.name} is not the primary")
        heirs = _in_step(group, info)
        if not heirs:
            raise NotHandedOver("no replica is in step")
        if to is not None and to not in heirs:
            raise NotHandedOver(f"{to} is not in step")
        # Before anything waits: at the end of a whole stack the Sentinels are gone first.
        if group.primary_by_sentinels() != group.name:
            raise NotHandedOver("no majority of the Sentinels takes this member for the primary")
        if to is None:
            return _change(group, own, heirs)
        with group.member(to) as chosen:
            _prefer(group, chosen, to)
            try:
                return _change(group, own, heirs)
            finally:
                # Preferred next time as well, at worst.
                with contextlib.suppress(redis.RedisError):
                    chosen.config_set("replica-priority", NORMAL)


def _in_step(group, info):
    """The replicas that are connected and that Sentinel may promote."""
    online = {
        group.name_of(each["ip"])
        for key, each in info.items()
        if key.startswith("slave") and isinstance(each, dict) and each["state"] == "online"
    }
    others = group.replication(group.others())
    return [name for name, said in others.items() if name in online and group.is_heir(said)]


def _prefer(group, chosen, name):
    """Makes the Sentinels choose one replica; returns when all that answer know of it."""
    chosen.config_set("replica-priority", PREFERRED)

    def known():
        seen = []
        for sentinel in group.sentinels:
            try:
                with group.sentinel(sentinel) as client:
                    replicas = client.sentinel_slaves(group.service)
            except redis.RedisError:
                continue
            seen += [r["slave-priority"] for r in replicas if group.name_of(r["ip"]) == name]
        return bool(seen) and all(int(each) == PREFERRED for each in seen)

    if not wait_until(known, PREFERENCE_SECONDS, pause=0.5):
        chosen.config_set("replica-priority", NORMAL)
        raise NotHandedOver(f"the Sentinels do not see {name} as the preferred one")


def _change(group, own, heirs):
    own.execute_command("CLIENT", "PAUSE", PAUSE_MS, "WRITE")
    try:
        written = own.info("replication")["master_repl_offset"]

        def caught_up():
            states = group.replication(heirs)
            return len(states) == len(heirs) and all(
                state.get("slave_repl_offset", 0) >= written for state in states.values()
            )

        if not wait_until(caught_up, CATCH_UP_SECONDS):
            raise NotHandedOver("the replicas do not catch up")
        _ask_for_failover(group)
        new = wait_until(lambda: _promoted(group, heirs), PROMOTION_SECONDS)
        if not new:
            raise NotHandedOver(f"no replica was promoted within {PROMOTION_SECONDS:.0f} s")
    except BaseException:
        own.execute_command("CLIENT", "UNPAUSE")
        raise
    # Sentinel does the same, but only after having watched for 8 s. What waits is let go once
    # this member can only refuse it.
    own.execute_command("REPLICAOF", group.members[new], group.port)
    own.execute_command("CLIENT", "UNPAUSE")
    own.execute_command("CLIENT", "KILL", "USER", "application")
    return new


def _ask_for_failover(group):
    refusals = []
    deadline = time.monotonic() + CATCH_UP_SECONDS
    while time.monotonic() < deadline:
        refusals.clear()
        for name in group.sentinels:
            try:
                with group.sentinel(name) as client:
                    client.execute_command("SENTINEL", "FAILOVER", group.service)
                return
            except (redis.RedisError, OSError) as error:
                refusals.append(f"{name}: {error}")
        time.sleep(0.2)
    raise NotHandedOver("no Sentinel carries it out: " + "; ".join(refusals))


def _promoted(group, heirs):
    for name, info in group.replication(heirs).items():
        if info["role"] == "master":
            return name
    return None
