"""From an input to results on disk: what ``prml lift`` and ``prml.lift`` run."""
