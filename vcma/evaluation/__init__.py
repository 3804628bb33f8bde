"""Evaluation: metrics by protocol, bootstrap intervals, baselines, published results, tables, JSON predictions."""
