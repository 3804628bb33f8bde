"""Linking of the detections of one video over time into tubes."""
