"""Benchmarks, with their method and last results."""
