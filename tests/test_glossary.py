"""The project's words: what codespell's list of single words (.ci/glossary.txt) cannot hold.

Names and phrases that the glossary replaced do not come back into the code or the documents.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "src/prml").rglob("*.py"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

NAMES = {
    r"_?(MOST|LEAST)_\w+": "MAX_..., MIN_...",
    r"(most|least|heed|verbs?|doors?|spoil\w*|mend\w*|exchanged?)": "the glossary's word",
    r"(contestants?|opening|suspicions)": "the glossary's word",
    r"\w*(_verb|verb_|_own|_anew|mend_|_mended|spoil)\w*": "the glossary's word",
}
PHRASES = {
    r"\bevery so many\b": "every n-th",
    r"\bcannot be had\b": "is not available",
    r"\bat the door\b": "at input",
    r"\bthe only door\b": "the entry point",
    r"\bverbs?\b": "command",
    r"\bis there already\b": "already exists",
    r"\bnobody shall\b": "so ... never",
    r"(, |\btype )in words\b": "as text",
    r"\bone's own\b": "custom",
    r"(?<!there )\bis no (number|file|folder|list|cache|human|projection)\b": "is not a ...",
    r"(?<!there )\bis no (terminal|decoder|peer|objective|label)\b": "is not a ...",
}


def _names(tree):
    """Names that a module gives to functions, classes, parameters, attributes and variables."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT / "src/prml")))
def test_names_follow_the_glossary(path):
    found = {
        f"{name}: use {better}"
        for name in _names(ast.parse(path.read_text()))
        for pattern, better in NAMES.items()
        if re.fullmatch(pattern, name)
    }
    assert not found


@pytest.mark.parametrize("path", [*MODULES, *PAGES], ids=lambda p: str(p.relative_to(ROOT)))
def test_prose_follows_the_glossary(path):
    text = path.read_text()
    found = [
        f"line {text[: match.start()].count(chr(10)) + 1}: {match[0]!r}: {better}"
        for pattern, better in PHRASES.items()
        for match in re.finditer(pattern, text, re.IGNORECASE)
    ]
    assert not found
