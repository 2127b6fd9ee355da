"""The command line: ``prml VERB ...``. Verbs live in ``prml.commands``, one file each, imported only when called."""

import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword

from prml import __version__
from prml.errors import PrmlError

# verb -> one line of help. The function ``command`` of ``prml.commands.<verb>`` is the verb: its signature is the
# options, its docstring the help.
VERBS: dict[str, str] = {
    "lift": "video, image folder or 2D keypoints -> 3D joints, overlay, viewer",
    "fit": "train a network from a YAML configuration",
    "evaluate": "score weights under a named protocol",
    "compare": "put result files of one protocol side by side",
    "compare-networks": "train networks of equal cost on equal data, and compare them",
    "robustness": "how the error grows when the 2D input gets worse",
    "data": "import motion files, check a dataset, take Human3.6M's calibration from one's own copy",
    "import": "turn another paper's published checkpoint into weights of ours",
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


def _run(verb: str, arguments: Sequence[str]) -> int:
    if verb not in VERBS:
        raise _unknown(verb)
    name = verb.replace("-", "_")
    module = import_module(f"prml.commands.{name + '_' * iskeyword(name)}")  # 'import' is import_.py
    own_main = getattr(module, "main", None)  # a verb with sub-verbs or dotted overrides parses for itself
    if own_main is not None:
        return int(own_main(arguments) or 0)
    from prml.commands._options import parse

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
