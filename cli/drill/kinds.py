"""Which kinds of fault there are for each service that can be drilled."""

from collections.abc import Mapping

from cli.drill import postgres_faults, redis_faults
from cli.drill.faults import Fault

KINDS: Mapping[str, Mapping[str, Fault]] = {
    "postgres": postgres_faults.FAULTS,
    "redis": redis_faults.FAULTS,
}
