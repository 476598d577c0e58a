"""Applies a Docker stack on a machine without the Pulumi CLI.

The very same program runs against a resource monitor that creates the real thing. It is a small
adapter, not an engine: it knows only the resource types this program uses on Docker.
"""
