"""Text features, and agreement of phrases with detector labels and region embeddings."""
