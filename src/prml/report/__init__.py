"""Tables and figures: how results are shown."""
