"""The door: verbs, options and mistakes. A mistake gives one line on stderr, exit code 2, no traceback."""

import errno
import importlib
import subprocess
import sys
from keyword import iskeyword
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest

from prml import __version__, cli
from prml.cli import VERBS, main
from prml.errors import PrmlError

every_verb = pytest.mark.parametrize("verb", VERBS)


@pytest.fixture
def echo(monkeypatch):
    """A verb ``echo`` with options of every kind, that returns what it was called with."""
    calls = []

    def command(
        source: str,
        count: int = 1,
        keep_all: bool = False,
        size: float = 1.5,
        names: list[str] = [],  # noqa: B006
        kind: Literal["a", "b"] = "a",
        limit: int | None = None,
    ) -> int:
        """Repeat what is given.

        Args:
            source: what to repeat.
            count: how often.
            keep_all: keep everything.
            size: a number.
            names: may be repeated.
            kind: of which kind.
            limit: at most so many.
        """
        calls.append((source, count, keep_all, size, tuple(names)))
        return 0

    module = SimpleNamespace(command=command)
    monkeypatch.setitem(cli.VERBS, "echo", "repeat")
    monkeypatch.setattr(cli, "import_module", lambda name: module)
    module.calls = calls
    return module


def _refusal(capsys, arguments):
    """The one line that a refused call writes."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert err.count("\n") == 1
    assert err.startswith(f"prml {arguments[0]}: ")
    return err


@every_verb
def test_every_verb_is_a_module_with_a_command(verb):
    name = verb.replace("-", "_")
    module = importlib.import_module(f"prml.commands.{name + '_' * iskeyword(name)}")
    assert callable(getattr(module, "main", None) or module.command)


@every_verb
def test_every_verb_shows_its_options(verb, capsys):
    with pytest.raises(SystemExit) as stopped:
        raise SystemExit(main([verb, "--help"]))
    assert stopped.value.code in (0, None)
    assert f"prml {verb}" in capsys.readouterr().out


@every_verb
def test_every_verb_refuses_an_unknown_option(verb, capsys):
    line = _refusal(capsys, [verb, "--no-such-option"])
    assert "no-such-option" in line or "required" in line


def test_help_lists_the_verbs(capsys):
    for arguments in ([], ["--help"], ["-h"], ["help"]):
        assert main(arguments) == 0
        text = capsys.readouterr().out
        assert all(verb in text for verb in VERBS)


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"prml {__version__}\n"


@pytest.mark.parametrize(("typed", "meant"), [("lifft", "lift"), ("evalute", "evaluate"), ("model", "models")])
def test_an_unknown_verb_suggests_the_nearest(capsys, typed, meant):
    assert f"did you mean 'prml {meant}'?" in _refusal(capsys, [typed])


def test_an_unknown_verb_far_from_all_lists_them(capsys):
    assert "the verbs are: lift, fit" in _refusal(capsys, ["zzz"])


def test_options_reach_the_command(echo):
    assert main(["echo", "a", "--count", "3", "--keep-all", "--size=2"]) == 0
    assert main(["echo", "b", "--keep_all", "true"]) == 0
    assert main(["echo", "c", "--keep-all=false"]) == 0
    assert main(["echo", "--keep-all", "d"]) == 0
    assert main(["echo", "--no-keep-all", "e", "--names", "x", "--names=y"]) == 0
    assert echo.calls == [
        ("a", 3, True, 2.0, ()),
        ("b", 1, True, 1.5, ()),
        ("c", 1, False, 1.5, ()),
        ("d", 1, True, 1.5, ()),
        ("e", 1, False, 1.5, ("x", "y")),
    ]


def test_an_unknown_option_suggests_the_nearest(echo, capsys):
    assert "unknown option --cuont; did you mean --count?" in _refusal(capsys, ["echo", "a", "--cuont", "3"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "source"),
        (["a", "--count", "many"], "--count: expected a whole number, got many"),
        (["a", "--size", "big"], "--size: expected a number, got big"),
        (["a", "--kind", "c"], "--kind: expected one of a, b, got c"),
        (["a", "--limit", "none at all"], "--limit: expected a whole number, got none at all"),
        (["a", "b"], "b"),
        (["a", "--nothing-like-it"], "--nothing-like-it"),
    ],
)
def test_a_wrong_value_is_named_and_help_is_offered(echo, capsys, arguments, told):
    line = _refusal(capsys, ["echo", *arguments])
    assert told in line
    assert "'prml echo --help'" in line


def test_a_complaint_of_the_library_becomes_one_line(echo, capsys):
    def command() -> None:
        raise PrmlError("expected a video, got a cake; give a video")

    echo.command = command
    assert _refusal(capsys, ["echo"]) == "prml echo: expected a video, got a cake; give a video\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_what_the_machine_refuses_becomes_one_line(echo, capsys, number):
    def command() -> None:
        import os

        raise OSError(number, os.strerror(number), "out/poses.npz")

    echo.command = command
    assert "out/poses.npz; " in _refusal(capsys, ["echo"])


def test_a_fault_of_the_program_is_not_hidden(echo):
    def command() -> None:
        raise OSError(errno.EBADF, "a bug")

    echo.command = command
    with pytest.raises(OSError, match="a bug"):
        main(["echo"])


def test_an_interruption_is_not_a_traceback(echo, capsys):
    def command() -> None:
        raise KeyboardInterrupt

    echo.command = command
    assert main(["echo"]) == 130
    assert capsys.readouterr().err == "prml echo: interrupted\n"


def test_words_and_cells_are_printed_as_they_are(capsys):
    from rich.table import Table

    from prml.commands._console import plain_console, print_tables

    words = "runs/[a] [/b] :dog:/best.safetensors"
    table = Table(words, title=words)
    table.add_row(words)
    console = plain_console()
    console.print(words)
    print_tables(console, [table])
    assert capsys.readouterr().out.count(words) == 4


@pytest.mark.parametrize("path", sorted(Path(cli.__file__).parent.glob("commands/*.py")), ids=lambda p: p.stem)
def test_no_verb_has_a_console_of_its_own(path):
    assert path.stem == "_console" or " Console(" not in path.read_text()


@pytest.mark.parametrize("module", ["prml", "prml.cli"])
def test_the_process_exits_with_the_code(module):
    done = subprocess.run([sys.executable, "-m", module, "lifft"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "prml lifft: unknown verb 'lifft'; did you mean 'prml lift'?\n"
