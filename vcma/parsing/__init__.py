"""Sentences parsed into entities, relations and the entity asked for."""
