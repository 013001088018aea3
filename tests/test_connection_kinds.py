"""Kinds and fields of connections, names in configs, and the hook that adjusts a quantum."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from butler import DataCoordinate, DatasetRef, DatasetType
from butler.dimensions import UNIVERSE
from connections import (
    ConfigError,
    ConnectionsError,
    InitInput,
    InitOutput,
    Input,
    MissingPrerequisiteError,
    NoWorkFound,
    Output,
    PipelineTaskConnections,
    PrerequisiteInput,
    QuantumGraphError,
    ScalarError,
    adjust_quantum,
)
from connections.pipeline_node import dataset_type
from tasks import PipelineTaskConfig

PLAIN = "StructuredDataDict"


class StackConnections(
    PipelineTaskConnections,
    dimensions=("instrument",),
    defaultTemplates={"coaddName": "deep", "old": "x"},
    deprecatedTemplates={"old": "write coaddName since v2"},
):
    warpSchema = InitInput(name="warp_schema", storageClass=PLAIN)
    warps = Input(
        name="{coaddName}_warp",
        storageClass=PLAIN,
        dimensions=("instrument", "visit"),
        multiple=True,
        minimum=2,
    )
    flat = PrerequisiteInput(name="flat", storageClass=PLAIN, dimensions=("instrument",), isCalibration=True)
    coadd = Output(name="{coaddName}_coadd", storageClass=PLAIN, dimensions=("instrument",))
    extra: Output | None = Output(
        name="{coaddName}_extra", storageClass=PLAIN, dimensions=("instrument",), deprecated="nobody reads it"
    )
    coaddSchema = InitOutput(name="{coaddName}_schema", storageClass=PLAIN)

    @classmethod
    def for_config(cls, config: Any) -> PipelineTaskConnections:
        if config.byDay:
            return ByDayConnections()
        return cls() if config.doExtra else cls().without("extra")


class ByDayConnections(StackConnections, dimensions=("instrument", "day_obs")):
    extra: Output | None = None


class StackConfig(PipelineTaskConfig, pipelineConnections=StackConnections):
    doExtra: bool = True
    byDay: bool = False


def test_all_kinds_are_told_apart_without_annotations() -> None:
    """Declarations as in LSST's scripts; those of the task as a whole are no part of a quantum."""
    found = StackConnections()
    assert list(found.initInputs) == ["warpSchema"]
    assert list(found.initOutputs) == ["coaddSchema"]
    assert list(found.inputs) == ["warps"]
    assert list(found.prerequisiteInputs) == ["flat"]
    assert list(found.outputs) == ["coadd", "extra"]
    assert [field for field, _ in found.all()] == ["warps", "flat", "coadd", "extra"]
    assert set(found.allConnections) == {"warpSchema", "warps", "flat", "coadd", "extra", "coaddSchema"}


def test_fields_have_lssts_defaults() -> None:
    """What is not said is as in LSST."""
    plain = Input(name="a", storageClass=PLAIN)
    assert plain.model_dump() == {
        "name": "a", "storageClass": PLAIN, "doc": "", "multiple": False, "deprecated": None,
        "dimensions": (), "isCalibration": False, "deferLoad": False, "minimum": 1,
        "deferGraphConstraint": False, "deferBinding": False,
    }  # fmt: skip
    assert PrerequisiteInput(name="a", storageClass=PLAIN).lookupFunction is None
    assert not hasattr(InitInput(name="a", storageClass=PLAIN), "minimum")


def test_a_calibration_is_registered_as_one() -> None:
    """The dataset type of a connection knows whether its datasets may be certified."""
    assert dataset_type(StackConnections().renamed().flat).isCalibration
    assert not dataset_type(StackConnections().renamed().coadd).isCalibration


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Input(name="a", storageClass=PLAIN, dimensions="visit"), r"write \('visit',\)"),
        (lambda: Input(name="a", storageClass=PLAIN, multipel=True), "did you mean 'multiple'"),
        (lambda: Input(name="a"), "needs storageClass"),
        (lambda: Output(name="a", storageClass=PLAIN, minimum=0), "Output 'a' has no field 'minimum'"),
        (lambda: InitOutput(name="a", storageClass=PLAIN, dimensions=("visit",)), "no field 'dimensions'"),
        (lambda: Input(name="a", storageClass=PLAIN, minimum=-1), "minimum cannot be -1"),
    ],
)
def test_impossible_fields_are_refused_in_one_line(make: Callable[[], Any], message: str) -> None:
    """The message names kind, connection and field; it is a TypeError, as in LSST."""
    with pytest.raises(ConnectionsError, match=message) as caught:
        make()
    assert isinstance(caught.value, TypeError)
    assert "\n" not in str(caught.value)


