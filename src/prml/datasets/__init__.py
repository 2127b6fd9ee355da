"""Readers of motion capture and of the field's datasets, and the checks that every reader shares."""
