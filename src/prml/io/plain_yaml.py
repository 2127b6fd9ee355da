"""Read YAML files with plain values: without aliases, which can expand without limit, or deep nesting."""

from pathlib import Path
from typing import Any

import yaml

from prml.errors import PrmlError

MAX_BYTES = 2**20
MAX_DEPTH = 20
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # five times as fast where PyYAML was built with it


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file; None if it is empty.

    Raises:
        PrmlError: the file is not readable, not YAML, too large, too deeply nested, or uses aliases.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise PrmlError(f"{path} is larger than {MAX_BYTES // 2**10} KiB; expected a short YAML file")
        return parse_yaml(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise PrmlError(f"{path} cannot be read as YAML: {reason}") from error


def parse_yaml(text: str, name: str) -> Any:
    """Return the content of YAML text; raise PrmlError as :func:`read_yaml`, with ``name`` in front."""
    try:
        _check_events(text, name)
        return yaml.load(text, _LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise PrmlError(f"{name} is not YAML: {at}{error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, TypeError) as error:  # a date that does not exist, an unhashable key
        raise PrmlError(f"{name} is not YAML: {' '.join(str(error).split())}") from error


def _check_events(text: str, name: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise PrmlError(f"{name} uses YAML aliases (*{event.anchor}); write the values out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise PrmlError(f"{name} is nested more than {MAX_DEPTH} levels deep")
