"""Stacks of instructions kept by name."""
