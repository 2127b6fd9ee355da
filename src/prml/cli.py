"""The command line: ``prml COMMAND ...``. Commands live in ``prml.commands``, imported only when they are called."""

import atexit
import errno
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from keyword import iskeyword
from types import ModuleType
from typing import Any

from prml import __version__
from prml.errors import PrmlError, printable

# Command -> one line of help. The module ``prml.commands.<command>`` has a dataclass ``Options`` for its arguments and
# ``run(options)``; a command with subcommands has ``COMMANDS`` as here.
COMMANDS: dict[str, str] = {
    "lift": "video, image folder or 2D keypoints -> 3D joints, overlay, viewer",
    "serve": "a page in the browser: drop a video, get the viewer and all files",
    "view": "rebuild the page of a result folder, or show two results on one page",
    "check": "print how good a motion is, and fail if it is beyond given limits",
    "live": "a camera, a stream or a file in real time -> page, JSON lines, WebSocket, avatars",
    "export": "files for Blender, OpenSim, robots and others from a result folder or a motion file",
    "fit": "train a network from a YAML configuration",
    "evaluate": "score weights under a named protocol",
    "compare": "show result files of one protocol side by side",
    "compare-networks": "train networks of equal cost on equal data, and compare them",
    "paper": "the tables and figures of the PrML paper, by number",
    "robustness": "measure how the error grows when the 2D input gets worse",
    "data": "import motion files, check a dataset, extract Human3.6M's calibration from your own copy",
    "import": "convert another paper's published checkpoint to our weights format",
    "export-weights": "a network as a file for ONNX Runtime or OpenVINO",
    "models": "list the networks: parameters, multiply-adds, window",
    "protocols": "list the evaluation protocols, or print the rules of one",
    "bench": "measure speed on this machine",
}
_HELP = ("-h", "--help", "help")
MAX_MESSAGE = 600  # characters of a message on the terminal

# System errors that the user, not the program, has to fix.
_USERS_TO_REPAIR: dict[int, str] = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some of your quota",
    errno.EACCES: "check the permissions",
    errno.EPERM: "check the permissions",
    errno.EROFS: "the file system is read-only",
}


def _usage(title: str, commands: Mapping[str, str]) -> str:
    width = max(map(len, commands))
    rows = "\n".join(f"  {command:<{width}}  {text}" for command, text in commands.items())
    return f"usage: {title} COMMAND ...\n\n{rows}\n\n'{title} COMMAND --help' shows the options of a command"


def _unknown(title: str, command: str, commands: Mapping[str, str]) -> PrmlError:
    from difflib import get_close_matches

    near = get_close_matches(command, commands, n=1)
    hint = f"did you mean '{title} {near[0]}'?" if near else f"the commands are: {', '.join(commands)}"
    return PrmlError(f"unknown command {command!r}; {hint}")


def find(words: Sequence[str]) -> tuple[ModuleType, str, list[str]]:
    """Return the module of the command at the start of the arguments, its full name, and the remaining arguments.

    Raises:
        PrmlError: the command is unknown; the message suggests the nearest one.
        SystemExit: help on a command with subcommands was printed.
    """
    title, package, commands, rest = "prml", "prml.commands", COMMANDS, list(words)
    while True:
        command = rest.pop(0)
        if command not in commands:
            raise _unknown(title, command, commands)
        name = command.replace("-", "_")
        module = import_module(f"{package}.{name + '_' * iskeyword(name)}")  # 'import' is import_.py
        title = f"{title} {command}"
        if not hasattr(module, "COMMANDS"):
            return module, title.removeprefix("prml "), rest
        package, commands = module.__name__, module.COMMANDS
        if not rest or rest[0] in _HELP:
            sys.stdout.write(_usage(title, commands) + "\n")
            raise SystemExit(0)


def _run(words: Sequence[str]) -> int:
    module, command, rest = find(words)
    from prml.commands._messages import as_typed
    from prml.commands._parser import CommandLine

    line = CommandLine(module.Options, command)
    try:
        with _plain_warnings(line.flags):
            return int(module.run(line.parse(rest)) or 0)
    except PrmlError as error:
        raise PrmlError(as_typed(str(error), line.flags, words)) from error
    except OSError as error:
        if isinstance(error, BrokenPipeError) or error.errno not in _USERS_TO_REPAIR:
            raise
        elsewhere = " or give another --out" if "out" in line.flags else ""
        advice = f"{_USERS_TO_REPAIR[error.errno]}{elsewhere}"
        raise PrmlError(f"{error.strerror}: {error.filename or 'while writing'}; {advice}") from error


@contextmanager
def _plain_warnings(flags: Mapping[str, str]) -> Iterator[None]:
    """Within the block, print warnings of this package as one line without the source location."""
    from prml.commands._messages import as_typed

    original, package = warnings.formatwarning, os.path.dirname(__file__)  # noqa: PTH120

    def one_line(message: Any, category: type[Warning], filename: str, *rest: Any, **more: Any) -> str:
        if not filename.startswith(package):
            return original(message, category, filename, *rest, **more)
        return printable(f"note: {as_typed(str(message), flags)}", MAX_MESSAGE) + "\n"

    warnings.formatwarning = one_line
    try:
        yield
    finally:
        warnings.formatwarning = original


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code: 0 for success, 2 for errors that the user can fix, 130 after an interruption.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in _HELP:
        about = f"prml {__version__}: monocular 3D human pose"
        sys.stdout.write(f"{about}\n\n{_usage('prml', COMMANDS)}; 'prml --version' the version.\n")
        return 0
    if words[0] == "--version":
        sys.stdout.write(f"prml {__version__}\n")
        return 0
    try:
        return _run(words)
    except PrmlError as error:
        text, code = str(error), 2
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        text, code = "interrupted", 130
    except SystemExit as stop:  # after --help or a termination signal
        return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    sys.stderr.write(printable(f"prml {words[0]}: {text}", MAX_MESSAGE) + "\n")
    return code


def entry() -> None:
    """Console entry point."""
    code = main()
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # the reader is gone; keep Python from flushing again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if "mediapipe" in sys.modules:
        # Unloading torch and MediaPipe takes longer than a short lift and is not needed: exit handlers have run, files
        # are closed, and worker threads have been joined.
        atexit._run_exitfuncs()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


if __name__ == "__main__":
    entry()
