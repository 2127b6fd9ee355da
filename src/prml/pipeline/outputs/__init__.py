"""Outputs of a lift, one module each."""
