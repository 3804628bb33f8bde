"""Detectors and the regions they find in the sampled frames."""
