"""Training and judging a detector by boxes."""
