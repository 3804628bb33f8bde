"""Batches of clips and sentences as tensors, for training and inference."""
