"""Metrics by protocol, baselines, published results, tables, exchange of predictions."""
