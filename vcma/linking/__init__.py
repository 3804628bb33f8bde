"""Regions linked over time into tubes."""
