"""Training and evaluation of detectors on annotated images."""
