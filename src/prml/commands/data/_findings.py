"""Print what looks wrong in motion data."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from prml.datasets.inspect import Finding

MAX_SHOWN = 12  # of each level


def print_findings(console: "Console", findings: "Sequence[Finding]") -> None:
    """Print errors, then warnings; long lists are truncated."""
    for level in ("error", "warning"):
        of_level = [f for f in findings if f.level == level]
        for finding in of_level[:MAX_SHOWN]:
            console.print(f"  {level}: {finding.where}: {finding.text}", soft_wrap=True)
        if len(of_level) > MAX_SHOWN:
            console.print(f"  ... and {len(of_level) - MAX_SHOWN} more {level}s")
    if not findings:
        console.print("  nothing looks wrong")
