"""Measurements that write dated result files."""
