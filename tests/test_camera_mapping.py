"""Camera mappings: which card says what, and what is said of a card that does not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from toy_camera import CAMERA, MAPPING, make_cards, write_camera

from butler.errors import IngestError
from butler.ingest import CameraMapping, CardRule, find_camera, shipped_cameras


def understand(cards: Mapping[str, Any]) -> None:
    """Read from a header all that ingest and later tasks need."""
    CAMERA.describe(cards, "f.fits")
    CAMERA.detector_properties(cards, "f.fits")


def mapping_with(**changes: Any) -> CameraMapping:
    return CameraMapping.parse({**MAPPING, **changes}, "a camera")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("GAIN", 1.5),
        ({"card": "GAIN"}, 1.5),
        ({"value": 7}, 7),
        ({"value": 0}, 0),
        ({"file": r"img(\d+)"}, "0042"),
        ({"card": "FILTER", "map": {"g wide": "g"}}, "g"),
        ({"card": "FILTER", "map": {"other": "r"}}, "g wide"),
        ({"card": "CCD", "map": {"3": "S3"}}, "S3"),
        ({"card": "CCD", "map": {3: "S3"}}, "S3"),
        ({"text": "{ESO DET ID}{CCD:02}"}, "X03"),
        ({"file": r"img(\d+)", "map": {"0042": 42}}, 42),
    ],
)
def test_a_rule_finds_its_value(rule: Any, expected: Any) -> None:
    """A card, a fixed value or a part of the file name, replaced where a map says so."""
    cards = {"GAIN": 1.5, "FILTER": " g wide ", "CCD": 3, "ESO DET ID": "X"}
    found = CardRule.model_validate(rule).find(cards, "img0042.fits")
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("field", "rule", "message"),
    [
        ("gain", {}, "exactly one of card, text, file, value and translated"),
        ("gain", {"card": "GAIN", "value": 1.0}, "exactly one of card, text, file, value and translated"),
        ("visit", {"file": r"(\d+)_(\d+)"}, "exactly one group, not 2"),
        ("visit", {"file": r"\d+"}, "exactly one group, not 0"),
        ("visit", {"file": "(["}, "not a regular expression"),
        ("gain", {"crad": "GAIN"}, "gain.crad: there is no such field; did you mean 'card'?"),
        ("gian", "GAIN", "gian: there is no such field; did you mean 'gain'?"),
        ("gain", 1.5, "gain: 1.5 is neither the name of a card nor a rule; write {value: 1.5} for a fixed"),
        ("gain", ["A", "B"], "write {card: ['A', 'B']} for the first of several cards"),
        ("weight", 3, "3 is no path; write one, such as '{stem}.w.fits', or a rule with file"),
        (
            "weight",
            {"path": "x"},
            "weight.path: there is no such field; known: extension, file, pattern, required",
        ),
        ("visit", None, "None is neither the name of a card nor a rule"),
        ("zero_point_table", "z.csv", "zero_point_table: it is 'z.csv'; it must be a mapping"),
        ("date_scale", "gps", "'utc', 'tai', 'tt', 'tdb', 'tcb' or 'tcg'"),
        ("zero_point_table", {"column": "z", "keys": {}}, "at least 1 item"),
    ],
)
def test_a_wrong_rule_is_named(field: str, rule: Any, message: str) -> None:
    """The error says which field of which file is wrong, in one line."""
    with pytest.raises(IngestError) as caught:
        mapping_with(**{field: rule})
    assert field in str(caught.value)
    assert message in str(caught.value)
    assert str(caught.value).startswith("a camera: ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("just text", "holds no mapping of quantities to cards"),
        ("- 1", "holds no mapping of quantities to cards"),
        ("instrument: TOY", "visit: it must be given"),
        ("", "holds no mapping of quantities to cards"),
    ],
)
def test_what_is_no_mapping_is_refused(content: str, message: str, tmp_path: Path) -> None:
    """YAML that is no mapping, or lacks required fields, is an error with the file's name."""
    path = tmp_path / "camera.yaml"
    path.write_text(content)
    with pytest.raises(IngestError, match=rf"camera\.yaml:? {message}"):
        CameraMapping.load(path)


def test_a_time_scale_in_capitals_is_meant() -> None:
    """Headers write it so."""
    assert mapping_with(date_scale=" TAI").date_scale == "tai"


def test_a_mapping_is_read_from_a_file(tmp_path: Path) -> None:
    """What YAML says is what the plain values say; a missing or broken file is an error."""
    assert CameraMapping.load(write_camera(tmp_path / "camera.yaml")) == CAMERA
    with pytest.raises(IngestError, match="cannot read the camera mapping"):
        CameraMapping.load(tmp_path / "none.yaml")
    (tmp_path / "broken.yaml").write_text("a: [1,")
    with pytest.raises(IngestError, match=r"broken\.yaml is not YAML"):
        CameraMapping.load(tmp_path / "broken.yaml")


