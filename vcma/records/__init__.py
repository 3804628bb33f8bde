"""Records that several packages exchange, each defined once with its types."""
