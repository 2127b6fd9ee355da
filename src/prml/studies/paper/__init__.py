"""The tables and figures of the PrML paper, each by its number."""
