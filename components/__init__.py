"""What runs: one module a component."""
