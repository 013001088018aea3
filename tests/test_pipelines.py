"""Pipeline files: imports, parameters, contracts, subsets, selections, settings and who made them, views."""

from __future__ import annotations

import shlex
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from connections import (
    ConfigError,
    Override,
    Pipeline,
    PipelineError,
    config_lines,
    history_lines,
    read_overrides,
    to_mermaid,
    to_svg,
    to_text,
)
from tasks.cli import main
from tasks.ready_pipelines import load_pipeline, ready_pipelines

DOUBLE, SUM = "toy_pipeline:DoubleTask", "toy_pipeline:SumTask"
BASE: dict[str, Any] = {
    "description": "double and add",
    "tasks": {"double": {"class": DOUBLE, "config": {"fail": "parameters.broken"}}, "sum": SUM},
    "parameters": {"broken": [7]},
    "contracts": [{"contract": "not sum.doCount or 9 not in double.fail", "msg": "nine is counted"}],
    "subsets": {"both": ["double", "sum"], "first": {"subset": ["double"], "description": "the first"}},
    "steps": [{"label": "first", "dimensions": ["visit"]}],
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory; ``base.yaml`` lies there."""
    monkeypatch.chdir(tmp_path)
    write("base.yaml", BASE)
    return tmp_path


def write(name: str, values: object) -> Path:
    path = Path(name)
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


def importing(**values: Any) -> Pipeline:
    """Return a pipeline that imports the base and says more."""
    imports = values.pop("imports", "base.yaml")
    return Pipeline.from_file(write("outer.yaml", {"description": "outer", "imports": imports, **values}))


def config(pipeline: Pipeline, label: str) -> Any:
    return next(node.config for node in pipeline.nodes if node.label == label)


@pytest.mark.usefixtures("here")
def test_an_import_brings_everything_and_the_outer_file_wins() -> None:
    """Tasks, parameters, contracts, subsets and steps come along; the importing file speaks last."""
    plan = importing(parameters={"broken": [8]}, tasks={"sum": {"class": SUM, "config": {"doCount": True}}})
    assert plan.labels == ["double", "sum"]
    assert config(plan, "double").fail == [8]
    assert config(plan, "sum").doCount
    assert plan.subsets["both"].labels == ("double", "sum")
    assert [step.label for step in plan.steps] == ["first"]
    assert len(plan.contracts) == 1


@pytest.mark.usefixtures("here")
def test_a_task_of_another_class_replaces_the_imported_one() -> None:
    """Settings of the imported class do not reach the new one."""
    plan = importing(
        tasks={"double": {"class": SUM, "config": {"connections.total": "all", "doCount": False}}}
    )
    assert config(plan, "double").connections == {"total": "all"}


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("choice", "labels"),
    [
        ({"include": "first"}, ["double"]),
        ({"include": ["double", "sum"]}, ["double", "sum"]),
        ({"exclude": ["double"]}, ["sum"]),
        ({"rename": {"double": "twice"}}, ["twice", "sum"]),
    ],
)
def test_imports_choose_and_rename(choice: dict[str, Any], labels: list[str]) -> None:
    """What is left out takes its contracts and subsets along; what is renamed keeps them."""
    plan = importing(imports=[{"location": "base.yaml", **choice}])
    assert plan.labels == labels
    assert bool(plan.contracts) == (len(labels) == 2)
    for contract in plan.contracts:
        assert contract.labels() <= set(labels)
    assert all(set(subset.labels) <= set(labels) for subset in plan.subsets.values())
    assert ("both" in plan.subsets) == (len(labels) == 2)


@pytest.mark.usefixtures("here")
def test_subsets_can_be_edited() -> None:
    """With EDIT a subset keeps the labels that are left."""
    entry = {"location": "base.yaml", "exclude": "sum", "labeledSubsetModifyMode": "EDIT"}
    assert importing(imports=[entry]).subsets["both"].labels == ("double",)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": {}}, "unknown key 'task'; did you mean 'tasks'"),
        ({"inherits": "x"}, "write imports instead"),
        ({"tasks": {}}, "neither tasks nor imports"),
        ({"tasks": {"parameters": SUM}}, "no label for a task"),
        ({"imports": "bse.yaml"}, "no pipeline 'bse.yaml'"),
        ({"imports": "coadd-safeclp"}, "did you mean 'coadd-safeclip'"),
        ({"imports": "itself.yaml"}, "imports itself"),
        ({"imports": [{"location": "base.yaml", "include": "x", "exclude": "sum"}]}, "no task or subset 'x'"),
        ({"imports": [{"location": "base.yaml", "include": "sum", "exclude": "sum"}]}, "write one"),
        ({"imports": [{"location": "base.yaml", "rename": {"x": "y"}}]}, "to rename"),
        ({"imports": [{"location": "base.yaml", "rename": {"double": "sum"}}]}, "two tasks one label"),
        ({"tasks": {"sum": {"class": SUM, "config": {"doCont": True}}}}, "did you mean 'doCount'"),
        ({"tasks": {"sum": {"class": SUM, "config": {"python": "config.doCount = 1"}}}}, "is not run"),
        ({"tasks": {"sum": {"class": SUM, "config": {"file": "none.yaml"}}}}, "none.yaml"),
        ({"tasks": {"sum": {"class": SUM, "config": {"dataId": {"visit": 1}}}}}, "instrument alone"),
        ({"tasks": {"sum": {"class": SUM, "config": {"doCount": "parameters.cont"}}}}, "no parameter 'cont'"),
        ({"tasks": {"sum": SUM}, "subsets": {"a": ["smu"]}}, "did you mean 'sum'"),
        ({"tasks": {"sum": SUM}, "subsets": {"sum": ["sum"]}}, "a task and a subset"),
        ({"tasks": {"sum": SUM}, "steps": [{"label": "a"}]}, "no subset"),
        ({"tasks": {"sum": SUM}, "contracts": ["sum.doCount == True"]}, r"sum.doCount is False"),
        ({"tasks": {"sum": SUM}, "contracts": ["sum.doCont"]}, "did you mean 'doCount'"),
        ({"tasks": {"sum": SUM}, "contracts": ["smu.doCount"]}, "did you mean 'sum'"),
        ({"tasks": {"sum": SUM}, "contracts": ["sum.doCount ="]}, "cannot be read"),
        ({"tasks": {"sum": SUM}, "contracts": ["__import__('os').system('touch pwned')"]}, "is not run"),
        ({"tasks": {"sum": SUM}, "contracts": ["sum.__class__"]}, "no field '__class__'"),
        ({"tasks": {"sum": SUM}, "contracts": ["'a' * 1000000000000 == sum.doCount"]}, "is no number"),
    ],
)
def test_faults_are_told(here: Path, change: dict[str, Any], message: str) -> None:
    """A pipeline that cannot be is refused before anything runs, and nothing in it is executed."""
    path = write("itself.yaml", {"description": "x", **change})
    with pytest.raises((PipelineError, ConfigError), match=message):
        Pipeline.from_file(path, ready=ready_pipelines())
    assert not (here / "pwned").exists()


@pytest.mark.usefixtures("here")
def test_all_faults_are_told_at_once() -> None:
    """Three mistakes in two tasks and on the command line are one message of three lines."""
    tasks = {
        "double": {"class": DOUBLE, "config": {"fial": [1], "fail": "many"}},
        "sum": {"class": "toy_pipeline:SmuTask"},
    }
    with pytest.raises(PipelineError) as caught:
        Pipeline.from_values({"description": "x", "tasks": tasks}, {"smu": {"doCount": True}})
    told = str(caught.value)
    assert told.startswith("the pipeline has 4 faults:")
    for part in ("did you mean 'fail'", "fail cannot be 'many'", "SmuTask", "did you mean 'sum'"):
        assert part in told


@pytest.mark.usefixtures("here")
def test_contracts_hold_the_configs_together() -> None:
    """A contract that breaks says its message and the values; one that holds lets through."""
    overrides = {"double": {"fail": [9]}, "sum": {"doCount": True}}
    with pytest.raises(PipelineError, match=r"nine is counted \(sum.doCount is True, double.fail is \[9\]\)"):
        Pipeline.from_file(Path("base.yaml"), overrides)
    assert config(Pipeline.from_file(Path("base.yaml"), {"double": {"fail": [9]}}), "double").fail == [9]


def test_settings_for_one_instrument() -> None:
    """They apply for it alone; without an instrument it is not guessed."""
    blocks = [{"doCount": False}, {"dataId": {"instrument": "HSC"}, "doCount": True}]
    values = {"description": "x", "tasks": {"sum": {"class": SUM, "config": blocks}}}
    from connections.pipeline_file import parse_pipeline

    for instrument, counted in (("HSC", True), ("DECam", False)):
        plan = Pipeline.from_description(parse_pipeline(values), instrument=instrument)
        assert config(plan, "sum").doCount == counted
    with pytest.raises(PipelineError, match="say what instrument"):
        Pipeline.from_values(values)
    with pytest.raises(PipelineError, match="is for HSC, not DECam"):
        Pipeline.from_description(parse_pipeline({**values, "instrument": "HSC"}), instrument="DECam")


@pytest.mark.parametrize(
    ("selection", "labels"),
    [
        ("makeWarp..assembleCoadd", ["makeWarp", "assembleCoadd"]),
        ("..makeWarp", ["processCcd", "makeWarp"]),
        ("makeWarp..", ["makeWarp", "assembleCoadd"]),
        ("assembleCoadd,processCcd", ["processCcd", "assembleCoadd"]),
    ],
)
def test_ranges_of_labels(selection: str, labels: list[str]) -> None:
    """A range goes by the order of the pipeline, and has both its ends."""
    plan = load_pipeline("from-exposures")
    chosen = [label for label in plan.labels if label in {"processCcd", "makeWarp", "assembleCoadd"}]
    between = [label for label in load_pipeline(f"from-exposures#{selection}").labels if label in chosen]
    assert between == labels


@pytest.mark.usefixtures("here")
def test_selections_by_subset_and_mistakes() -> None:
    """A subset's name stands for its labels; a range that runs backwards is refused."""
    assert load_pipeline("base.yaml#first").labels == ["double"]
    with pytest.raises(PipelineError, match="runs backwards"):
        load_pipeline("base.yaml#sum..double")
    with pytest.raises(PipelineError, match="did you mean 'double'"):
        load_pipeline("base.yaml#duble..")


@pytest.mark.parametrize("name", ready_pipelines())
def test_a_ready_pipeline_survives_its_text(tmp_path: Path, name: str) -> None:
    """Each ready pipeline can be written, read and drawn, and is the same."""
    plan = load_pipeline(name)
    path = tmp_path / "saved.yaml"
    path.write_text(plan.to_yaml())
    again = Pipeline.from_file(path)
    assert [(n.label, n.config) for n in again.nodes] == [(n.label, n.config) for n in plan.nodes]
    for node in plan.nodes:
        for _, connection in node.connections.all():
            assert connection.name in to_text(plan)
            assert connection.name.partition(".")[0] in to_mermaid(plan)
    drawing = ET.fromstring(to_svg(plan))
    texts = {text.text for text in drawing.iter("{http://www.w3.org/2000/svg}text")}
    assert set(plan.labels) <= texts


def test_no_two_boxes_of_a_drawing_overlap() -> None:
    """Boxes are apart, within the picture, and arrows run downwards."""
    drawing = ET.fromstring(to_svg(load_pipeline("from-exposures")))
    space = "{http://www.w3.org/2000/svg}"
    width, height = float(drawing.attrib["width"]), float(drawing.attrib["height"])
    boxes = [
        tuple(float(rect.attrib[key]) for key in ("x", "y", "width", "height"))
        for rect in drawing.iter(f"{space}rect")
        if rect.attrib["width"] != "100%"
    ]
    for i, (x, y, w, h) in enumerate(boxes):
        assert x >= 0
        assert y >= 0
        assert x + w <= width
        assert y + h <= height
        for x2, y2, w2, h2 in boxes[:i]:
            assert x + w < x2 or x2 + w2 < x or y + h < y2 or y2 + h2 < y


def test_settings_from_files(tmp_path: Path) -> None:
    """YAML and literal assignments say the same; code is never run."""
    text = (
        '"""Settings."""\nconfig.doCount = True\nconfig.connections.total = "all"\nconfig.a.retarget("m:T")\n'
    )
    (tmp_path / "a.py").write_text(text)
    fields = [("doCount", True), ("connections.total", "all"), ("a.target", "m:T")]
    found = read_overrides(tmp_path / "a.py")
    assert [(o.field, o.value) for o in found] == fields
    assert found[1].source == f"{tmp_path / 'a.py'}:3"
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(dict(fields), sort_keys=False))
    assert [(o.field, o.value) for o in read_overrides(tmp_path / "a.yaml")] == fields


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "config.x = open('pwned', 'w')",
        "config.x = [i for i in range(3)]",
        "other.x = 1",
        "config.x += [1]",
        "config.x.load('pwned')",
        "config.x = 1; open('pwned', 'w')",
        "config['x'] = 1",
        "x" * 10 + "(",
    ],
)
def test_code_in_a_settings_file_is_refused(here: Path, line: str) -> None:
    """The message names file and line, and says what may be written."""
    (here / "bad.py").write_text(f"config.a = 1\n{line}\n")
    with pytest.raises(ConfigError, match=r"bad\.py"):
        read_overrides(Path("bad.py"))
    assert not (here / "pwned").exists()


