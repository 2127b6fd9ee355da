"""Options: one dataclass, the same bounds from Python, YAML mappings and texts."""

import math
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prml.errors import PrmlError
from prml.options import build, check, convert, descriptions, leaves, nearest, option, paths, put


@dataclass
class Fruit:
    """What grows.

    Attributes:
        kind: which.
        weight: in kilograms.
    """

    kind: str = ""
    weight: float = option(1.0, minimum=0)


@dataclass
class Apple(Fruit):
    """A fruit of temperate climates.

    Attributes:
        colour, sort: as the grower
            says.
    """

    kind: Literal["apple"] = "apple"
    colour: str = "red"
    sort: str = ""


@dataclass
class Melon(Fruit):
    """A large fruit.

    Attributes:
        seeds: how many.
    """

    kind: Literal["melon"] = "melon"
    seeds: int = option(300, minimum=0)


@dataclass
class Slice:
    """A part.

    Attributes:
        name: of it.
    """

    name: str


@dataclass
class Basket:
    """What is carried."""

    path: Path = Path("basket")
    fruit: Fruit = option(factory=Apple, variants={"apple": Apple, "melon": Melon})
    count: int = option(1, minimum=1, maximum=9)
    forever: int = option(-1, minimum=1, unless={-1: "no end"})
    size: tuple[float, float] = option((1.0, 2.0), minimum=0.1)
    names: list[str] = option(factory=lambda: ["a"], required="name")
    many: list[int] = option(factory=list, minimum=3)
    slices: list[Slice] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)
    size_or_none: float | None = option(None, minimum=0, maximum=10)
    closed: bool = False
    grade: Literal["good", "fair"] = "good"


def test_defaults_are_within_their_bounds():
    check(Basket())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 0}, "count must lie between 1 and 9, got 0"),
        ({"count": 10}, "count must lie between 1 and 9, got 10$"),
        ({"forever": 0}, "forever must be at least 1, or -1 for no end, got 0"),
        ({"size": (2.0, 1.0)}, "size must be at least 0.1, low before high, got"),
        ({"size": (0.0, 1.0)}, "size must be at least 0.1"),
        ({"names": []}, "names must name at least one name"),
        ({"many": [4, 2]}, r"many must be at least 3, got \[4, 2\]"),
        ({"size_or_none": math.nan}, "size_or_none must lie between 0 and 10, got nan"),
        ({"size_or_none": "wide"}, "size_or_none: expected a number, got wide"),
        ({"size_or_none": "3"}, "size_or_none: expected a number, got 3"),
        ({"count": 1.5}, "count: expected a whole number, got 1.5"),
        ({"count": True}, "count: expected a whole number, got True"),
        ({"closed": 1}, "closed: expected true or false, got 1"),
        ({"grade": "bad"}, "grade: expected one of good, fair, got bad"),
        ({"names": "a"}, "names: expected a list, each a text, got a"),
        ({"names": [3]}, "names: expected a list, each a text"),
        ({"size": (1.0,)}, "size: expected a list of 2 values, each a number"),
        ({"more": 3}, "more: expected a mapping"),
        ({"fruit": Apple(weight=-1)}, r"fruit\.weight must be at least 0, got -1"),
        ({"fruit": Slice("a")}, r"fruit must be Apple or Melon"),
    ],
)
def test_python_values_are_checked(changes, message):
    with pytest.raises(PrmlError, match=message) as caught:
        check(Basket(**changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [None, 0, 10, 2.5])
def test_what_lies_within_the_bounds_passes(value):
    check(Basket(size_or_none=value, forever=-1, path="as/text", names=("b",)))


@given(st.integers())
def test_a_bound_is_exactly_where_it_is_said(number):
    if 1 <= number <= 9:
        check(Basket(count=number))
    else:
        with pytest.raises(PrmlError, match="count must lie between"):
            check(Basket(count=number))


def test_the_label_names_options_as_the_caller_does():
    with pytest.raises(PrmlError, match=r"--count must lie"):
        check(Basket(count=0), label="--{}".format)


# ---------------------------------------------------------------------- mappings and texts
@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"count": "3"}, {"count": 3}),
        ({"size": "[1, 2]"}, {"size": (1.0, 2.0)}),
        ({"size": [1, 2]}, {"size": (1.0, 2.0)}),
        ({"size_or_none": "1e-3"}, {"size_or_none": 1e-3}),
        ({"size_or_none": "null"}, {"size_or_none": None}),
        ({"size_or_none": ".5"}, {"size_or_none": 0.5}),
        ({"size_or_none": "-.inf"}, {"size_or_none": -math.inf}),
        ({"closed": "TRUE"}, {"closed": True}),
        ({"more": "{a: 1, b: [2]}"}, {"more": {"a": 1, "b": [2]}}),
        ({"slices": [{"name": "half"}]}, {"slices": [Slice("half")]}),
        ({"path": "x/y"}, {"path": Path("x/y")}),
        ({"fruit": {"colour": "green"}}, {"fruit": Apple(colour="green")}),
        ({"fruit": {"kind": "melon", "seeds": 3}}, {"fruit": Melon(seeds=3)}),
        ({"fruit": "{kind: melon}"}, {"fruit": Melon()}),
        ({"fruit": None}, {}),
        ({"fruit": {"kind": "melon", "colour": "red"}}, {"fruit": Melon()}),  # another kind's default is no harm
    ],
)
def test_values_of_files_and_of_the_command_line(values, found):
    assert build(Basket, values) == Basket(**found)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cuont": 3}, "unknown option 'cuont'; did you mean 'count'"),
        ({"xyz": 3}, "unknown option 'xyz'; expected one of path, fruit, count"),
        ({"fruit": {"colur": "red"}}, r"unknown option 'fruit\.colur'; did you mean 'fruit\.colour'"),
        ({"fruit": {"kind": "aple"}}, r"fruit\.kind: expected one of apple, melon, got aple; did you mean 'apple'"),
        ({"fruit": {"kind": "melon", "colour": "green"}}, r"fruit\.colour is for fruit\.kind apple, not melon"),
        ({"fruit": 3}, "fruit: expected a mapping"),
        ({"slices": [{}]}, r"slices\.name is missing"),
        ({"slices": [{"nme": "a"}]}, r"unknown option 'slices\.nme'; did you mean 'slices\.name'"),
        ({"count": "many"}, "count: expected a whole number, got many"),
        ({"count": [1]}, "count: expected a whole number"),
        ({"size": "{"}, "size: expected a list"),
        ({"more": "{1: 2}"}, "more: expected a mapping"),
    ],
)
def test_wrong_values_are_named(values, message):
    with pytest.raises(PrmlError, match=message):
        build(Basket, values)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
