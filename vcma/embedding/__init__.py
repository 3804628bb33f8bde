"""Embeddings of tube regions by a region-text encoder."""