@pytest.mark.usefixtures("here")
def test_history_says_who_set_what() -> None:
    """The last setting holds; earlier ones and the default are told, also across a retarget."""
    plan = Pipeline.from_file(Path("base.yaml"), {"double": [Override("fail", [1], "-c double:fail=[1]")]})
    assert config_lines(plan, "double::fail") == ["double:fail = [1]  # -c double:fail=[1]"]
    assert history_lines(plan, "FAIL") == [
        "double:fail = [1]",
        "  []  # default",
        "  [7]  # base.yaml, tasks.double",
        "  [1]  # -c double:fail=[1]",
    ]
    assert config_lines(plan, "FAIL:NOIGNORECASE") == []
    safe = load_pipeline("coadd-safeclip", {"assembleCoadd": {"clipDetection.thresholdValue": 4.0}})
    [line] = config_lines(safe, "assembleCoadd::clipDetection.thresholdValue")
    assert line == "assembleCoadd:clipDetection.thresholdValue = 4.0  # the call"


def build(*words: str) -> str:
    result = CliRunner().invoke(main, ["build", *words])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.usefixtures("here")
def test_the_command_line_edits_from_left_to_right() -> None:
    """Settings, files, added and deleted tasks apply in the order in which they were given."""
    Path("set.py").write_text("config.doCount = False\n")
    show = ("-p", "base.yaml", "--show", "config=sum::doCount")
    assert "True" in build(*show, "-C", "sum:set.py", "-c", "sum:doCount=true")
    assert "False" in build(*show, "-c", "sum:doCount=true", "-C", "sum:set.py")
    assert build("-p", "base.yaml", "--delete", "double", "--show", "tasks") == f"sum: {SUM}\n"
    assert build("-t", DOUBLE, "-t", f"{SUM}:add", "--show", "tasks") == f"double: {DOUBLE}\nadd: {SUM}\n"
    parameter = build("-p", "base.yaml", "-c", "parameters:broken=[3]", "--show", "config=double::fail")
    assert "[3]" in parameter


