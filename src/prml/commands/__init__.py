"""The commands of ``prml``, one file each: a dataclass ``Options`` and ``run(options)``."""
