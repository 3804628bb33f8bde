"""Data sets: one small module an annotation format, each from its files to one index of samples and truth."""
