"""Passwords that nobody chooses: generated once, and kept."""

from collections.abc import Iterable

import pulumi
import pulumi_random as random

LENGTH = 32


def generate(
    name: str, users: Iterable[str], parent: pulumi.Resource
) -> dict[str, pulumi.Output[str]]:
    """{user: password}, each a resource of its own, named after the user."""
    return {
        user: random.RandomPassword(
            f"{name}-password-{user}",
            length=LENGTH,
            special=False,
            opts=pulumi.ResourceOptions(parent=parent),
        ).result
        for user in users
    }
