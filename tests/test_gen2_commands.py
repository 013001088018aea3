"""The Gen2 command lines: those of ci_hsc as printed, variations of them, and the way from raw images."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

import ci_hsc
import numpy as np
import pytest
from click import Command
from click.testing import CliRunner, Result
from repository_snapshot import snapshot

from butler import Butler
from butler.cli import main as butler_main
from butler.ingest import find_sky_map
from butler.skymaps import RingsSkyMap
from tasks.cli import main as pipetask
from tasks.cli.gen2 import assemble_coadd, make_coadd_temp_exp, make_sky_map, process_ccd
from tasks.cli.gen2.places import DEFAULT_CHAIN
from tasks.demo import SurveyConfig, simulate_survey, write_survey

HSC_I = """$CI_HSC_DIR/DATA --id patch=5,4 tract=0 filter=HSC-I --selectId visit=903986 ccd=16 --selectId
    visit=903986 ccd=22 --selectId visit=903986 ccd=23 --selectId visit=903986 ccd=100--selectId
    visit=904014 ccd=1 --selectId visit=904014 ccd=6 --selectId visit=904014 ccd=12 --selectId
    visit=903990 ccd=18 --selectId visit=903990 ccd=25 --selectId visit=904010 ccd=4 --selectId
    visit=904010 ccd=10 --selectId visit=904010 ccd=100 --selectId visit=903988 ccd=16 --selectId
    visit=903988 ccd=17 --selectId visit=903988 ccd=23 --selectId visit=903988 ccd=24"""
HSC_I_MENDED = HSC_I.replace("ccd=100--selectId", "ccd=100 --selectId")
HSC_R = """$CI_HSC_DIR/DATA --id patch=5,4 tract=0 filter=HSC-R --selectId visit=903334 ccd=16 --selectId
    visit=903334 ccd=22 --selectId visit=903334 ccd=23 --selectId visit=903334 ccd=100 --selectId
    visit=903336 ccd=17 --selectId visit=903336 ccd=24 --selectId visit=903338 ccd=18 --selectId
    visit=903338 ccd=25 --selectId visit=903342 ccd=4 --selectId visit=903342 ccd=10 --selectId
    visit=903342 ccd=100 --selectId visit=903344 ccd=0 --selectId visit=903344 ccd=5 --selectId
    visit=903344 ccd=11 --selectId visit=903346 ccd=1 --selectId visit=903346 ccd=6 --selectId
    visit=903346 ccd=12"""
ON_PATCH = "$CI_HSC_DIR/DATA --id patch=5,4 tract=0 filter=HSC-I"
COADD = {"skymap": "discrete/ci_hsc", "tract": 0, "patch": ci_hsc.PATCH}


def call(command: Command, line: str, rc: int = 0) -> Result:
    """Run a command line as a shell would; anything but a planned exit is an error of ours."""
    result = CliRunner().invoke(command, shlex.split(os.path.expandvars(line)))
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    assert result.exit_code == rc, result.output
    return result


def error(command: Command, line: str, rc: int = 2) -> str:
    """Run a command line that is refused before anything is written; return its one message."""
    before = snapshot(data())
    result = call(command, line, rc)
    assert snapshot(data()) == before
    assert "Traceback" not in result.output
    told = result.stderr.strip().splitlines()[-1]
    assert told.startswith("Error: ")
    return told


def data() -> Path:
    return Path(os.environ["CI_HSC_DIR"], "DATA")


@pytest.fixture(scope="session")
def warped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the repository, and the warps of both filters by makeCoaddTempExp."""
    root = tmp_path_factory.mktemp("ci_hsc")
    ci_hsc.make_ci_hsc(root / "DATA")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CI_HSC_DIR", str(root))
        for line in (HSC_I_MENDED, HSC_R):
            told = call(make_coadd_temp_exp, line).stderr
            assert "makeCoaddTempExp INFO: outputs are in rerun/default" in told
    return root