def test_a_header_is_described() -> None:
    """Every quantity comes from its card."""
    found = CAMERA.describe(make_cards(visit=12, detector=3), "f.fits")
    assert (found.instrument, found.visit, found.detector) == ("TOY", 12, 3)
    assert (found.band, found.physical_filter, found.exposure_time) == ("g", "g wide", 30.0)
    assert found.begin.utc.isot == "2024-03-01T02:00:00.000"
    assert found.target_name == "COSMOS"
    properties = CAMERA.detector_properties(make_cards())
    assert (properties.gain, properties.read_noise, properties.saturation) == (1.5, 6.0, 60000.0)
    assert (properties.zero_point, properties.seeing) == (27.5, None)
    assert CAMERA.detector_properties(make_cards(changes={"SEEING": 2.5})).seeing == 2.5


def test_optional_quantities_may_be_missing() -> None:
    """Without a target there is none, and the physical filter is the band if no rule gives it."""
    assert CAMERA.describe(make_cards(changes={"OBJECT": None}), "f.fits").target_name is None
    assert mapping_with(physical_filter=None).describe(make_cards(), "f.fits").physical_filter == "g"


@pytest.mark.parametrize("digits", ["20240301123456789", "9007199254740993"])
def test_long_visit_numbers_keep_their_digits(digits: str) -> None:
    """A number beyond 2**53 written as text does not pass through a float."""
    assert CAMERA.describe(make_cards(changes={"EXPNUM": digits}), "f.fits").visit == int(digits)


@pytest.mark.parametrize(
    ("date", "scale"),
    [
        ("2024-03-01T02:00:00", "utc"),
        ("2024-03-01 02:00:00.000", "utc"),
        (60370.0 + 2 / 24, "utc"),
        ("2024-03-01T02:00:37", "tai"),
    ],
)
def test_forms_of_a_date(date: Any, scale: str) -> None:
    """ISO text and MJD numbers in any time scale are the same instant."""
    found = mapping_with(date_scale=scale).describe(make_cards(changes={"DATE-OBS": date}), "f.fits")
    assert abs(found.begin.utc.unix - 1709258400.0) < 1e-3


@pytest.mark.parametrize(
    ("quantity", "card"),
    [
        ("visit", "EXPNUM"),
        ("detector", "CCD"),
        ("band", "FILTER"),
        ("exposure_time", "EXPTIME"),
        ("date", "DATE-OBS"),
        ("gain", "GAIN"),
        ("read_noise", "RDNOISE"),
        ("saturation", "SATURATE"),
        ("zero_point", "MAGZERO"),
    ],
)
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_card_is_named(quantity: str, card: str, value: Any) -> None:
    """The error names the quantity, the card and the file."""
    cards = make_cards(changes={card: value})
    with pytest.raises(IngestError) as caught:
        understand(cards)
    for word in (quantity, card, "f.fits"):
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("quantity", "card", "value"),
    [
        ("visit", "EXPNUM", -1),
        ("visit", "EXPNUM", 1.5),
        ("visit", "EXPNUM", "12a"),
        ("visit", "EXPNUM", True),
        ("visit", "EXPNUM", 2**63),
        ("detector", "CCD", "S4"),
        ("exposure_time", "EXPTIME", -3.0),
        ("exposure_time", "EXPTIME", "long"),
        ("exposure_time", "EXPTIME", "NaN"),
        ("gain", "GAIN", 0.0),
        ("gain", "GAIN", "NaN"),
        ("gain", "GAIN", math.inf),
        ("gain", "GAIN", True),
        ("read_noise", "RDNOISE", -1.0),
        ("saturation", "SATURATE", 0),
        ("zero_point", "MAGZERO", "unknown"),
        ("seeing", "SEEING", -2.0),
        ("date", "DATE-OBS", "yesterday"),
        ("date", "DATE-OBS", "2024-13-01T00:00:00"),
        ("date", "DATE-OBS", math.nan),
        ("date", "DATE-OBS", True),
    ],
)
def test_an_impossible_value_is_named(quantity: str, card: str, value: Any) -> None:
    """The error names the quantity, the value, the card and the file."""
    cards = {**make_cards(), card: value}
    with pytest.raises(IngestError) as caught:
        understand(cards)
    for word in (quantity, card, "f.fits", repr(value)):
        assert word in str(caught.value)


def test_shipped_cameras_recognise_their_headers() -> None:
    """Each shipped mapping is found by its own cards, and by no others."""
    cameras = shipped_cameras()
    assert {"saao_ste3", "simcam"} <= {name.lower() for name in cameras}
    for camera in cameras.values():
        padded = {card: f"{value}  " for card, value in camera.match.items()}
        if padded:
            assert find_camera(padded, "f.fits") == camera
    with pytest.raises(IngestError, match=r"f\.fits: no shipped camera .* 'Nikon'"):
        find_camera({"INSTRUME": "Nikon"}, "f.fits")
    with pytest.raises(IngestError, match="absent"):
        find_camera({}, "f.fits")


def test_what_every_exposure_needs_is_not_optional() -> None:
    """A rule of the visit that may find nothing is a mistake in the mapping, not in each file."""
    with pytest.raises(IngestError, match="visit: it cannot be optional"):
        CameraMapping.parse({**MAPPING, "visit": {"card": "EXPNUM", "optional": True}}, "a camera")
