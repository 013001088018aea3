"""Settings that are right only beside each other: their order does not matter, contradictions are told."""

from __future__ import annotations

import itertools

import pytest

from connections import Override
from connections.errors import ConfigError
from connections.pipeline_node import configured_node
from tasks.process_ccd import ProcessCcdConfig
from tasks.warp import MakePsfMatchedWarpConfig

TASK = "tasks.warp:MakePsfMatchedWarpTask"
MIN, MAX = "psfMatch.kernelSizeMin", "psfMatch.kernelSizeMax"


@pytest.mark.parametrize(
    "order", list(itertools.permutations([(MIN, 61), (MAX, 71), ("psfMatch.ridge", 0.5)]))
)
def test_limits_are_raised_together(order: tuple[tuple[str, float], ...]) -> None:
    """Each by itself would contradict the default of the other."""
    faults: list[ConfigError] = []
    node = configured_node("match", TASK, [Override(field, value, "here") for field, value in order], faults)
    config = MakePsfMatchedWarpConfig().updated(dict(order))
    nested = {"psfMatch": {field.partition(".")[2]: value for field, value in order}}
    assert not faults
    assert node.config == config == MakePsfMatchedWarpConfig().updated(nested)
    assert (config.psfMatch.kernelSizeMin, config.psfMatch.kernelSizeMax) == (61, 71)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ([(MIN, 81), (MAX, 71)], ["kernelSizeMin 81 is larger than kernelSizeMax 71"]),
        ([(MIN, 61), (MAX, 70)], ["kernelSizeMin 61 is larger", "kernelSizeMax must be odd, not 70"]),
        ([(MIN, 61), (MAX, 71), (MIN, 31)], ["kernelSizeMin 61 is larger than kernelSizeMax 51"]),
    ],
)
def test_what_contradicts_is_told(settings: list[tuple[str, float]], told: list[str]) -> None:
    """Also where a field is set twice: of that the last counts, which the first would come after."""
    faults: list[ConfigError] = []
    configured_node("match", TASK, [Override(field, value, "here") for field, value in settings], faults)
    assert len(faults) == len(told)
    for fault, part in zip(faults, told, strict=True):
        assert part in str(fault)
    if len(dict(settings)) == len(settings):
        with pytest.raises(ConfigError, match=r"kernelSizeM.. \d\d is larger|must be odd"):
            MakePsfMatchedWarpConfig().updated(dict(settings))


def test_a_step_is_set_before_it_is_chosen() -> None:
    """A field that only the new step has."""
    values = {
        "photometricScale.minStars": 7,
        "photometricScale.target": "tasks.process_ccd:ReferenceZeroPointTask",
    }
    assert ProcessCcdConfig().updated(values).photometricScale.minStars == 7
