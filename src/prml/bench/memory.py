"""Memory of a process and of those that it starts."""

from pathlib import Path
from threading import Event, Thread

_EVERY_S = 0.2


class PeakMemory:
    """Measures, in a thread, the largest memory of a process and its descendants together; Linux only.

    Pages that processes share count once (proportional set size).

    Args:
        pid: of the process.

    Attributes:
        bytes: the largest memory so far; 0 where the system does not tell.
    """

    def __init__(self, pid: int) -> None:
        self.bytes, self._stop = 0, Event()
        self._thread = Thread(target=self._watch, args=(pid,), daemon=True)
        self._thread.start()

    def _watch(self, pid: int) -> None:
        while not self._stop.wait(_EVERY_S):
            self.bytes = max(self.bytes, sum(map(_bytes, _family(pid))))

    def stop(self) -> int:
        """Stop measuring and return the largest memory."""
        self._stop.set()
        self._thread.join()
        return self.bytes


def _family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    found = [pid]
    for one in found:
        for file in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += map(int, file.read_text().split())
            except OSError:  # it has ended
                continue
    return found


def _bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
