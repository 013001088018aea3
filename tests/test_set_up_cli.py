"""Commands that set a repository up, and look whether it is: register-instrument, config-validate."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from butler import Butler
from butler.cli import main

MAPPING = """\
instrument: MINE
visit: EXPNUM
band: FILTER
exposure_time: EXPTIME
date: DATE-OBS
gain: GAIN
read_noise: RDNOISE
saturation: SATURATE
zero_point: MAGZERO
"""


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def change(repository: Path, settings: str) -> None:
    """Set something in butler.yaml."""
    path = repository / "butler.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | yaml.safe_load(settings)))


def test_instruments_are_registered(repository: Path, tmp_path: Path) -> None:
    """Shipped cameras and own mappings become instruments; a second time nothing changes."""
    own = tmp_path / "mine.yaml"
    own.write_text(MAPPING)
    result = call("register-instrument", repository, "SIMCAM", own)
    assert (result.exit_code, result.stderr) == (0, "instrument SIMCAM\ninstrument MINE\n")
    again = call("register-instrument", repository, "SIMCAM")
    assert again.stderr == "instrument SIMCAM: it was there already\n"
    with Butler(repository) as butler:
        names = [record.name for record in butler.query_dimension_records("instrument")]
    assert names == ["CAM", "MINE", "SIMCAM"]


def test_an_unknown_camera_is_told_the_nearest(repository: Path) -> None:
    """And nothing is registered, not even those before it."""
    result = call("register-instrument", repository, "SIMCAM", "SAAO-STE")
    assert result.exit_code == 1
    assert "no camera 'SAAO-STE'; did you mean 'SAAO-STE3'?" in result.stderr
    with Butler(repository) as butler:
        assert len(butler.query_dimension_records("instrument")) == 1


def test_a_sound_configuration_has_no_mistakes(repository: Path) -> None:
    """What a repository is made with is sound."""
    result = call("config-validate", repository)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no mistake found\n")


def test_mistakes_are_named(repository: Path) -> None:
    """Each name that means nothing is told, with the nearest that does."""
    pattern = "'{run}/{datasetType}/{visit}'"
    change(
        repository,
        f"templates: {{nite: {pattern}, visit+detector: {pattern}, instrument<CAN>: {{note: {pattern}}}}}\n"
        "compression: {wrap: lossless}",
    )
    result = call("config-validate", repository)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "compression: there is no dataset type 'wrap'; did you mean 'warp'?",
        "templates: 'nite' is no dataset type and no storage class; did you mean 'note'?",
        "templates: there is no instrument 'CAN'; did you mean 'CAM'?",
    ]


@pytest.mark.parametrize("text", ["templates: {default: '../x'}", "checksum: maybe", "colour: red"])
def test_settings_that_are_refused(repository: Path, text: str) -> None:
    """A file with which no butler opens is an error in one line."""
    change(repository, text)
    result = call("config-validate", repository)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")


def test_what_scripts_for_lsst_say_in_vain_is_told(butler: Butler) -> None:
    """Collections together with a ref, and search paths of settings, have no effect and are warned of."""
    with pytest.warns(UserWarning, match="all settings are in butler.yaml"):
        Butler(butler.root, searchPaths=["/etc"]).close()
    butler.collections.register("other")
    ref = butler.put({"n": 3}, "note", visit=1, run="other")
    with pytest.warns(UserWarning, match="'elsewhere' is not looked at"):
        assert butler.get(ref, collections="elsewhere") == {"n": 3}
