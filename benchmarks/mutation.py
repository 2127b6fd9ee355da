"""Mutation testing of the numerical modules: how many small faults, made by mutmut, do the tests notice?

    python benchmarks/mutation.py                       # everything, into results/mutation.json (an hour of one core)
    python benchmarks/mutation.py --rooms camera noise  # these modules again; the others stay in the file
    python benchmarks/mutation.py --sample 40           # a random sample; fails if too few are noticed; writes nothing

A mutant is the package with one small change: another operator, a number plus one, an argument removed or set to None,
a text altered. It is killed if a test of its module fails. Modules and their tests are listed in pyproject.toml under
``tool.mutation``; what is not mutated (error messages, annotations and docstrings) under ``tool.mutmut``.

``mutmut run`` tests mutants of functions: it puts all of them into one file and forks a process for each, so that torch
is imported once (0.2 s of a core per mutant; cosmic-ray, which starts a process for each and modifies the checkout
while it runs, took 5 s). It skips constants, tables and decorated functions, and cannot change the effect of functions
that ran, or were cached, when their module was imported. Those are mutated here with mutmut's own operators and tested
in a forked process that imports the changed module; so are all survivors.
"""

import argparse
import gc
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.metadata import version
from importlib.util import spec_from_loader
from pathlib import Path
from typing import Any

