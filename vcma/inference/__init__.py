"""Grounding of sentences, with or without a trained model."""
