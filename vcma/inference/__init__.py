"""Grounding sentences with a model or without one."""
