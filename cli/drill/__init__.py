"""Breaks a running cluster for real, one kind of fault at a time, and counts what it cost.

`command` is what a person types. It makes a `campaign` of `run`s of one `service`; a run starts a
`writer` into the service's `store`, injects one of its `faults`, heals it, and settles the writer's
journal against the rows that are really there (`account`). `report`, `strip` and `picture` show
the outcome. What belongs to one service only is in the modules that bear its name.

The vault is drilled in another way: what is in it is harmed, and a restore test has to find that
(`vault`, on a `vault_scene`).
"""
