"""The command line: ``prml VERB ...``. Verbs live in ``prml.commands``, one file each, imported only when called."""

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from prml import __version__
from prml.errors import PrmlError

# verb -> one line of help. The function ``command`` of ``prml.commands.<verb>`` is the verb: its signature is the
# options, its docstring the help.
VERBS: dict[str, str] = {
    "lift": "video, image folder or 2D keypoints -> 3D joints, overlay, viewer",
    "fit": "train a network from a YAML configuration",
    "evaluate": "score weights under a named protocol",
    "models": "list the networks: parameters, multiply-adds, window",
    "protocols": "list the evaluation protocols, or print the rules of one",
    "bench": "measure speed on this machine",
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


def _call(command: Callable[..., int | None], verb: str, arguments: Sequence[str]) -> int:
    from jsonargparse import ArgumentParser

    text = (command.__doc__ or "").strip().split("\nArgs:")[0]
    parser = ArgumentParser(prog=f"prml {verb}", description=text)
    parser.add_function_arguments(command, as_group=False, as_positional=True, fail_untyped=True)
    options = parser.instantiate_classes(parser.parse_args(list(arguments)))
    return command(**vars(options)) or 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code (0 well, 2 for what the user must mend)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(_usage() + "\n")
        return 0
    if arguments[0] == "--version":
        sys.stdout.write(f"prml {__version__}\n")
        return 0
    verb, rest = arguments[0], arguments[1:]
    try:
        if verb not in VERBS:
            raise _unknown(verb)
        module = import_module(f"prml.commands.{verb.replace('-', '_')}")
        own_main = getattr(module, "main", None)  # a verb with sub-verbs or dotted overrides parses for itself
        return int(own_main(rest) or 0) if own_main else _call(module.command, verb, rest)
    except PrmlError as error:
        sys.stderr.write(f"prml {verb}: {error}\n")
        return 2
    except BrokenPipeError:
        return 0


def entry() -> None:
    """Console entry point."""
    code = main()
    sys.stdout.flush()
    os._exit(code) if code == 0 and "mediapipe" in sys.modules else sys.exit(code)


if __name__ == "__main__":
    entry()
