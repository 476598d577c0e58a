"""This machine: what the local stack needs of it."""