# A fork must not lose torch threads, and pytest plugins take longer than many tests.
os.environ |= {"OMP_NUM_THREADS": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.file_mutation import MutationVisitor, OuterFunctionProvider, deep_replace
from mutmut.mutation.mutators import mutation_operators
from mutmut.mutation.pragma_handling import IgnoredCode, get_ignored_lines
from mutmut.mutation.trampoline_templates import mangle_function_name
from mutmut.stats import status_by_exit_code

ROOT = Path(__file__).parents[1]
WORK = ROOT / "build" / "mutation"
RESULT = ROOT / "results" / "mutation.json"
REASONS = ROOT / "benchmarks" / "mutation_reasons.toml"
LEAST = 0.85
DOUBT = 0.001  # a sample fails if its result has at most this probability for a true share of LEAST
LEAN = [f"-pno:{plugin}" for plugin in ("cacheprovider", "logging", "threadexception", "unraisableexception")]
PRELOADED = ("torch", "scipy.ndimage", "scipy.interpolate", "scipy.optimize", "scipy.stats", "hypothesis", "pytest")


@dataclass
class Mutant:
    """One change of one file.

    Attributes:
        room: file of the package, without suffix.
        where: enclosing function or class, empty for the module.
        line: line of the change.
        was, now: the line before and after.
        name: name of the function made by mutmut; empty if there is none.
        module, nodes: used to build :attr:`source`.
        outcome: "killed", "survived", "timeout" or "no tests".
    """

    room: str
    where: str
    line: int
    was: str
    now: str
    name: str
    module: cst.Module = field(repr=False)
    nodes: tuple[cst.CSTNode, cst.CSTNode] = field(repr=False)
    outcome: str = ""

    @cached_property
    def source(self) -> str:
        """The whole file with the change."""
        changed = deep_replace(self.module, *self.nodes)
        assert isinstance(changed, cst.Module)
        return changed.code

    @property
    def survived(self) -> bool:
        return self.outcome in ("survived", "no tests")


class Everything(MutationVisitor):
    """mutmut's mutations, including those in decorated functions, with lines and functions."""

    METADATA_DEPENDENCIES = (PositionProvider, OuterFunctionProvider)

    def __init__(self, room: str, module: cst.Module, ignored: IgnoredCode) -> None:
        super().__init__(mutation_operators, ignored)
        self.room, self.module, self.found = room, module, list[Mutant]()
        self.lines, self.unchanged_lines = module.code.split("\n"), ignored.ignore_pattern_lines
        self.numbers: Counter[str] = Counter()
        self.scope: list[str] = []

    def _skip_node_and_children(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.FunctionDef) and node.decorators:
            return False
        return bool(super()._skip_node_and_children(node))

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            self.scope.append(node.name.value)
        return bool(super().on_visit(node))

    def on_leave(self, node: cst.CSTNode) -> None:
        if isinstance(node, cst.FunctionDef | cst.ClassDef):
            self.scope.pop()
        super().on_leave(node)

    def _create_mutations(self, node: cst.CSTNode) -> None:
        before = len(self.mutations)
        super()._create_mutations(node)
        function = self.get_metadata(OuterFunctionProvider, node, None)
        prefix = ""
        if isinstance(function, cst.FunctionDef) and _is_plain(function):
            # for a method, the outermost scope is its class; for a function, its own name
            owner = self.scope[0] if self.scope[0] != function.name.value else None
            prefix = f"{mangle_function_name(name=function.name.value, class_name=owner)}__mutmut_"
        line = self.get_metadata(PositionProvider, node).start.line
        for mutation in self.mutations[before:]:
            if not prefix and line in self.unchanged_lines:
                continue  # mutmut skips expressions there, but not the enclosing statements
            self.numbers[prefix] += 1
            name = f"prml.{self.room.replace('/', '.')}.{prefix}{self.numbers[prefix]}" if prefix else ""
            nodes = mutation.original_node, mutation.mutated_node
            was, now = self._before_and_after(*nodes)
            self.found.append(Mutant(self.room, ".".join(self.scope), line, was, now, name, self.module, nodes))

    def _before_and_after(self, old: cst.CSTNode, new: cst.CSTNode) -> tuple[str, str]:
        """Return the line before and after a change, or only the changed code if it spans several lines."""
        was, now = (self.module.code_for_node(node) for node in (old, new))
        place = self.get_metadata(PositionProvider, old)
        line, first, last = self.lines[place.start.line - 1], place.start.column, place.end.column
        if line[first - 1 : last + 1] == was:  # its code includes brackets, its position does not
            first, last = first - 1, last + 1
        if place.start.line == place.end.line and line[first:last] == was:
            was, now = line, line[:first] + now + line[last:]
        return " ".join(was.split()), " ".join(now.split())


def _is_plain(function: cst.FunctionDef) -> bool:
    """Whether mutmut mutates a function: it is not decorated, or only as a static or class method."""
    names = [d.decorator.value for d in function.decorators if isinstance(d.decorator, cst.Name)]
    return not function.decorators or (len(function.decorators) == 1 and names in (["staticmethod"], ["classmethod"]))


def mutants_of(room: str) -> list[Mutant]:
    """Return all mutants of a file."""
    path = Path("src") / "prml" / f"{room}.py"
    source = path.read_text("utf-8")
    wrapper = MetadataWrapper(cst.parse_module(source))
    visitor = Everything(room, wrapper.module, get_ignored_lines(str(path), source, wrapper))
    wrapper.visit(visitor)
    return visitor.found


def test_functions(room: str, tests: Sequence[str], mutants: Sequence[Mutant], everything: bool, children: int) -> None:
    """Test mutants of functions with mutmut, in a temporary folder, and record the outcomes."""
    WORK.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{room.replace('/', '.')}-", dir=WORK) as name:
        folder = Path(name)
        _prepare(folder, room, tests)
        command = [str(Path(sys.executable).parent / "mutmut"), "run", "--max-children", str(children)]
        names = [] if everything else [mutant.name for mutant in mutants]
        environment = os.environ | {"PRML_DATA": str(ROOT / "data" / "mocap")}
        done = subprocess.run([*command, *names], cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"mutmut failed on {room}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        meta = json.loads((folder / "mutants" / "src" / "prml" / f"{room}.py.meta").read_text("utf-8"))
    codes = meta["exit_code_by_key"]
    unknown = {mutant.name for mutant in mutants} - set(codes)
    if unknown or (everything and len(codes) != len(mutants)):
        raise SystemExit(f"{room}: mutmut's mutants are not those listed here: {sorted(unknown)[:3]}")
    for mutant in mutants:
        mutant.outcome = status_by_exit_code[codes[mutant.name]]


def _prepare(folder: Path, room: str, tests: Sequence[str]) -> None:
    """Set up a checkout for mutmut: one file to change, and the tests of its module."""
    for name in ("src", "tests", "benchmarks"):
        (folder / name).symlink_to(ROOT / name)
    chosen = {
        "only_mutate": [f"src/prml/{room}.py"],
        "pytest_add_cli_args_test_selection": list(tests),
        "pytest_add_cli_args": LEAN,
    }
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in chosen.items())
    config = (ROOT / "pyproject.toml").read_text("utf-8").replace("[tool.mutmut]\n", "[tool.mutmut]\n" + lines)
    (folder / "pyproject.toml").write_text(config, "utf-8")


def test_modules(tests: Sequence[str], mutants: Iterable[Mutant], children: int) -> None:
    """Test mutants outside functions: fork, import the changed module, run the tests, record the outcomes."""
    running: dict[int, Mutant] = {}

    def wait() -> None:
        process, status = os.wait()
        code = os.waitstatus_to_exitcode(status)
        # pytest exits with 1 for a failed test and 2 for tests that cannot be imported; a signal means a timeout
        running.pop(process).outcome = "survived" if code == 0 else "killed" if code > 0 else "timeout"

    for number, mutant in enumerate(mutants):
        if number % 50 == 49:
            print(f"  {number + 1} mutants imported", flush=True)
        while len(running) >= children:
            wait()
        source = mutant.source
        if process := os.fork():
            running[process] = mutant
        else:
            _test_in_this_process(mutant.room, source, tests)
    while running:
        wait()


def _test_in_this_process(room: str, source: str, tests: Sequence[str]) -> None:
    """Run tests with another source for a module, and exit with pytest's exit code."""
    code = 3
    try:
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        resource.setrlimit(resource.RLIMIT_CPU, (60, 61))
        signal.alarm(600)
        name = f"prml.{room.replace('/', '.')}"
        sys.meta_path.insert(0, Changed(name, ROOT / "src" / "prml" / f"{room}.py", source))
        sys.path.insert(0, str(ROOT / "src"))
        import_module(name)  # many wrong tables already fail here
        import pytest

        code = int(pytest.main(["-x", "-q", *LEAN, *tests]))
    finally:
        os._exit(code)


class Changed:
    """Finds and loads one module from a given source."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        self.name, self.path, self.source = name, path, source

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        return spec_from_loader(name, self, origin=str(self.path)) if name == self.name else None

    def create_module(self, spec: Any) -> None:
        return None

    def exec_module(self, module: Any) -> None:
        module.__file__ = str(self.path)
        exec(compile(self.source, str(self.path), "exec"), module.__dict__)


def run(rooms: dict[str, list[str]], chosen: Sequence[Mutant] | None, children: int) -> list[Mutant]:
    """Test all mutants of the modules, or the chosen ones."""
    for name in PRELOADED:
        import_module(name)
    gc.freeze()  # as mutmut does, so that children do not collect shared objects
    tried = []
    for room, tests in rooms.items():
        start = time.monotonic()
        mutants = mutants_of(room) if chosen is None else [mutant for mutant in chosen if mutant.room == room]
        functions, others = ([m for m in mutants if bool(m.name) == inside] for inside in (True, False))
        if functions:
            test_functions(room, tests, functions, chosen is None, children)
        # mutmut changes functions after their module is imported, without effect on what ran or was cached then
        others += [mutant for mutant in functions if mutant.survived]
        if others:
            unchanged = Mutant(room, "", 0, "", "", "", others[0].module, (others[0].nodes[0],) * 2)
            test_modules(tests, [unchanged], 1)
            if unchanged.outcome != "survived":
                raise SystemExit(f"{room}: its tests fail without a change: {' '.join(tests)}")
            test_modules(tests, others, children)
        tried += mutants
        if mutants:
            print(f"{room:20}{_share(mutants)}  ({time.monotonic() - start:.0f} s)", flush=True)
    return tried


def _share(mutants: Sequence[Mutant]) -> str:
    killed = sum(not mutant.survived for mutant in mutants)
    return f"{killed:5} of {len(mutants):4} killed, {killed / len(mutants):.1%}"


# ------------------------------------------------------------------------------------------------ the result
def reason_for(mutant: Mutant, rules: Sequence[dict[str, str]]) -> str:
    """Return why a mutant may survive, from the first rule that matches its file, function and change, or ""."""
    text = f"{mutant.where}: {mutant.was} -> {mutant.now}"
    return next((r["why"] for r in rules if re.search(r["room"], mutant.room) and re.search(r["change"], text)), "")


def record(rooms: dict[str, list[str]], mutants: Sequence[Mutant], before: dict[str, Any]) -> dict[str, Any]:
    """Return counts per module and survivors with reasons; modules that were not run keep their entries."""
    rules = tomllib.loads(REASONS.read_text("utf-8"))["reason"]
    counts, survivors = dict(before.get("rooms", {})), list(before.get("survivors", []))
    for room in rooms:
        here = [mutant for mutant in mutants if mutant.room == room]
        killed = sum(not mutant.survived for mutant in here)
        counts[room] = {
            "mutants": len(here),
            "killed": killed,
            "timeouts": sum(mutant.outcome == "timeout" for mutant in here),
            "outside_functions": sum(not mutant.name for mutant in here),
            "share": round(killed / len(here), 4),
            "commit": _commit(),
        }
        path = f"src/prml/{room}.py"
        survivors = [old for old in survivors if old["file"] != path]
        for mutant in here:
            if mutant.survived:
                was, now = _around(mutant.was, mutant.now)
                entry = {"file": path, "line": mutant.line, "where": mutant.where, "was": was, "now": now}
                survivors.append(entry | {"reason": reason_for(mutant, rules)})
    total, killed = (sum(count[name] for count in counts.values()) for name in ("mutants", "killed"))
    return {
        "tool": f"mutmut {version('mutmut')}",
        "command": "python benchmarks/mutation.py",
        "share": round(killed / total, 4),
        "mutants": total,
        "killed": killed,
        "rooms": counts,
        "survivors": survivors,
    }


def _around(was: str, now: str, most: int = 120) -> tuple[str, str]:
    """Cut long code to the part near the change."""
    same = next((i for i, (a, b) in enumerate(zip(was, now, strict=False)) if a != b), len(was))
    first = max(0, same - most // 3) if len(was) > most else 0
    return tuple(text[first : first + most] for text in (was, now))  # type: ignore[return-value]


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip()


def too_few(killed: int, mutants: int) -> bool:
    """Whether a sample contradicts a share of LEAST, by a binomial test at level DOUBT."""
    from scipy.stats import binom

    return bool(binom.cdf(killed, mutants, LEAST) < DOUBT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rooms", nargs="+", help="only these modules, e.g. camera or lifting/windows")
    parser.add_argument("--sample", type=int, help="test this many mutants, chosen at random")
    parser.add_argument("--seed", type=int, help="seed of the sample (default: from the commit)")
    parser.add_argument("--children", type=int, default=os.cpu_count(), help="number of parallel processes")
    given = parser.parse_args()
    os.chdir(ROOT)
    known = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["tool"]["mutation"]["rooms"]
    if unknown := set(given.rooms or ()) - set(known):
        parser.error(f"unknown rooms {sorted(unknown)}; known are {', '.join(known)}")
    rooms = {room: known[room] for room in given.rooms or known}
    if not given.sample:
        mutants = run(rooms, None, given.children)
        before = json.loads(RESULT.read_text("utf-8")) if RESULT.exists() else {}
        found = record(rooms, mutants, {name: _kept(before, name, known) for name in ("rooms", "survivors")})
        RESULT.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
        print(f"{'together':20}{_share(mutants)}; written to {RESULT.relative_to(ROOT)}")
        return
    seed = given.seed if given.seed is not None else int(_commit()[:8] or "0", 16)
    everything = [mutant for room in rooms for mutant in mutants_of(room)]
    mutants = run(rooms, random.Random(seed).sample(everything, min(given.sample, len(everything))), given.children)
    rules = tomllib.loads(REASONS.read_text("utf-8"))["reason"]
    for mutant in mutants:
        if mutant.survived:
            was, now = _around(mutant.was, mutant.now)
            reason = reason_for(mutant, rules) or "no known reason"
            print(f"survived: src/prml/{mutant.room}.py:{mutant.line}: {was}  ->  {now}  ({reason})")
    print(f"{'together':20}{_share(mutants)} (seed {seed})")
    killed = sum(not mutant.survived for mutant in mutants)
    if too_few(killed, len(mutants)):
        raise SystemExit(f"too few are killed for a true share of {LEAST:.0%} (p < {DOUBT:g}): add tests")


def _kept(before: dict[str, Any], name: str, known: dict[str, list[str]]) -> Any:
    """Return results of an earlier run for modules that still exist."""
    if name == "rooms":
        return {room: count for room, count in before.get(name, {}).items() if room in known}
    return [old for old in before.get(name, []) if old["file"][len("src/prml/") : -len(".py")] in known]


if __name__ == "__main__":
    main()
