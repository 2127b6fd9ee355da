"""Results in a folder: one writer at a time, all files or none, and never in place of the input."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from prml.errors import PrmlError
from prml.pipeline.folder import LOCK, WORK, results_folder

NAMES = ("a.txt", "b.txt")


def _make(*names, text="new"):
    def make(work):
        for name in names:
            (work / name).write_text(text)

    return make


def _contents(folder):
    return {p.name: p.read_text() for p in folder.iterdir() if p.is_file()}


def test_two_writers_never_meet(tmp_path):
    with results_folder(tmp_path / "out", NAMES) as place:
        for overwrite in (False, True):
            with (
                pytest.raises(PrmlError, match=f"in use by process {os.getpid()} on"),
                results_folder(tmp_path / "out", NAMES, overwrite=overwrite),
            ):
                pass
        place.write(_make("a.txt"))
    assert _contents(tmp_path / "out") == {"a.txt": "new"}


def test_what_appeared_meanwhile_is_not_replaced(tmp_path):
    with results_folder(tmp_path / "out", NAMES) as place:
        (tmp_path / "out/b.txt").write_text("somebody else's")
        with pytest.raises(PrmlError, match="exists"):
            place.write(_make(*NAMES))
    assert _contents(tmp_path / "out") == {"b.txt": "somebody else's"}


def test_folders_that_were_made_for_nothing_go_again(tmp_path):
    with pytest.raises(ZeroDivisionError), results_folder(tmp_path / "new/deep/out", NAMES):
        1 / 0  # noqa: B018
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("link", ["", "symlink_to", "hardlink_to"])
def test_the_input_is_not_one_of_the_results(tmp_path, link):
    out = tmp_path / "out"
    out.mkdir()
    given = out / "a.txt"
    given.write_text("the input")
    if link:
        given = tmp_path / "linked.txt"
        getattr(given, link)(out / "a.txt")
    with pytest.raises(PrmlError, match="is the input"), results_folder(out, NAMES, [given], overwrite=True):
        pass
    assert _contents(out) == {"a.txt": "the input"}


def test_files_get_the_modes_that_the_process_gives(tmp_path):
    before = os.umask(0o027)
    try:
        with results_folder(tmp_path / "out", NAMES) as place:
            place.write(_make(*NAMES))
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "out").iterdir()}
    assert modes == {0o640}


def test_names_that_look_like_addresses_are_plain_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("12:30", "http://example.org/out", "file:here"):
        with results_folder(Path(name), NAMES) as place:
            place.write(_make("a.txt"))
        assert (tmp_path / Path(name) / "a.txt").read_text() == "new"


# Stops in the middle of writing results, says so, and waits.
STOPPED = """
import sys, time
from pathlib import Path
from prml.commands._signals import tidy_end
from prml.pipeline.folder import results_folder

def make(work):
    (work / "a.txt").write_text("half")
    print("writing", flush=True)
    time.sleep(60)

with tidy_end(), results_folder(Path(sys.argv[1]), ("a.txt", "b.txt")) as place:
    place.write(make)
"""


def _stopped_by(number, out):
    process = subprocess.Popen([sys.executable, "-c", STOPPED, str(out)], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout.readline() == "writing\n"
        with pytest.raises(PrmlError, match=f"in use by process {process.pid} "), results_folder(out, NAMES):
            pass
        process.send_signal(number)
    return process.returncode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_being_terminated_while_writing_leaves_nothing(tmp_path, number):
    assert _stopped_by(number, tmp_path / "out") == 128 + number
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_at_the_next_start(tmp_path):
    out = tmp_path / "out"
    assert _stopped_by(signal.SIGKILL, out) == -signal.SIGKILL
    left = {p.name for p in out.iterdir()}
    assert LOCK in left
    assert any(name.startswith(WORK) for name in left)
    with results_folder(out, NAMES) as place:  # without overwrite: there is no result in it
        place.write(_make("a.txt"))
    assert _contents(out) == {"a.txt": "new"}
    assert {p.name for p in out.iterdir()} == {"a.txt"}


def test_a_planted_link_at_the_lock_is_not_followed(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "theirs").write_text("kept")
    (out / LOCK).symlink_to(tmp_path / "theirs")
    with pytest.raises(PrmlError, match="cannot write into"), results_folder(out, NAMES):
        pass
    assert (tmp_path / "theirs").read_text() == "kept"
