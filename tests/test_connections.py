"""Connections and configs: what a task declares, and what it refuses."""

from __future__ import annotations

import logging

import pytest
from toy_pipeline import DoubleConfig, DoubleConnections, SumConfig, SumConnections

from connections import ConfigError, ConnectionsError, Input, Output, PipelineTaskConnections
from tasks.config import Config, ConfigurableField
from tasks.struct import Struct
from tasks.task import Task


class InnerConfig(Config):
    size: float = 1.0
    names: dict[str, float] = {}


class InnerTask(Task):
    ConfigClass = InnerConfig
    _DefaultName = "inner"


class OtherConfig(Config):
    width: int = 4


class OtherTask(Task):
    ConfigClass = OtherConfig
    _DefaultName = "other"


class OuterConfig(Config):
    inner: ConfigurableField = InnerTask.makeField("a replaceable part")
    count: int = 3

    def setDefaults(self) -> None:
        super().setDefaults()
        self.inner.value.size = 7.0


class OuterTask(Task):
    ConfigClass = OuterConfig
    _DefaultName = "outer"

    def __init__(self, config: OuterConfig | None = None) -> None:
        super().__init__(config)
        self.makeSubtask("inner")


def test_connections_are_listed_by_kind() -> None:
    """Inputs, prerequisites and outputs are told apart."""
    connections = DoubleConnections()
    assert list(connections.inputs) == ["number"]
    assert list(connections.prerequisiteInputs) == ["factor"]
    assert list(connections.outputs) == ["doubled"]


def test_templates_and_names_are_filled_in() -> None:
    """A template fills placeholders; a whole name replaces the dataset type."""
    assert DoubleConnections().renamed(prefix="my_").doubled.name == "my_doubled"
    assert DoubleConnections().renamed(number="other").number.name == "other"


def test_connections_round_trip_through_json() -> None:
    """Connections are plain values."""
    connections = DoubleConnections().renamed(prefix="x")
    assert DoubleConnections.model_validate_json(connections.model_dump_json()) == connections


def test_misspelt_connection_is_refused_with_the_nearest_name() -> None:
    """A name that is neither connection nor template is an error."""
    with pytest.raises(ConnectionsError, match="did you mean 'number'"):
        DoubleConnections().renamed(numbr="x")


def test_config_switches_an_output_off() -> None:
    """An optional output is there only if the config asks for it."""
    assert list(SumConfig().resolved_connections().outputs) == ["total"]
    assert list(SumConfig(doCount=True).resolved_connections().outputs) == ["total", "count"]
    with pytest.raises(ConnectionsError, match="no connection 'cont'"):
        SumConnections().without("cont")


def test_impossible_declarations_are_refused() -> None:
    """Dimensions as a text, a minimum without multiple, and unknown placeholders are errors."""
    with pytest.raises(ConnectionsError, match="tuple of names"):

        class TextDimensions(PipelineTaskConnections, dimensions="visit"):  # type: ignore[arg-type]
            out: Output = Output(name="o", storageClass="StructuredDataDict")

    with pytest.raises(ConnectionsError, match="multiple=True"):

        class Few(PipelineTaskConnections, dimensions=("instrument",)):
            many: Input = Input(name="m", storageClass="StructuredDataDict", minimum=2)

    with pytest.raises(ConnectionsError, match="no template"):

        class Placeholder(PipelineTaskConnections, dimensions=("instrument",)):
            out: Output = Output(name="{coadName}", storageClass="StructuredDataDict")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"cont": 1}, "no field 'cont'; did you mean 'count'"),
        ({"count": "many"}, "count cannot be 'many'"),
        ({"inner.siz": 1}, "no field 'siz'; did you mean 'size'"),
        ({"count.x": 1}, "it is a plain value"),
        ({"inner.target": "nowhere:Task"}, "cannot import task 'nowhere:Task'"),
    ],
)
def test_wrong_config_values_say_what_is_wrong(overrides: dict[str, object], message: str) -> None:
    """A bad override names the field, the value and the nearest name, and changes nothing."""
    config = OuterConfig()
    with pytest.raises(ConfigError, match=message):
        config.updated(overrides)
    assert config == OuterConfig()


def test_defaults_then_file_then_command_line() -> None:
    """setDefaults comes before constructor values, overrides come after in their order."""
    assert OuterConfig().inner.size == 7.0
    assert OuterConfig(count=1).count == 1
    assert OuterConfig().updated({"inner.size": 2, "inner": {"size": 3}}).inner.size == 3.0
    assert OuterConfig().updated({"inner.names.a": 1.5}).inner.names == {"a": 1.5}


def test_config_round_trips_through_plain_values() -> None:
    """A config, retargeted subtasks included, can be kept as JSON."""
    config = OuterConfig().updated({"inner.target": f"{__name__}:OtherTask", "inner.width": 9})
    again = OuterConfig(**config.to_simple())
    assert again == config
    assert isinstance(again.inner.value, OtherConfig)


def test_subtasks_of_subtasks_round_trip_and_are_set() -> None:
    """A config of a subtask with a subtask can be kept as JSON, and be set as it is written there."""

    class TopConfig(Config):
        outer: ConfigurableField = OuterTask.makeField("a task that has a subtask")

    config = TopConfig().updated({"outer.inner.size": 11})
    assert TopConfig(**config.to_simple()) == config
    assert TopConfig().updated({"outer.value.inner.value.size": 11}) == config
    assert TopConfig().updated(config.to_simple()) == config


def test_assignment_is_checked() -> None:
    """A wrong value is refused at the moment it is set."""
    config = DoubleConfig()
    with pytest.raises(ConfigError, match="fail"):
        config.fail = "x"  # type: ignore[assignment]
    with pytest.raises(ConfigError, match="no field 'fial'"):
        config.fial = []


def test_subtasks_have_full_names_and_metadata(caplog: pytest.LogCaptureFixture) -> None:
    """Names and metadata of a task tree follow LSST's rules."""
    task = OuterTask()
    task.inner.metadata["n"] = 1  # type: ignore[attr-defined]
    with caplog.at_level("INFO"), task.timer("work", logging.INFO):
        pass
    assert "work took" in caplog.text
    assert sorted(task.getTaskDict()) == ["outer", "outer.inner"]
    metadata = task.getFullMetadata()
    assert metadata["outer:inner.n"] == 1
    assert metadata["outer.workEndCpuTime"] >= metadata["outer.workStartCpuTime"]
    task.emptyMetadata()
    assert task.getFullMetadata() == {}


def test_struct_gives_its_values_by_name() -> None:
    """A Struct is a bag of named results."""
    assert Struct(a=1, b=2).getDict() == {"a": 1, "b": 2}
