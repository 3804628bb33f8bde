"""Sentences and clips as batches of tensors: what training and inference both read."""
