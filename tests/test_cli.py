"""Commands, options and mistakes. A mistake gives one line on stderr, exit code 2, no traceback."""

import ast
import errno
import os
import re
import subprocess
import sys
from dataclasses import KW_ONLY, dataclass, fields
from keyword import iskeyword
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prml import __version__, cli
from prml.cli import COMMANDS, find, main
from prml.commands._messages import as_typed
from prml.commands._parser import CommandLine, parse
from prml.errors import PrmlError, printable
from prml.options import leaves, option

EVERY = [[c] for c in COMMANDS if c != "data"] + [["data", c] for c in ("import", "check", "cameras", "features")]
every_command = pytest.mark.parametrize("words", EVERY, ids=" ".join)


@dataclass
class Inner:
    """Options in a file.

    Attributes:
        depth: how deep.
        quick: at once.
        more: whatever else.
    """

    depth: int = option(1, minimum=0)
    quick: bool = True
    more: dict[str, Any] = option(factory=dict)


@dataclass
class Echo:
    """Repeat what is given.

    Attributes:
        source: what to repeat.
        count: how often.
        keep_all: keep everything.
        size: a number.
        names: may be repeated.
        kind: of which kind.
        limit: at most so many.
        place: where.
        flip: turn or not.
    """

    source: str = option(positional=True, local=True)
    _: KW_ONLY
    count: int = option(1, maximum=9)
    keep_all: bool = False
    size: float = 1.5
    names: list[str] = option(factory=list)
    kind: Literal["a", "b"] = "a"
    limit: int | None = None
    place: Path | None = None
    flip: bool | None = None


@dataclass
class Filed:
    """Read a file.

    Attributes:
        config: the file.
        out: where to.
    """

    config: Path = option(positional=True)
    _: KW_ONLY
    out: str = "here"
    settings: Inner = option(factory=Inner, from_file="config")


@pytest.fixture
def echo(monkeypatch):
    """A command ``echo`` with options of every kind, which records its arguments."""
    calls = []
    module = SimpleNamespace(Options=Echo, run=calls.append, calls=calls)
    monkeypatch.setitem(cli.COMMANDS, "echo", "repeat")
    monkeypatch.setattr(cli, "import_module", lambda name: module)
    return module


