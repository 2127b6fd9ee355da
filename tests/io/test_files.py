"""Atomic writes: whatever stops the writer, an existing file is kept and nothing is left next to it."""

import os
import stat
import subprocess
import sys

import pytest

from prml.errors import PrmlError
from prml.io.files import check_writable, write_file
from prml.io.locks import try_lock


def _contents(folder):
    return {p.name: p.read_text() for p in folder.iterdir()}


@pytest.mark.parametrize("error", [OSError(28, "No space left"), ValueError("no number"), KeyboardInterrupt()])
def test_whatever_stops_the_writer_nothing_is_left_or_lost(tmp_path, error):
    def stopped(file):
        file.write(b"half")
        raise error

    (tmp_path / "a.json").write_text("before")
    with pytest.raises(PrmlError if isinstance(error, OSError) else type(error)):
        write_file(tmp_path / "a.json", stopped, overwrite=True)
    assert _contents(tmp_path) == {"a.json": "before"}


def test_two_writers_do_not_meet(tmp_path):
    path = tmp_path / "a.txt"

    def slow(file):
        write_file(path, "quick", overwrite=True)
        file.write(b"slow")

    write_file(path, slow, overwrite=True)
    assert _contents(tmp_path) == {"a.txt": "slow"}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("file/a.json", "file is not a folder"),
        ("file/deep/a.json", "file is not a folder"),
        ("there.json", "pass overwrite=True"),
        ("folder", "expected a file name"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_beforehand(tmp_path, name, told):
    (tmp_path / "folder").mkdir()
    for file in ("file", "there.json"):
        (tmp_path / file).write_text("kept")
    with pytest.raises(PrmlError, match=told):
        check_writable(tmp_path / name, overwrite=False)
    assert {p.name for p in tmp_path.iterdir()} == {"folder", "file", "there.json"}


def test_a_folder_without_permission_is_refused_beforehand(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # the administrator may write everywhere
    with pytest.raises(PrmlError, match="permission denied"):
        check_writable(tmp_path / "new/a.json", overwrite=False)


def test_a_folder_that_is_not_there_is_made_when_the_file_is(tmp_path):
    path = tmp_path / "new/deep/a.json"
    check_writable(path, overwrite=False)
    assert not (tmp_path / "new").exists()
    write_file(path, "{}")
    assert path.read_text() == "{}"


def test_modes_are_those_that_the_process_gives_and_its_mask_is_never_touched(tmp_path, monkeypatch):
    before = os.umask(0o027)
    try:
        monkeypatch.setattr(os, "umask", None)
        write_file(tmp_path / "a.txt", "a")
    finally:
        monkeypatch.undo()
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_a_planted_link_is_neither_followed_nor_in_the_way(tmp_path, monkeypatch):
    """A name that is already taken is never used for a draft."""
    (tmp_path / "theirs").write_text("kept")
    monkeypatch.setattr("prml.io.files.token_hex", lambda _: "guessed")
    (tmp_path / f".a.txt.{os.getpid()}-guessed.tmp").symlink_to(tmp_path / "theirs")
    with pytest.raises(PrmlError, match="File exists"):
        write_file(tmp_path / "a.txt", "a")
    assert (tmp_path / "theirs").read_text() == "kept"


def test_drafts_of_the_dead_go_and_those_of_the_living_stay(tmp_path):
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    dead, own = int(done.stdout), os.getpid()
    gone = f".a.txt.{dead}-0123.tmp"
    kept = {f".a.txt.{own}-0123.tmp", f".b.txt.{dead}-0123.tmp", f".a.txt.{dead}-4567.tmp"}
    for name in (gone, *kept):
        (tmp_path / name).write_text("half")
    with (tmp_path / f".a.txt.{dead}-4567.tmp").open("a") as open_elsewhere:  # in another container, by that number
        assert try_lock(open_elsewhere.fileno())
        write_file(tmp_path / "a.txt", "a")
    assert {p.name for p in tmp_path.iterdir()} == {"a.txt", *kept}
