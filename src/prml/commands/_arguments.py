"""Argument parsing for verbs with positional words, with errors in one line."""

from argparse import ArgumentParser
from typing import NoReturn

from prml.errors import PrmlError


class Arguments(ArgumentParser):
    """An ``ArgumentParser`` that raises PrmlError where the original prints usage and exits.

    Args:
        verb: of ``prml``.
        description: one line of help.
    """

    def __init__(self, verb: str, description: str) -> None:
        super().__init__(prog=f"prml {verb}", description=description)
        self.verb = verb

    def error(self, message: str) -> NoReturn:
        """Say in one line what is wrong and what to do."""
        raise PrmlError(f"{message}; 'prml {self.verb} --help' shows what it takes")
