"""``python -m prml`` is ``prml``."""

from prml.cli import entry

if __name__ == "__main__":
    entry()
