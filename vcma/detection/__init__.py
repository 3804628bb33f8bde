"""Object detection: regions in the sampled frames of a video."""
