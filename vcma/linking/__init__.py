"""Detections of one video linked over time into tubes."""
