"""How good is it: metrics, protocols with their rules in words, result records, robustness."""
