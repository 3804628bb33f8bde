"""Video files: decode, sample and annotate frames."""
