"""Data sets: one module per annotation format, each reading its files into an index of samples and ground truth."""
