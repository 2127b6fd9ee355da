"""What the README and the documentation tell people to type must work; what they point at must be there."""

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import prml
from fixtures.own_network import NET
from prml import cli
from prml.commands._parser import parse

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
# Run as they stand; the others are only parsed, as they take their time.
CHEAP = ("protocols",)


def _blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def _lines():
    """(page, command line) of every command in a bash block, comments and prompts taken away."""
    for page in PAGES:
        for block in _blocks(page, "bash"):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line.removeprefix("$ "), comments=True)
                if words:
                    yield page, words


def _calls(program):
    lines = {" ".join(words[1:]): (page, words) for page, words in _lines() if words[0] == program}
    return [pytest.param(words[1:], id=f"{page.stem}: {call}") for call, (page, words) in lines.items()]


@pytest.fixture
def users_folder(tmp_path, monkeypatch):
    """The checkout's configurations, and the files that the pages tell users to write: # NAME.yaml, my_package.nets."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    for page in PAGES:
        for block in _blocks(page, "yaml"):
            if named := re.match(r"# (\w+\.yaml)\n", block):
                (tmp_path / named[1]).write_text(block)
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "nets.py").write_text(NET.replace("frames: int = 9", "frames: int = 27"))
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("my_package", "my_package.nets"):
        sys.modules.pop(name, None)


def test_the_readme_opens_with_the_two_commands():
    block = _blocks(ROOT / "README.md", "bash")[0]
    assert [line.split("#")[0].strip() for line in block.strip().splitlines()] == ["make lift", "make test"]


@pytest.mark.parametrize("words", _calls("prml"))
def test_a_documented_command_is_understood(words, monkeypatch, users_folder):
    if words[0].startswith("-"):
        return
    monkeypatch.chdir(users_folder)
    module, command, rest = cli.find(words)
    options = parse(module.Options, command, rest)
    if command == "fit":
        options.settings.check()


@pytest.mark.parametrize("words", _calls("make"))
def test_a_documented_make_target_exists(words):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {word for word in words if "=" not in word} <= targets


@pytest.mark.parametrize("words", [call for call in _calls("prml") if call.values[0][0] in CHEAP])
def test_a_cheap_documented_command_runs(words, capsys):
    assert cli.main(words) == 0
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_documented_python_uses_what_is_public(page):
    for block in _blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "prml":
                assert node.attr in prml.__all__


@pytest.mark.parametrize("page", [*PAGES, ROOT / "THIRD_PARTY.md", ROOT / "data/mocap/README.md"], ids=lambda p: p.stem)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:  # another host
            continue
        file, _, anchor = target.partition("#")
        path = page.parent / file if file else page
        assert path.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in _anchors(path), f"{page.name}: {target}"


def _anchors(page):
    """The anchors that GitHub and MyST both give to the headings of a page."""
    headings = re.findall(r"^#{1,3} (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_first_picture_is_there():
    pictures = re.findall(r"<img[^>]*src=\"([^\"]+)\"|!\[[^\]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    assert pictures
    for picture in pictures:
        assert (ROOT / "".join(picture)).is_file()


def test_what_the_makefile_lists_is_what_it_has():
    listed = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("lift", "test", "lint", "types", "docs", "ci", "clean"):
        assert f"make {target} " in listed


def test_the_quoted_results_are_those_of_the_result_files():
    command = [sys.executable, str(ROOT / "docs/quote_results.py"), "--check"]
    assert subprocess.run(command).returncode == 0, "run: python docs/quote_results.py"


def test_the_documented_sizes_are_those_of_the_registry():
    from prml.networks import registry

    rows = re.findall(r"^\| `(prml[\w-]*)` \|([\d| ]+)\|", (ROOT / "docs/networks.md").read_text(), re.MULTILINE)
    assert len(rows) == 4
    for name, numbers in rows:
        network = registry.build(name)
        branch = network.branch_2d
        heads = next(module.heads for module in branch.modules() if hasattr(module, "heads"))
        found = [network.frames, branch.position.shape[-1], heads, len(network.bottom.blocks), len(branch.blocks)]
        assert [int(number) for number in numbers.split("|")] == found, name
