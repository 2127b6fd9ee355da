"""Messages for people who must not learn where the server keeps its files."""

import re
from collections.abc import Mapping

from prml.errors import printable

MAX_TEXT = 400
_PATH = re.compile(r"(?<![\w:/.])(?:file:)?(?:[A-Za-z]:)?(?:[/\\][^/\\\s'\"()<>:;,|]+){2,}")


def public(text: str, known: Mapping[str, str]) -> str:
    """Return a message without paths: known ones are replaced, of others the last part is left.

    Args:
        text: the message.
        known: what to write instead of which text; the longest is replaced first.
    """
    for path in sorted(known, key=len, reverse=True):
        text = text.replace(path, known[path])
    return printable(_PATH.sub(lambda hit: re.split(r"[/\\]", hit.group())[-1], text), MAX_TEXT)
