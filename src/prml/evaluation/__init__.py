"""Evaluation: metrics, protocols, result records."""
