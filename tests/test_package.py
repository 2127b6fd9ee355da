"""What importing costs, what is public, what is shipped. Times are measured by ``benchmarks/startup.py``."""

import subprocess
import sys
from importlib import metadata

import pytest

import prml
from prml.cli import COMMANDS
from prml.commands.data import COMMANDS as DATA_COMMANDS

# Third-party packages are imported where they are used; these are the slow ones among them.
HEAVY = {"torch", "lightning", "mediapipe", "scipy", "av", "jsonargparse", "rich", "matplotlib", "numpy"}


EVERY = [[c] for c in COMMANDS if c != "data"] + [["data", c] for c in DATA_COMMANDS]


def _modules_after(code):
    program = f"import sys\n{code}\nsys.stderr.write('\\n'.join(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "code",
    ["import prml", "from prml.cli import main; main(['--help'])", "from prml.cli import main; main(['--version'])"],
    ids=["import", "help", "version"],
)
def test_start_up_imports_nothing_heavy(code):
    loaded = _modules_after(code)
    assert "prml" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_help_imports_nothing_heavy(words):
    """For a fast start, which ``benchmarks/startup.py`` measures."""
    loaded = _modules_after(f"from prml.cli import main; main({[*words, '--help']})")
    assert "argparse" in loaded
    assert not loaded & (HEAVY | {"yaml"})


def test_a_typing_error_is_answered_without_heavy_imports():
    assert not _modules_after("from prml.cli import main; main(['lifft'])") & HEAVY


def test_every_public_name_can_be_had():
    for name in prml.__all__:
        assert getattr(prml, name) is not None
    assert set(prml.__all__) <= set(dir(prml))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'liftt'"):
        _ = prml.liftt


def test_the_version_is_told_once():
    assert metadata.version("prml-pose") == prml.__version__


def test_the_annotations_are_shipped():
    from importlib.resources import files

    assert files("prml").joinpath("py.typed").is_file()
