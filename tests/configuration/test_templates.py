"""Paths into a record, templates over it and conditions on it."""

from typing import Any

import pytest

from detector.configuration.templates import (
    TemplateContext,
    parse_capture,
    parse_choice,
    parse_condition,
    parse_path,
    parse_template,
    value_at,
)

RECORD: dict[str, Any] = {
    "job": {"id": 71, "name": "deploy", "tags": ["a", "b", ""], "ok": True, "none": None, "share": 0.5},
    "labels": {"app.kubernetes.io/name": "web"},
    "steps": [{"id": "s0"}, {"id": "s1"}],
    "session": "gh-5-2",
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("job.id", 71),
        ('labels."app.kubernetes.io/name"', "web"),
        ("steps.1.id", "s1"),
        ("steps.2.id", None),
        ("steps.x", None),
        ("job.id.more", None),
        ("job.none", None),
    ],
)
def test_a_path_is_names_with_dots_between(path: str, found: Any) -> None:
    assert value_at(RECORD, parse_path(path)) == found


@pytest.mark.parametrize("path", ["", ".", "a..b", "a.", '"', 'a"b', "a{b}", 3, None])
def test_what_is_no_path_is_refused(path: Any) -> None:
    with pytest.raises(ValueError, match="write a path"):
        parse_path(path)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("fixed", "fixed"),
        ("{job.id}", "71"),
        ("deploy/{job.name}/{job.id}", "deploy/deploy/71"),
        ("{job.ok}-{job.share}", "true-0.5"),
        ("{{{job.id}}}", "{71}"),
        ("{job.nothing}", None),
        ("{job.none}", None),
        ("x/{job.tags}", None),  # a list is no text
        ("{run}/{attempt}", "5/2"),
    ],
)
def test_a_template_is_filled_if_something_stands_at_each_path(template: str, text: str | None) -> None:
    captures = (parse_capture({"path": "session", "regex": "gh-(?P<run>[0-9]+)-(?P<attempt>[0-9]+)"}),)
    assert parse_template(template).fill(TemplateContext(RECORD, captures)) == text


def test_the_first_of_several_that_can_be_filled_is_taken() -> None:
    context = TemplateContext(RECORD)
    assert parse_choice(["{job.nothing}", "{job.name}", "other"]).fill(context) == "deploy"
    nothing = parse_choice(["{job.id}/{job.nothing}", "{none}"])
    assert (nothing.fill(context), nothing.missing(context)) == (None, "job.nothing")


def test_the_path_of_a_list_spreads_into_its_texts() -> None:
    context = TemplateContext(RECORD)
    assert list(parse_template("{job.tags}").spread(context)) == ["a", "b"]
    assert list(parse_template("{job.name}").spread(context)) == ["deploy"]
    assert list(parse_template("{job.nothing}").spread(context)) == []


@pytest.mark.parametrize("template", ["", "{", "a}b", "{a..b}", "{}", 3])
def test_what_is_no_template_is_refused(template: Any) -> None:
    with pytest.raises(ValueError, match=r"write|brace"):
        parse_template(template)


def test_a_capture_is_of_the_whole_text() -> None:
    capture = parse_capture({"path": "session", "regex": "h-(?P<run>[0-9]+)"})
    assert capture.found(RECORD) == {}
    assert capture.found({"session": "h-5"}) == {"run": "5"}
    assert capture.found({"session": "h-" + "5" * 5000}) == {}
    assert capture.found({}) == {}


@pytest.mark.parametrize(
    "capture",
    [
        {"path": "a"},
        {"path": "a", "regex": "("},
        {"path": "a", "regex": "a"},
        {"path": "a", "regex": "(?P<a>x)", "b": 1},
        "a",
    ],
)
def test_what_is_no_capture_is_refused(capture: Any, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"write|regex"):
        parse_capture(capture)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"path": "job.name", "equals": "deploy"}, True),
        ({"path": "job.name", "equals": "Deploy"}, False),
        ({"path": "job.id", "equals": 71}, True),
        ({"path": "job.id", "equals": "71"}, False),
        ({"path": "job.ok", "equals": True}, True),
        ({"path": "job.ok", "equals": 1}, False),
        ({"path": "job.name", "glob": "dep*"}, True),
        ({"path": "job.id", "glob": "7?"}, True),
        ({"path": "job.tags", "glob": "*"}, False),
        ({"path": "job.tags", "contains": "b"}, True),
        ({"path": "job.tags", "contains": "c*"}, False),
        ({"path": "job.name", "contains": "deploy"}, False),
        ({"path": "job", "exists": True}, True),
        ({"path": "job.none", "exists": True}, False),
        ({"path": "job.none", "exists": False}, True),
    ],
)
def test_a_condition_holds_of_what_stands_at_its_path(condition: dict[str, Any], *, holds: bool) -> None:
    found = parse_condition(condition)
    assert found.holds(value_at(RECORD, found.path)) is holds


@pytest.mark.parametrize(
    "condition",
    [
        {"path": "a"},
        {"equals": "a"},
        {"path": "a", "equals": "b", "glob": "c"},
        {"path": "a", "equals": None},
        {"path": "a", "equals": [1]},
        {"path": "a", "glob": 3},
        {"path": "a", "exists": "yes"},
        {"path": "a", "like": "b"},
        "a",
    ],
)
def test_what_is_no_condition_is_refused(condition: Any) -> None:
    with pytest.raises(ValueError, match="write"):
        parse_condition(condition)


@pytest.mark.parametrize(
    ("condition", "marker"),
    [
        ({"path": "a.schema", "equals": "deployer-events"}, b'"deployer-events"'),
        ({"path": "a.schema", "equals": "deployer/v2"}, b'"schema"'),  # some write \/ for /
        ({"path": "a.schema", "equals": 3}, b'"schema"'),
        ({"path": "a.größe", "exists": True}, None),
        ({"path": "a.0", "exists": True}, None),
        ({"path": "a.schema", "exists": False}, None),
    ],
)
def test_a_condition_has_bytes_that_every_record_it_holds_of_has(
    condition: dict[str, Any], marker: bytes | None
) -> None:
    assert parse_condition(condition).marker == marker
