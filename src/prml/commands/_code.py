"""Modules of the user's own, named on the command line."""


def use_working_folder() -> None:
    """Let Python import from the working folder, as ``python -m prml`` does."""
    import sys
    from pathlib import Path

    if not {"", str(Path.cwd())} & set(sys.path):
        sys.path.append(str(Path.cwd()))


def import_code(module: str) -> None:
    """Import a module by its dotted name, from the working folder or an installed package.

    Raises:
        PrmlError: no such module, or it fails when imported.
    """
    from importlib import import_module

    from prml.errors import PrmlError

    use_working_folder()
    name = module.partition(":")[0]
    try:
        import_module(name)
    except Exception as error:  # whatever code of the user's own raises
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise PrmlError(f"cannot import {name} ({reason}); code=... is a module such as my_package.nets") from error
