"""Conversion: reading predictions and tubes from files of other programs, and writing predictions as such files."""