def _refusal(capsys, arguments):
    """The one-line message of a refused call."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert err.count("\n") == 1
    assert err.startswith(f"prml {arguments[0]}: ")
    return err


@every_command
def test_every_command_has_options_and_runs(words):
    module, command, rest = find(words)
    assert (command, rest) == (" ".join(words), [])
    assert module.__name__.endswith(".".join(w.replace("-", "_") + "_" * iskeyword(w) for w in words))
    assert callable(module.run)
    assert fields(module.Options)


@every_command
def test_every_command_shows_its_options(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        raise SystemExit(main([*words, "--help"]))
    assert stopped.value.code in (0, None)
    shown = capsys.readouterr().out
    assert f"prml {' '.join(words)}" in shown
    module, command, _ = find(words)
    for flag in CommandLine(module.Options, command).flags.values():
        assert flag in shown


@every_command
def test_every_option_is_described(words):
    for leaf in leaves(find(words)[0].Options).values():
        assert leaf.description, leaf.name
        assert not leaf.description[0].isspace()


@every_command
def test_every_command_refuses_an_unknown_option(words, capsys):
    line = _refusal(capsys, [*words, "--no-such-option"])
    assert "unknown option --no-such-option" in line


def test_help_lists_the_commands(capsys):
    for arguments in ([], ["--help"], ["-h"], ["help"]):
        assert main(arguments) == 0
        text = capsys.readouterr().out
        assert all(command in text for command in COMMANDS)


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"prml {__version__}\n"


@pytest.mark.parametrize(("typed", "meant"), [("lifft", "lift"), ("evalute", "evaluate"), ("model", "models")])
def test_an_unknown_command_suggests_the_nearest(capsys, typed, meant):
    assert f"did you mean 'prml {meant}'?" in _refusal(capsys, [typed])


def test_an_unknown_command_far_from_all_lists_them(capsys):
    assert "the commands are: lift, serve, view, check" in _refusal(capsys, ["zzz"])


def test_options_reach_the_command(echo):
    assert main(["echo", "a", "--count", "3", "--keep-all", "--size=2"]) == 0
    assert main(["echo", "b", "--keep_all", "true"]) == 0
    assert main(["echo", "c", "--keep-all=false"]) == 0
    assert main(["echo", "--keep-all", "d"]) == 0
    assert main(["echo", "--no-keep-all", "e", "--names", "x", "--names=y"]) == 0
    assert main(["echo", "--names", "[x, y]", "f", "--no_keep_all", "--limit", "null", "--place", "a/b"]) == 0
    assert main(["echo", "--source", "g", "--flip", "FALSE", "--limit=-3", "--kind", "b"]) == 0
    assert (
        main(
            [
                "echo",
                "--source=h",
                "--no-flip",
                "--",
            ]
        )
        == 0
    )
    assert echo.calls == [
        Echo("a", count=3, keep_all=True, size=2.0),
        Echo("b", keep_all=True),
        Echo("c"),
        Echo("d", keep_all=True),
        Echo("e", names=["x", "y"]),
        Echo("f", names=["x", "y"], place=Path("a/b")),
        Echo("g", flip=False, limit=-3, kind="b"),
        Echo("h", flip=False),
    ]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("--cuont", "--count"), ("--keepall", "--keep-all"), ("--no_kep_all", "--no-keep-all"), ("--nams", "--names")],
)
def test_an_unknown_option_suggests_the_nearest(echo, capsys, typed, meant):
    assert f"unknown option {typed}; did you mean {meant}?" in _refusal(capsys, ["echo", "a", typed, "3"])


@pytest.mark.parametrize("words", [["lift", "x.mp4", "--person"], ["lift", "--zoom=3", "x.mp4"]])
def test_an_option_far_from_all_suggests_none(capsys, words):
    line = _refusal(capsys, words)
    assert "did you mean" not in line
    assert "'prml lift --help' shows the options" in line


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "source"),
        (["a", "--count", "many"], "--count: expected a whole number, got many"),
        (["a", "--size", "big"], "--size: expected a number, got big"),
        (["a", "--kind", "c"], "--kind: expected one of a, b, got c"),
        (["a", "--limit", "none at all"], "--limit: expected a whole number, got none at all"),
        (["a", "--keep-all=maybe"], "--keep-all: expected true or false, got maybe"),
        (["a", "--count", "10"], "--count must be at most 9, got 10"),
        (["a", "--count"], "--count"),
        (["a", "b"], "b"),
        (["a", "-x"], "-x"),
        (["a", "--nothing-like-it"], "--nothing-like-it"),
    ],
)
def test_a_wrong_value_is_named_and_help_is_offered(echo, capsys, arguments, told):
    assert told in _refusal(capsys, ["echo", *arguments])


def test_a_complaint_of_the_library_becomes_one_line(echo, capsys):
    def run(_) -> None:
        raise PrmlError("expected a video, got a cake; give a video")

    echo.run = run
    assert _refusal(capsys, ["echo", "a"]) == "prml echo: expected a video, got a cake; give a video\n"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_what_the_machine_refuses_becomes_one_line(echo, capsys, number):
    def run(_) -> None:
        raise OSError(number, os.strerror(number), "out/poses.npz")

    echo.run = run
    assert "out/poses.npz; " in _refusal(capsys, ["echo", "a"])


def test_a_warning_is_one_line_without_its_place_in_the_code(capsys, monkeypatch):
    import warnings

    from prml.studies import compare

    def run(_) -> None:
        print(warnings.formatwarning("slow\nhere \x1b[1m; give count=", UserWarning, compare.__file__, 1), end="")
        print(warnings.formatwarning("of another package", UserWarning, "elsewhere.py", 1), end="")

    monkeypatch.setitem(cli.COMMANDS, "echo", "repeat")
    monkeypatch.setattr(cli, "import_module", lambda name: SimpleNamespace(Options=Echo, run=run))
    assert main(["echo", "a"]) == 0
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert first == "note: slow\\nhere \\x1b[1m; give --count"
    assert second == "elsewhere.py:1: UserWarning: of another package"
    assert "elsewhere.py:1" in warnings.formatwarning("x", UserWarning, "elsewhere.py", 1)
    assert "compare.py:1" in warnings.formatwarning("x", UserWarning, compare.__file__, 1)


def test_a_fault_of_the_program_is_not_hidden(echo):
    def run(_) -> None:
        raise OSError(errno.EBADF, "a bug")

    echo.run = run
    with pytest.raises(OSError, match="a bug"):
        main(["echo", "a"])


def test_an_interruption_is_not_a_traceback(echo, capsys):
    def run(_) -> None:
        raise KeyboardInterrupt

    echo.run = run
    assert main(["echo", "a"]) == 130
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


def test_a_table_in_a_pipe_has_no_blanks_around_it(capsys):
    from rich import box
    from rich.table import Table

    from prml.commands._console import plain_console, print_tables

    table = Table("name", "a wide column of numbers", box=box.SIMPLE_HEAD)
    table.add_row("prml", "1")
    print_tables(plain_console(), [table])
    lines = capsys.readouterr().out.removesuffix("\n").split("\n")
    assert len(lines) == 3
    assert all(line and line == line.rstrip() for line in lines)


def test_the_help_of_a_lift_names_its_values_as_the_documentation_does(capsys):
    assert main(["lift", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for text in ("--fov DEGREES", "--fps RATE", "--intrinsics FILE", "for example cpu, cuda, cuda:1 or mps (default"):
        assert text in shown
    assert ", (" not in shown


@pytest.mark.parametrize("path", sorted(Path(cli.__file__).parent.glob("commands/*.py")), ids=lambda p: p.stem)
def test_no_command_has_a_console_of_its_own(path):
    assert path.stem == "_console" or " Console(" not in path.read_text()


@pytest.mark.parametrize("module", ["prml", "prml.cli"])
def test_the_process_exits_with_the_code(module):
    done = subprocess.run([sys.executable, "-m", module, "lifft"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "prml lifft: unknown command 'lifft'; did you mean 'prml lift'?\n"


# ---------------------------------------------------------------------- a configuration file with overrides
def _filed(tmp_path, text, *words):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return parse(Filed, "filed", [str(path), *words])


def test_what_is_typed_replaces_what_the_file_says(tmp_path):
    made = _filed(tmp_path, "depth: 3\nmore: {a: 1, b: {c: 2}}\n", "--out", "x", "--no-quick", "--more.b.c", "[4]")
    assert (made.out, made.settings) == ("x", Inner(3, False, {"a": 1, "b": {"c": [4]}}))
    assert _filed(tmp_path, "", "--quick=false", "--depth=2").settings == Inner(2, False)
    path = tmp_path / "c.yaml"
    assert parse(Filed, "filed", ["--config", str(path)]).settings == Inner()
    assert parse(Filed, "filed", [f"--config={path}", "--more={d: 1}"]).settings.more == {"d": 1}


@pytest.mark.parametrize(
    ("text", "words", "told"),
    [
        ("dpeth: 3", [], r"c.yaml: unknown option 'dpeth'; did you mean 'depth'"),
        ("depth: deep", [], r"c.yaml: depth: expected a whole number, got deep"),
        ("depth: -1", [], r"depth must be at least 0, got -1"),
        ("[1]", [], r"c.yaml must contain a mapping"),
        ("a: &b {}\nc: *b", [], r"c.yaml uses YAML aliases"),
        ("", ["--dpeth", "3"], r"unknown option --dpeth; did you mean --depth"),
        ("", ["--depth", "deep"], r"depth: expected a whole number, got deep"),
    ],
)
def test_mistakes_in_files_and_overrides_are_named(tmp_path, text, words, told):
    with pytest.raises(PrmlError, match=told) as caught:
        _filed(tmp_path, text, *words)
    assert "settings" not in str(caught.value)


# ---------------------------------------------------------------------- local files only
@pytest.mark.parametrize(
    "words",
    [
        ["lift", "https://example.org/a.mp4"],
        ["lift", "a.mp4", "--weights", "https://example.org/w.safetensors"],
        ["compare", "a.json", "http://example.org/b.json"],
        ["data", "check", "ftp://example.org/a.npz"],
        ["robustness", "--weights=s3://bucket/w", "--protocol=mocap-gt"],
        ["fit", "https://example.org/c.yaml"],
        ["echo", "rtsp://example.org/live"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_url_is_said_to_be_one(capsys, words, request):
    if words[0] == "echo":
        request.getfixturevalue("echo")
    url = next(word for word in words if "://" in word).partition("=")[2] or words[-1]
    line = _refusal(capsys, words)
    assert f"{url} is a URL; prml reads local files: download it first" in line


# ---------------------------------------------------------------------- messages
FLAGS = {"fps": "--fps", "overwrite": "--overwrite", "half": "--half", "file_fps": "--file-fps", "input": "input"}


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("out exists; pass overwrite=True to replace it", "out exists; pass --overwrite to replace it"),
        ("keep float32 (half=False)", "keep float32 (--no-half)"),
        ("give fps=..., or file_fps=...", "give --fps, or --file-fps"),
        ("expected fps=25, got fps=0", "expected --fps 25, got --fps 0"),
        ("give another input=...", "give another input"),
        ("what is its true rate? Pass file_fps=", "what is its true rate? Pass --file-fps"),
        ("give fps= if you know it", "give --fps if you know it"),
        ("split=val is not an option here", "split=val is not an option here"),
        ("set data.fps=3 in the file", "set data.fps=3 in the file"),
        ("fps=30.mp4 has no images; give fps=...", "fps=30.mp4 has no images; give --fps"),
        ("no such file: clips/fps=30.mp4", "no such file: clips/fps=30.mp4"),
    ],
)
def test_parameters_become_what_may_be_typed(said, shown):
    assert as_typed(said, FLAGS, ["lift", "fps=30.mp4"]) == shown


def test_the_command_line_shows_flags(echo, capsys):
    def run(_) -> None:
        raise PrmlError("pass keep_all=True or give another place=...; weights=... stays")

    echo.run = run
    assert "pass --keep-all or give another --place; weights=... stays" in _refusal(capsys, ["echo", "a"])


def _messages(path):
    """The string literals of a module, without docstrings, comments, and commands to copy ("prml lift ...")."""
    tree = ast.parse(path.read_text())
    bodies = [n.body for n in ast.walk(tree) if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef)]
    docs = {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}
    formatted = [n.values for n in ast.walk(tree) if isinstance(n, ast.JoinedStr)]
    copied = [parts for parts in formatted if str(getattr(parts[0], "value", "")).startswith("prml ")]
    commands = {id(part) for parts in copied for part in parts}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs | commands:
            yield node.value


SOURCE = Path(cli.__file__).parent
LIBRARY = [
    p for p in sorted(SOURCE.rglob("*.py")) if "commands" not in p.parts and p.name not in ("cli.py", "provenance.py")
]


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: str(p.relative_to(SOURCE)))
def test_no_message_of_the_library_names_a_flag(path):
    """It speaks of parameters (``fps=...``); the command line translates."""
    assert [text for text in _messages(path) if re.search(r"(?<![\w-])--[a-z]", text)] == []


@given(st.text() | st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"])))
def test_nothing_that_a_terminal_obeys_is_printed(text):
    shown = printable(text)
    assert "\x1b" not in shown
    assert "\n" not in shown
    shown.encode("utf-8")  # no lone surrogates
    assert len(printable(text, 50)) <= 50


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain äöü 漢字 \u3000 text", "plain äöü 漢字 \u3000 text"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\nb", "a\\nb"),
        ("\udcff.mp4", "\\udcff.mp4"),
        ("right\u202eleft", "right\\u202eleft"),
    ],
)
def test_what_is_escaped(text, shown):
    assert printable(text) == shown


def test_a_long_message_keeps_its_beginning_and_its_end(echo, capsys):
    def run(_) -> None:
        raise PrmlError(f"begin {'x' * 5000}\nend; do this")

    echo.run = run
    line = _refusal(capsys, ["echo", "a"])
    assert len(line) <= cli.MAX_MESSAGE + 1
    assert line.startswith("prml echo: begin xxx")
    assert line.endswith(" end; do this\n")


def test_notes_and_tables_are_escaped(capsys):
    from rich.table import Table

    from prml.commands._console import plain_console, print_tables

    console = plain_console()
    table = Table("name \x1b[2J")
    table.add_row("\udcff\x07")
    console.print("a\x1b]0;title\x07 b\nc \udcff")
    print_tables(console, [table])
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "a\\x1b]0;title\\x07 b\nc \\udcff" in shown


def test_an_output_that_knows_no_letters_is_no_traceback():
    program = "from prml.commands._console import plain_console; plain_console().print('gr\u00fc\u00df \u6f22')"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (0, "gr\\xfc\\xdf \\u6f22\n")


def test_a_reader_that_goes_away_is_no_traceback():
    words = [sys.executable, "-m", "prml", "protocols"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


NO_HOME = """
import os, pwd, sys
for name in ("HOME", "XDG_CACHE_HOME", "PRML_CACHE", "USER", "LOGNAME"):
    os.environ.pop(name, None)