def test_names_that_connections_need_are_refused() -> None:
    """A connection named as a list of connections would hide it."""
    with pytest.raises(ConnectionsError, match="no connection can be named inputs"):

        class Hidden(PipelineTaskConnections, dimensions=()):
            inputs = Input(name="a", storageClass=PLAIN)


def test_dimensions_are_required_or_inherited_and_may_be_empty() -> None:
    """An empty tuple is an answer; none is not."""

    class Empty(PipelineTaskConnections, dimensions=()):
        a = Output(name="a", storageClass=PLAIN)

    class Inheriting(Empty):
        b = Output(name="b", storageClass=PLAIN)

    assert Inheriting.dimensions == ()
    assert list(Inheriting().outputs) == ["a", "b"]
    with pytest.raises(ConnectionsError, match="needs dimensions"):

        class Without(PipelineTaskConnections):
            a = Output(name="a", storageClass=PLAIN)


def test_a_config_switches_replaces_and_changes_dimensions() -> None:
    """Switches leave connections out; another class brings other dimensions; one may become another kind."""
    assert "extra" not in StackConfig(doExtra=False).resolved_connections().outputs
    by_day = StackConfig(byDay=True).resolved_connections()
    assert by_day.dimensions == ("instrument", "day_obs")
    assert by_day.outputs.keys() == {"coadd"}
    optional = PrerequisiteInput(name="{coaddName}_warp", storageClass=PLAIN, multiple=True, minimum=0)
    changed = StackConnections().replaced(warps=optional).renamed(coaddName="good")
    assert changed.inputs == {}
    assert changed.prerequisiteInputs["warps"].name == "good_warp"
    with pytest.raises(ConnectionsError, match="did you mean 'warps'"):
        StackConnections().replaced(warp=optional)
    with pytest.raises(ConnectionsError, match=r"no template \{nope\}"):
        StackConnections().replaced(warps=Input(name="{nope}", storageClass=PLAIN))


def test_names_are_attributes_and_entries_of_the_config() -> None:
    """A name that was not set reads as it is declared; what is set holds whoever sets it."""
    config = StackConfig()
    assert config.connections.coaddName == "deep"  # type: ignore[attr-defined]
    assert config.connections.warps == "{coaddName}_warp"  # type: ignore[attr-defined]
    assert config.connections == {}
    config.connections.coaddName = "good"  # type: ignore[attr-defined]
    config.connections["warps"] = "{coaddName}_my_warp"
    assert config.resolved_connections().inputs["warps"].name == "good_my_warp"
    for same in (
        copy.deepcopy(config),
        pickle.loads(pickle.dumps(config)),
        StackConfig(**config.to_simple()),
    ):
        assert same == config
        assert same.connections.coaddName == "good"


def test_wrong_names_are_refused_when_they_are_set() -> None:
    """The nearest name is told, in the constructor, by assignment and as an override."""
    with pytest.raises(ConfigError, match=r"StackConfig\.connections: no connection or template 'coadName'"):
        StackConfig(connections={"coadName": "x"})
    with pytest.raises(ConfigError, match="did you mean 'warps'"):
        StackConfig().updated({"connections.warp": "x"})
    config = StackConfig()
    with pytest.raises(ConnectionsError, match="did you mean 'coaddName'"):
        config.connections.coadName = "x"  # type: ignore[attr-defined]
    with pytest.raises(ConnectionsError, match="is a text, not 3"):
        config.connections.coaddName = 3  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="did you mean 'coaddName'"):
        _ = config.connections.coadName  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [("warps", "{nope}_warp", "no template {nope}"), ("warps", "{oops", "cannot be a name")],
)
def test_a_name_that_cannot_be_filled_in_is_refused(name: str, value: str, message: str) -> None:
    """A placeholder in a whole name must be a template."""
    with pytest.raises(ConnectionsError, match=message):
        StackConfig(connections={name: value}).resolved_connections()


