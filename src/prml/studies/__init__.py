"""Comparisons of networks and of conditions."""
