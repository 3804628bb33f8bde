"""Metrics by protocol with intervals, baselines, published results, tables, exchange of predictions."""
