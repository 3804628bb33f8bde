"""Regions of tubes as vectors of a region-text encoder."""