@pytest.mark.usefixtures("here")
def test_a_pipeline_is_saved_and_drawn() -> None:
    """What is saved builds the same; files are written where they are asked for, nothing is printed."""
    words = ("-s", "saved.yaml", "--pipeline-mermaid", "p.mmd", "--pipeline-svg", "p.svg")
    assert build("-p", "base.yaml", *words) == ""
    assert build("-p", "saved.yaml") == build("-p", "base.yaml")
    assert Path("p.mmd").read_text().startswith("flowchart")
    assert ET.parse("p.svg").getroot().tag.endswith("svg")
    assert "subset: " not in build("-p", "base.yaml", "--show", "subsets")
    assert "both: double, sum" in build("-p", "base.yaml", "--show", "subsets")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ((), 2, "give -p PIPELINE, or tasks with -t"),
        (("-p", "base.yaml", "--show", "confg"), 2, "--show takes"),
        (("-p", "base.yaml", "--show", "history"), 2, "history=[LABEL::]GLOB, not"),
        (("-p", "base.yaml", "--delete", "duble"), 1, "did you mean 'double'"),
        (("-p", "base.yaml", "-c", "sum:doCount"), 2, "write -c"),
        (("-p", "base.yaml", "-C", "sum"), 2, "write -C"),
        (("-p", "base.yaml", "-t", "nowhere:Task"), 1, "cannot import task"),
        (("-p", "base.yaml", "-s", "none/saved.yaml"), 1, "none/saved.yaml"),
    ],
)
def test_mistakes_are_one_message(words: tuple[str, ...], status: int, message: str) -> None:
    """A wrong command line ends with 2, a wrong pipeline with 1; neither with a traceback."""
    result = CliRunner().invoke(main, ["build", *words])
    assert isinstance(result.exception, SystemExit)
    assert (result.exit_code, message in result.stderr) == (status, True), result.stderr


def test_the_page_about_pipelines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's pipeline builds, and the commands that look at one run."""
    page = (Path(__file__).parents[1] / "docs" / "pipelines.md").read_text()
    monkeypatch.chdir(tmp_path)
    blocks: dict[str, str] = {}
    for kind, _, body in (block.partition("\n") for block in page.split("```")[1::2]):
        blocks.setdefault(kind, body)
    Path("page.yaml").write_text(blocks["yaml"])
    assert "assembleMean: tasks.coadd:AssembleCoaddTask" in build("-p", "page.yaml", "--show", "tasks")
    Path("page.py").write_text(blocks["python"])
    assert [override.field for override in read_overrides(Path("page.py"))] == [
        "doNImage",
        "background.target",
    ]
    for line in blocks["sh"].strip().splitlines():
        result = CliRunner().invoke(main, shlex.split(line)[1:])
        assert result.exit_code == 0, (line, result.output)
