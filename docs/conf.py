"""Sphinx configuration. Build: ``make docs``."""

import re
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import api_pages
import fastapi  # noqa: F401  pydantic fails if autodoc imports it, which sets typing.TYPE_CHECKING

api_pages.write()

project = "PrML"
author = "The PrML project"
copyright = "2026, the PrML project; Apache-2.0"
release = installed_version("prml-pose")
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "*.py"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes of dataclasses are told once

# The axis names of a jaxtyping annotation ("height width 3") look like names of attributes.
suppress_warnings = ["ref.python"]

html_theme = "furo"
html_title = f"PrML {release}"
html_theme_options = {"navigation_with_keys": True}


def _escape_stars(app, what, name, obj, options, lines):
    """Shapes such as ``(*B, T, 3)`` in a docstring are no emphasis."""
    lines[:] = [re.sub(r"(?<=\()\*(?=[A-Za-z]+,)", r"\\*", line) for line in lines]


def setup(app):
    app.connect("autodoc-process-docstring", _escape_stars, priority=100)  # before napoleon
