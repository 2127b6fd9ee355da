"""Plain YAML: values or a one-line error; nothing that expands beyond its text."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prml.errors import PrmlError
from prml.io.plain_yaml import MAX_BYTES, MAX_DEPTH, parse_yaml, read_yaml


def test_plain_values_are_read(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: {b: [1, 2.5, text, null, true]}\n")
    assert read_yaml(path) == {"a": {"b": [1, 2.5, "text", None, True]}}
    path.write_text("")
    assert read_yaml(path) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (": : :", r"x is not YAML: line 1, column \d+: "),
        ("a: &x [1]\nb: *x", r"x uses YAML aliases \(\*x\)"),
        ("a: 2020-13-45", "x is not YAML: "),
        ("{[1]: 2}", "x is not YAML: "),
        ("a: !!python/name:os.system", "x is not YAML: .*line 1|x is not YAML"),
        ("a: \x00", "x is not YAML: "),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), f"more than {MAX_DEPTH} levels"),
    ],
)
def test_what_is_not_plain_is_refused_in_one_line(text, message):
    with pytest.raises(PrmlError, match=message) as caught:
        parse_yaml(text, "x")
    assert "\n" not in str(caught.value)


def test_the_deepest_nesting_that_is_allowed_is_read():
    assert parse_yaml("[" * MAX_DEPTH + "]" * MAX_DEPTH, "x")


def test_files_that_are_no_short_text_are_refused(tmp_path):
    path = tmp_path / "a.yaml"
    with pytest.raises(PrmlError, match="cannot be read as YAML: No such file"):
        read_yaml(path)
    path.write_bytes(b"a: \xff")
    with pytest.raises(PrmlError, match="not UTF-8"):
        read_yaml(path)
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(PrmlError, match="larger than 1024 KiB"):
        read_yaml(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text() | st.binary().map(lambda b: b.decode("latin-1")))
def test_whatever_the_text_it_is_a_value_or_one_line(text):
    try:
        parse_yaml(text, "x")
    except PrmlError as error:
        assert "\n" not in str(error)  # noqa: PT017