def test_deprecated_names_warn_who_sets_them() -> None:
    """A deprecated connection or template is used in silence as long as no config names it."""
    StackConfig().resolved_connections()
    with pytest.warns(FutureWarning, match=r"StackConnections\.old: write coaddName"):
        StackConfig(connections={"old": "y"}).resolved_connections()
    with pytest.warns(FutureWarning, match="nobody reads it"):
        StackConfig(connections={"extra": "y"}).resolved_connections()


def refs(name: str, *visits: int) -> list[DatasetRef]:
    group = ("instrument", "visit") if visits != (0,) else ("instrument",)
    found = []
    for visit in visits:
        values = {"instrument": "Cam", "visit": visit, "day_obs": 1, "physical_filter": "i", "band": "i"}
        data_id = DataCoordinate.standardize(
            {name: values[name] for name in UNIVERSE.conform(group).names}, dimensions=UNIVERSE.conform(group)
        )
        found.append(DatasetRef(DatasetType(name, group, PLAIN), data_id, "r"))
    return found


WARPS, FLAT, COADD = refs("deep_warp", 1, 2, 3), refs("flat", 0), refs("deep_coadd", 0)
EVERYTHING = {"warps": WARPS, "flat": FLAT}


class Choosy(StackConnections):
    """Leaves visit 2 out, and turns the others round."""

    def adjustQuantum(self, inputs: Any, outputs: Any, label: str, data_id: DataCoordinate) -> Any:
        connection, given = inputs["warps"]
        kept = {"warps": (connection, [ref for ref in reversed(given) if ref.dataId["visit"] != 2])}
        super().adjustQuantum({**inputs, **kept}, outputs, label, data_id)
        return kept, {}


def test_the_hook_leaves_datasets_out_and_keeps_its_order() -> None:
    """What it does not name stays as it is; connections without datasets are there, empty."""
    read, made = adjust_quantum(Choosy(), EVERYTHING, {"coadd": COADD}, "stack", COADD[0].dataId)
    assert read == {"warps": (WARPS[2], WARPS[0]), "flat": tuple(FLAT)}
    assert made == {"coadd": tuple(COADD), "extra": ()}
    with pytest.raises(NoWorkFound, match="has 1 datasets of warps"):
        adjust_quantum(Choosy(), {**EVERYTHING, "warps": WARPS[:2]}, {"coadd": COADD}, "s", COADD[0].dataId)


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        ({**EVERYTHING, "warps": WARPS[:1]}, NoWorkFound, r"1 datasets of warps \(.*; it needs 2"),
        ({"warps": WARPS}, MissingPrerequisiteError, "0 datasets of flat.*must exist before"),
        ({**EVERYTHING, "flat": FLAT + WARPS[:1]}, ScalarError, "multiple=True, or narrow the query"),
    ],
)
def test_the_base_counts_datasets(
    inputs: dict[str, list[DatasetRef]], error: type[BaseException], message: str
) -> None:
    """Too few inputs are no work, too few prerequisites and too many of anything are errors."""
    with pytest.raises(error, match=message):
        adjust_quantum(StackConnections(), inputs, {"coadd": COADD}, "stack", COADD[0].dataId)


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (({"warp": (None, [])}, {}), QuantumGraphError, "names warp"),
        (({"warps": (None, refs("deep_warp", 9))}, {}), QuantumGraphError, "adds .* it may only remove"),
        (({"warps": (None, []), "flat": (None, [])}, {}), QuantumGraphError, "leaves outputs, but no inputs"),
        (({}, {"coadd": (None, [])}), NoWorkFound, "leaves no outputs"),
    ],
)
def test_an_answer_that_cannot_be_is_refused(answer: Any, error: type[BaseException], message: str) -> None:
    """The hook may only remove; without outputs there is no work."""

    class Answering(StackConnections):
        def adjustQuantum(self, inputs: Any, outputs: Any, label: str, data_id: DataCoordinate) -> Any:
            return answer

    with pytest.raises(error, match=message):
        adjust_quantum(Answering(), EVERYTHING, {"coadd": COADD}, "stack", COADD[0].dataId)