@pytest.fixture
def repo(warped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of it that a test may change."""
    shutil.copytree(warped / "DATA", tmp_path / "DATA")
    monkeypatch.setenv("CI_HSC_DIR", str(tmp_path))
    return tmp_path / "DATA"


def runs(repo: Path, chain: str = DEFAULT_CHAIN) -> list[str]:
    """Return the runs of a chain that are its own, newest first."""
    with Butler(repo) as butler:
        children = butler.collections.get_info(chain).children
    return [name for name in children if name.startswith(f"{chain}/")]


def coadd_visits(repo: Path, band: str = "i", chain: str = DEFAULT_CHAIN) -> list[int]:
    with Butler(repo, collections=chain) as butler:
        return sorted(row.visit for row in butler.get("deepCoadd.coaddInputs", COADD, band=band).visits)


@pytest.mark.parametrize(("line", "name"), [(HSC_I_MENDED, "HSC-I"), (HSC_R, "HSC-R")])
def test_the_command_lines_of_ci_hsc(repo: Path, line: str, name: str) -> None:
    """Without --rerun they write into rerun/default; the coadd has their visits, and no trail."""
    result = call(assemble_coadd, line)
    assert "outputs are in rerun/default" in result.stderr
    assert "WARNING" not in result.stderr
    band = ci_hsc.BANDS[name]
    assert coadd_visits(repo, band) == sorted(ci_hsc.DETECTORS[name])
    with Butler(repo, collections="rerun/default") as butler:
        coadd = butler.get("deepCoadd", COADD, band=band)
    assert coadd.filter.band == band
    [visit] = ci_hsc.TRAILS.keys() & ci_hsc.DETECTORS[name].keys()
    row = ci_hsc.TRAILS[visit] - coadd.bbox.minY
    assert coadd.mask.isSet("CLIPPED")[row].mean() > 0.9
    truth = ci_hsc.scene()[coadd.bbox.slices_in(ci_hsc.AREA)]
    deviation = (coadd.image.array - truth) / np.sqrt(coadd.variance.array)
    assert np.median(np.abs(deviation[row])) < 2.0
    assert np.median(np.abs(deviation)) < 1.0


def test_a_blank_that_is_missing(repo: Path) -> None:
    """The first of the printed lines has run two words together; the hint says which."""
    told = error(assemble_coadd, HSC_I)
    assert "a blank is missing in 'ccd=100--selectId': write 'ccd=100 --selectId'" in told


@pytest.mark.parametrize(
    ("option", "config"),
    [("--legacyCoadd", "config.statistic='MEANCLIP'"), ("", "config.statistic='MEAN'")],
)
def test_the_kind_of_coadd(repo: Path, option: str, config: str) -> None:
    """--legacyCoadd is the clipped mean, without CLIPPED; it may stand anywhere."""
    line = HSC_I_MENDED.replace("patch=5,4", f"patch=5,4 {option}")
    shown = call(assemble_coadd, f"{line} --show config=statistic run")
    assert config in shown.stdout
    with Butler(repo, collections="rerun/default") as butler:
        coadd = butler.get("deepCoadd", COADD, band="i")
        assert bool(np.any(coadd.mask.isSet("CLIPPED"))) is not option
    assert coadd_visits(repo) == sorted(ci_hsc.DETECTORS["HSC-I"])


def test_a_coadd_by_comparison(repo: Path) -> None:
    """makePsfMatched=True makes what --warpCompareCoadd needs."""
    line = (
        "$CI_HSC_DIR/DATA --id patch=5,4 tract=0 filter=HSC-R --selectId visit=903336^903338 --rerun compared"
    )
    settings = "-c makePsfMatched=True makePsfMatchedWarp.modelPsf.defaultFwhm=9"
    call(make_coadd_temp_exp, f"{line} {settings}")
    call(assemble_coadd, f"{line} --warpCompareCoadd")
    assert coadd_visits(repo, "r", "rerun/compared") == [903336, 903338]
    with Butler(repo, collections="rerun/compared") as butler:
        assert len(butler.query_datasets("deepCoadd_psfMatchedWarp")) == 2
        assert "assembleStaticSkyModel" in str(butler.get("assembleCoadd_config"))


def test_a_chosen_part_of_the_visits(repo: Path) -> None:
    """--selectId chooses visits; ones that are not there or lie elsewhere are told, as is a part of one."""
    result = call(
        assemble_coadd, f"{ON_PATCH} --selectId visit=903990^904014^1 ccd=18^25^1^6 --rerun default:part"
    )
    assert coadd_visits(repo, chain="rerun/part") == [903990, 904014]
    told = result.stderr
    assert "assembleCoadd WARNING: no such exposure on the patches: --selectId visit=1 ccd=18" in told
    assert "names only a part of visit 904014 on patch 69: its warp also has ccd=12" in told
    assert runs(repo, "rerun/part")[0].startswith("rerun/part/2")


def test_without_select_id(repo: Path) -> None:
    """All exposures on the patch are taken, or none as Gen2 did."""
    strict = call(assemble_coadd, f"{ON_PATCH} --gen2-strict")
    assert "WARNING: No exposures to coadd" in strict.stderr
    with Butler(repo) as butler:
        assert not butler.registry.datasets.query_types("deepCoadd")
    result = call(assemble_coadd, ON_PATCH)
    assert "INFO: there is no --selectId: all exposures on the patches are taken" in result.stderr
    assert coadd_visits(repo) == sorted(ci_hsc.DETECTORS["HSC-I"])


def test_what_a_command_line_becomes(repo: Path) -> None:
    """The condition that the documentation gives for pipetask makes the same coadd."""
    call(assemble_coadd, ON_PATCH)
    where = (
        "instrument = 'HSC' AND skymap = 'discrete/ci_hsc' AND tract = 0 AND patch IN (69) "
        "AND physical_filter = 'HSC-I'"
    )
    words = ["run", "-b", str(repo), "-p", "coadd-safeclip#assembleCoadd", "-i", "rerun/default", "-d", where]
    result = CliRunner().invoke(pipetask, [*words, "-o", "same"])
    assert result.exit_code == 0, result.output
    assert len(runs(repo, "same")) == 1
    with Butler(repo) as butler:
        found = [
            butler.get("deepCoadd", COADD, band="i", collections=runs(repo, c))
            for c in ("same", DEFAULT_CHAIN)
        ]
    np.testing.assert_array_equal(found[0].image.array, found[1].image.array)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "no data to process: there is no --id"),
        ("--id patch=0,0 tract=0 filter=HSC-I", "No exposures to coadd"),
        (f"{ON_PATCH.partition(' ')[2]} --selectId visit=17", "No exposures to coadd"),
        ("--id patch=5,4 tract=0 filter=HSC-I2", "No exposures to coadd"),
        (f"{ON_PATCH.partition(' ')[2]} -i calexps --rerun no/warps", "no data to process"),
    ],
)
def test_nothing_to_do_is_no_failure(repo: Path, line: str, message: str) -> None:
    """There is a warning, status 0, and nothing changes."""
    before = snapshot(repo)
    assert message in call(assemble_coadd, f"$CI_HSC_DIR/DATA {line}").stderr
    assert snapshot(repo) == before


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--id tract=0 filter=HSC-I", "patch needed, as in tract=0 patch=5,4, or --all-patches"),
        ("--id", "tract and patch needed"),
        ("--id patch=5,4 tract=0", "a filter is needed"),
        ("--id patch=16,0 tract=0 filter=HSC-I", "x is 0..15, y is 0..15"),
        ("--id patch=5,4 tract=0 filter=HSC-Z", "did you mean 'HSC-"),
        ("--id patch=5,4 tract=0 filter=HSC-I --selectId cdd=1", "did you mean 'ccd'?"),
        ("--id patch=5,4 tract=0 filter=HSC-I --output /tmp/out", "looks like a directory"),
        ("--id patch=5,4 tract=0 filter=HSC-I --rerun a:b:c", "write --rerun OUT or --rerun IN:OUT"),
        ("--id patch=5,4 tract=0 filter=HSC-I --output x -i rerun/default,x", "no collection 'x'"),
        ("--id patch=5,4 tract=0 filter=HSC-I --reuse-outputs-from warps", "known: all, assembleCoadd"),
        ("--clobber-c", "did you mean '--clobber-config'?"),
    ],
)
def test_a_mistake_is_one_message(repo: Path, line: str, message: str) -> None:
    """What is wrong is told before anything is written; the status is 2, or 1 for a collection."""
    rc = 1 if "collection" in message else 2
    assert message in error(assemble_coadd, f"$CI_HSC_DIR/DATA {line}", rc)


def test_help_and_a_missing_repository(tmp_path: Path) -> None:
    """The repository comes first; help alone is no error."""
    for words, rc in (("-h", 0), ("--help", 0), ("", 1), ("--id visit=1", 1), ("@file", 1)):
        assert "usage: assembleCoadd REPO [OPTIONS]" in call(assemble_coadd, words, rc).stdout
    told = call(assemble_coadd, f"{tmp_path}/none --id", 1).stderr
    assert told.startswith("Error: ")


def test_sky_maps(repo: Path, tmp_path: Path) -> None:
    """Fields come from -c and from files as LSST has them; the same again is no error, another one is."""
    path = tmp_path / "skymap.py"
    path.write_text(
        'config.skyMap = "rings"\nconfig.skyMap["rings"].numRings = 3\nconfig.pixelScale = 40.0\n'
    )
    words = "$CI_HSC_DIR/DATA -c projection=TAN"
    told = call(make_sky_map, f"{words} -C {path} -c patchInnerDimensions=500,400 --show config run")
    assert "config.skyMap['rings'].numRings=3" in told.stdout
    assert "makeSkyMap INFO: sky map 'rings'" in told.stderr
    with Butler(repo) as butler:
        found = find_sky_map(butler, "rings")[1]
    assert isinstance(found, RingsSkyMap)
    assert (found.config.numRings, found.config.pixelScale) == (3, 40.0)
    assert found.config.patchInnerDimensions == (500, 400)
    again = call(make_sky_map, f"{words} -C {path} -c patchInnerDimensions=500,400")
    assert "it was there already" in again.stderr
    before = snapshot(repo)
    assert "another definition" in call(make_sky_map, f"{words} -C {path}", 1).stderr
    assert "no field 'numRing'" in call(make_sky_map, "$CI_HSC_DIR/DATA -c skyMap=rings numRing=3", 1).stderr
    assert "there is no default sky map" in call(make_sky_map, "$CI_HSC_DIR/DATA", 2).stderr
    shown = "--id visit=903986 --skymap around --show data"
    assert len(call(make_sky_map, f"$CI_HSC_DIR/DATA {shown}").stdout.splitlines()) == 4
    assert snapshot(repo) == before
    call(make_sky_map, f"$CI_HSC_DIR/DATA {shown} run -c pixelScale=1.0 borderSize=0.001")
    with Butler(repo) as butler:
        around = find_sky_map(butler, "around")[1]
    # Half the diagonal of 76 x 76 pixels of 1 arcsec, and 3.6 arcsec around it.
    assert around.config.radiusList == pytest.approx([(76 / 2**0.5 + 3.6) / 3600], rel=0.01)


def test_the_whole_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """processCcd, makeSkyMap, makeCoaddTempExp, assembleCoadd: each finds what those before it have made."""
    monkeypatch.setenv("CI_HSC_DIR", str(tmp_path))
    survey = SurveyConfig(
        n_visits=1, n_x=100, n_y=100, n_stars=25, n_galaxies=0, trail=False, n_cosmic_rays=0.0
    )
    write_survey(simulate_survey(survey), tmp_path / "survey")
    for words in ("create", "ingest-exposures"):
        more = [str(tmp_path / "survey" / "exposures")] if words != "create" else []
        assert CliRunner().invoke(butler_main, [words, str(data()), *more]).exit_code == 0
    call(process_ccd, "$CI_HSC_DIR/DATA --id visit=101 ccd=0")
    call(make_sky_map, "$CI_HSC_DIR/DATA --id -c pixelScale=0.3 patchInnerDimensions=300,300")
    call(make_coadd_temp_exp, "$CI_HSC_DIR/DATA --id tract=0 filter=i --selectId visit=101 ccd=0")
    call(assemble_coadd, "$CI_HSC_DIR/DATA --id tract=0 patch=0,0 filter=i --selectId visit=101")
    with Butler(data(), collections="rerun/default") as butler:
        key = {"skymap": "discrete", "tract": 0, "patch": 0, "band": "i"}
        inputs = butler.get("deepCoadd.coaddInputs", key)
        assert len(butler.query_datasets("calexp")) == 1
    assert [row.visit for row in inputs.visits] == [101]
    assert len(runs(data())) == 1
