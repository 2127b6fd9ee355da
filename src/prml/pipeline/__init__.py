"""From an input to results on disk: the code behind ``prml lift`` and ``prml.lift``."""
