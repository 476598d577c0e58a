"""Backups: taken, copied, watched, and proven to restore."""
