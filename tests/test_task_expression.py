"""Expressions that select tasks: what they mean, and how mistakes in them are told."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from toy_pipeline import toy_graph_pipeline

from connections import Pipeline, PipelineError
from tasks.cli import main

TOY = toy_graph_pipeline(0.0)
LABELS = {"double", "again", "sum"}
# What is before and after each, written down by hand: double -> again -> sum.
BEFORE = {"double": set(), "again": {"double"}, "sum": {"double", "again"}}
AFTER = {"double": {"again", "sum"}, "again": {"sum"}, "sum": set()}


def selected(expression: str, pipeline: Pipeline = TOY) -> list[str]:
    return pipeline.select_tasks(expression).labels


@pytest.mark.parametrize(
    ("expression", "labels"),
    [
        ("sum", ["sum"]),
        ("T:sum | double", ["double", "sum"]),
        ("<=again", ["double", "again"]),
        ("> double & ~sum", ["again"]),
        ("~(double|sum)", ["again"]),
        ("double | again & sum", ["double"]),
        ("<= doubled", ["double"]),
        ("< D:twicedoubled", ["double", "again"]),
        ("> doubled", ["again", "sum"]),
        (">= number", ["double", "again", "sum"]),
        ("  ~ ~ sum ", ["sum"]),
    ],
)
def test_what_an_expression_selects(expression: str, labels: list[str]) -> None:
    """Tasks by name, what comes before and after a task or a dataset type, and sets of these."""
    assert selected(expression) == labels


def test_subsets() -> None:
    """A subset stands for its tasks."""
    values = {
        "description": "x",
        "tasks": {"double": "toy_pipeline:DoubleTask", "sum": "toy_pipeline:SumTask"},
        "subsets": {"first": ["double"]},
    }
    pipeline = Pipeline.from_values(values)
    assert selected("~first", pipeline) == ["sum"]
    assert selected("S:first", pipeline) == ["double"]
    with pytest.raises(PipelineError, match="'first' is a subset"):
        selected("< first", pipeline)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("sun", "did you mean 'sum'"),
        ("T:doubled", "no task, subset or dataset type 'T:doubled'"),
        ("doubled", "<= doubled are the tasks that it takes to make it"),
        ("double again", "'again' is too much"),
        ("double |", "is missing at its end"),
        ("| double", "a name is missing before '|'"),
        ("< ~sum", "a name is missing before '~'"),
        ("(double", "a parenthesis is not closed"),
        ("", "is missing at its end"),
        ("double = 3", "'=' is no part of one"),
        ("~" * 10_000 + "sum", "more than 50 levels"),
        ("double & sum", "selects no task of double, again, sum"),
    ],
)
def test_a_mistake_is_told(expression: str, message: str) -> None:
    """What is wrong is said, with the nearest name."""
    with pytest.raises(PipelineError) as caught:
        selected(expression)
    assert message in str(caught.value)


def leaves() -> st.SearchStrategy[tuple[str, set[str]]]:
    """Return expressions without sets, and what they select."""
    names = st.sampled_from(sorted(LABELS))
    return st.one_of(
        names.map(lambda name: (name, {name})),
        names.map(lambda name: (f"<{name}", BEFORE[name])),
        names.map(lambda name: (f"<= T:{name}", BEFORE[name] | {name})),
        names.map(lambda name: (f"> {name}", AFTER[name])),
        names.map(lambda name: (f">={name}", AFTER[name] | {name})),
    )


EXPRESSIONS = st.recursive(
    leaves(),
    lambda inner: st.one_of(
        inner.map(lambda e: (f"~({e[0]})", LABELS - e[1])),
        st.tuples(inner, inner).map(lambda p: (f"({p[0][0]}) | ({p[1][0]})", p[0][1] | p[1][1])),
        st.tuples(inner, inner).map(lambda p: (f"({p[0][0]})&({p[1][0]})", p[0][1] & p[1][1])),
    ),
    max_leaves=6,
)


@given(EXPRESSIONS)
def test_expressions_are_those_of_sets(expression: tuple[str, set[str]]) -> None:
    """Whatever is put together selects what the sets of its parts say."""
    text, labels = expression
    if labels:
        assert set(selected(text)) == labels
    else:
        with pytest.raises(PipelineError, match="selects no task"):
            selected(text)


def test_the_command_line_takes_an_expression(tmp_path: Path) -> None:
    """pipetask selects after all edits of the pipeline."""
    path = tmp_path / "toy.yaml"
    path.write_text(TOY.to_yaml())
    words = ["build", "-p", str(path), "--select-tasks", "<= again", "--show", "tasks"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert "again" in result.stdout
    assert "SumTask" not in result.stdout