@pytest.mark.parametrize("hint", [int, float, bool, str, list[int], tuple[float, float], float | None, dict[str, Any]])
def test_whatever_the_value_it_fits_or_is_refused(hint, value):
    try:
        made = convert(value, hint)
    except PrmlError:
        return
    assert convert(made, hint, texts=False) == made or made != made


# ---------------------------------------------------------------------- what there is
def test_every_option_has_a_name_a_default_and_a_description():
    found = leaves(Basket)
    assert list(found)[:5] == ["path", "fruit.kind", "fruit.weight", "fruit.colour", "fruit.sort"]
    assert found["fruit.kind"].hint == Literal["apple", "melon"]
    assert (found["fruit.weight"].only, found["fruit.seeds"].only) == ((), ("melon",))
    assert found["fruit.colour"].description == found["fruit.sort"].description == "as the grower says."
    assert descriptions(Melon) == {"kind": "which.", "weight": "in kilograms.", "seeds": "how many."}


@pytest.mark.parametrize(("typed", "meant"), [("colr", "colour"), ("person", None), ("fsp", "fps"), ("seed", "seeds")])
def test_only_near_names_are_suggested(typed, meant):
    assert nearest(typed, ["fps", "colour", "seeds"]) == meant


@given(st.dictionaries(st.sampled_from(["a", "b.c", "b.d.e", "f"]), st.integers()))
def test_dotted_names_and_nested_mappings_are_the_same(flat):
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        put(nested, name, value)
    assert dict(paths(nested, {})) == flat


def test_options_are_read_without_heavy_imports():
    program = "import sys, prml.options; print([m for m in ('torch', 'numpy', 'yaml', 'argparse') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip() == "[]"