def nobody(*_):
    raise KeyError("no such user")
pwd.getpwuid = pwd.getpwnam = nobody
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no list of users")
def test_a_user_without_a_home_gets_a_temporary_cache_and_is_told_once(tmp_path):
    program = NO_HOME + (
        "from prml.commands._messages import as_typed\n"
        "import prml.cli, prml.commands.models as models\n"
        "def run(options):\n"
        "    from prml.datasets.cache import cache_root\n"
        "    print(cache_root()); print(cache_root().is_dir() and cache_root() == cache_root())\n"
        "models.run = run\n"
        "prml.cli.entry()\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program, "models"], capture_output=True, text=True, env=environment)
    folder, there = done.stdout.split()
    assert (done.returncode, there) == (0, "True")
    assert Path(folder).parent == tmp_path
    assert not Path(folder).exists()
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("note: this user has no home folder")


@pytest.mark.skipif(sys.platform == "win32", reason="has no list of users")
@pytest.mark.parametrize(
    "words", [["--version"], ["lift", "--help"], ["protocols"], ["models", "prml-xs"]], ids=" ".join
)
def test_no_command_needs_a_home_to_start(words):
    program = NO_HOME + "from prml.cli import entry; entry()"
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """An empty configuration file."""
    path = tmp_path_factory.mktemp("empty") / "c.yaml"
    path.touch()
    return path


WORDS = st.sampled_from(
    [
        "--count",
        "--count=3",
        "--keep-all",
        "--no-keep-all",
        "--keep-all=x",
        "--names",
        "[",
        "{a: *b}",
        "--",
        "-",
        "-1",
        "a",
    ]
    + [
        "--depth",
        "--more",
        "--more.a",
        "--more.a.b=[",
        "--quick",
        "true",
        "null",
        ".nan",
        "--config",
        "--=",
        "--no-",
        "=3",
    ]
)


@given(st.lists(WORDS | st.text(max_size=6), max_size=6))
@pytest.mark.parametrize("kind", [Echo, Filed])
def test_whatever_is_typed_it_is_options_or_one_line(empty, kind, words):
    if "-h" in words or "--help" in words:
        return
    try:
        made = parse(kind, "echo", [str(empty), *words])
    except PrmlError as error:
        assert str(error)  # noqa: PT017
    else:
        assert isinstance(made, kind)
