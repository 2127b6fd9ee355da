"""The commit that results carry is this package's own, or none."""

import re
import subprocess

import pytest

from prml import provenance
from prml._version import __version__


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A git project that holds this module at a path; ``ignored``: as a virtual environment, and without a commit."""

    def make(place, ignored):
        file = tmp_path / place
        file.parent.mkdir(parents=True)
        file.write_text("a = 1\n")
        (tmp_path / ".gitignore").write_text(f"{place.split('/')[0]}/\n" if ignored else "")
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
        for words in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "one")):
            subprocess.run(("git", *words), cwd=tmp_path, check=True)
        monkeypatch.setattr(provenance, "__file__", str(file))
        return file

    return make


@pytest.mark.parametrize(
    ("place", "ignored"),
    [
        (".venv/lib/python3.12/site-packages/prml/provenance.py", True),
        ("third_party/prml-pose/src/prml/provenance.py", False),
        ("src/prml/provenance.py", True),
    ],
)
def test_somebody_elses_commit_is_not_ours(project, place, ignored):
    project(place, ignored)
    assert provenance.commit() == f"no commit (prml-pose {__version__})"


def test_the_commit_of_the_checkout_is_marked_where_something_changed(project):
    file = project("src/prml/provenance.py", ignored=False)
    clean = provenance.commit()
    assert re.fullmatch("[0-9a-f]{12}", clean)
    file.write_text("a = 2\n")
    assert provenance.commit() == clean + "+"


def test_without_git_there_is_no_commit(project, monkeypatch):
    project("src/prml/provenance.py", ignored=False)
    monkeypatch.setenv("PATH", "")
    assert provenance.commit() == f"no commit (prml-pose {__version__})"
