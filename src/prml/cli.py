"""The command line: ``prml VERB ...``. Verbs live in ``prml.commands``, one file each, imported only when called."""

import errno
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from inspect import getdoc, signature
from typing import Any

from prml import __version__
from prml.errors import PrmlError

# verb -> one line of help. The function ``command`` of ``prml.commands.<verb>`` is the verb: its signature is the
# options, its docstring the help.
VERBS: dict[str, str] = {
    "lift": "video, image folder or 2D keypoints -> 3D joints, overlay, viewer",
    "fit": "train a network from a YAML configuration",
    "evaluate": "score weights under a named protocol",
    "compare": "put result files of one protocol side by side",
    "robustness": "how the error grows when the 2D input gets worse",
    "models": "list the networks: parameters, multiply-adds, window",
    "protocols": "list the evaluation protocols, or print the rules of one",
    "bench": "measure speed on this machine",
}

# What the system refuses for reasons that lie with the user's machine, not with the program.
_USERS_TO_MEND: dict[int, str] = {
    errno.ENOSPC: "free some space or give another --out",
    errno.EDQUOT: "free some of your quota or give another --out",
    errno.EACCES: "check the permissions or give another --out",
    errno.EPERM: "check the permissions or give another --out",
    errno.EROFS: "the file system is read-only; give another --out",
}


def _usage() -> str:
    width = max(map(len, VERBS))
    rows = "\n".join(f"  {verb:<{width}}  {text}" for verb, text in VERBS.items())
    return (
        f"prml {__version__}: monocular 3D human pose\n\nusage: prml VERB ...\n\n{rows}\n\n"
        "'prml VERB --help' shows the options of a verb; 'prml --version' the version."
    )


def _unknown(verb: str) -> PrmlError:
    from difflib import get_close_matches

    near = get_close_matches(verb, VERBS, n=1)
    hint = f"did you mean 'prml {near[0]}'?" if near else f"the verbs are: {', '.join(VERBS)}"
    return PrmlError(f"unknown verb {verb!r}; {hint}")


def _spelled_out(command: Callable[..., int | None], arguments: Sequence[str]) -> list[str]:
    """The arguments in jsonargparse's words: ``--flip`` -> ``--flip=true``, ``--no-flip`` -> ``--flip=false``.

    Dashes inside a name may stand for underscores; a list option may be repeated (``--weights A --weights B``); a
    boolean one may still be followed by true or false.
    """
    from typing import get_origin

    kinds = {name: given.annotation for name, given in signature(command).parameters.items()}
    switches = {f"--{name}": f"--{name}=true" for name, kind in kinds.items() if kind in (bool, bool | None)}
    switches |= {f"--no_{word[2:]}": f"{word}=false" for word in switches}
    lists = {f"--{name}": f"--{name}+" for name, kind in kinds.items() if get_origin(kind) is list}
    spelled = []
    for word, follower in zip(arguments, [*arguments, ""][1:], strict=True):
        option, equals, value = word.partition("=")
        option = f"--{option[2:].replace('-', '_')}" if option.startswith("--") else option
        if option in switches and not equals and follower not in ("true", "false"):
            spelled.append(switches[option])
        elif option[2:] in kinds or option in lists:
            spelled.append(lists.get(option, option) + equals + value)
        else:
            spelled.append(word)
    return spelled


def _one_line(error: Exception, command: Callable[..., int | None], verb: str) -> PrmlError:
    """What the option parser found wrong, in one line with a next step."""
    from difflib import get_close_matches

    text = " ".join(str(error).split())
    words = text.removeprefix("unrecognized arguments:").split()
    near = get_close_matches(words[0], [f"--{name}" for name in signature(command).parameters], n=1) if words else []
    if not text.startswith("unrecognized") or not near:
        return PrmlError(f"{text}; 'prml {verb} --help' shows what it takes")
    return PrmlError(f"unknown option {words[0]}; did you mean {near[0]}?")


def parse(command: Callable[..., int | None], verb: str, arguments: Sequence[str]) -> dict[str, Any]:
    """The options of a verb by name; raises PrmlError, in one line, for what it does not take."""
    from argparse import ArgumentError

    from jsonargparse import ArgumentParser

    text = (getdoc(command) or "").split("\nArgs:")[0]
    parser = ArgumentParser(prog=f"prml {verb}", description=text, exit_on_error=False)
    parser.add_function_arguments(command, as_group=False, as_positional=True, fail_untyped=True)
    try:
        parsed = parser.parse_args(_spelled_out(command, arguments))
        instantiate = getattr(parser, "instantiate", None) or parser.instantiate_classes  # renamed in jsonargparse 4.49
        return dict(vars(instantiate(parsed)))
    except ArgumentError as error:
        raise _one_line(error, command, verb) from error


def _run(verb: str, arguments: Sequence[str]) -> int:
    if verb not in VERBS:
        raise _unknown(verb)
    module = import_module(f"prml.commands.{verb.replace('-', '_')}")
    own_main = getattr(module, "main", None)  # a verb with sub-verbs or dotted overrides parses for itself
    if own_main is not None:
        return int(own_main(arguments) or 0)
    return int(module.command(**parse(module.command, verb, arguments)) or 0)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code (0 well, 2 for what the user must mend, 130 for an interruption)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(_usage() + "\n")
        return 0
    if arguments[0] == "--version":
        sys.stdout.write(f"prml {__version__}\n")
        return 0
    verb, rest = arguments[0], arguments[1:]
    try:
        return _run(verb, rest)
    except PrmlError as error:
        text, code = str(error), 2
    except BrokenPipeError:
        return 0
    except KeyboardInterrupt:
        text, code = "interrupted", 130
    except OSError as error:
        if error.errno not in _USERS_TO_MEND:
            raise
        text, code = f"{error.strerror}: {error.filename or 'while writing'}; {_USERS_TO_MEND[error.errno]}", 2
    sys.stderr.write(f"prml {verb}: {text}\n")
    return code


def entry() -> None:
    """Console entry point."""
    code = main()
    sys.stdout.flush()
    os._exit(code) if code == 0 and "mediapipe" in sys.modules else sys.exit(code)


if __name__ == "__main__":
    entry()
