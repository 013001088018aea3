"""Path templates: what they say, which one a dataset gets, and that none leads out of the root."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from small_repository import CALEXP, COADD, NOTE, TOTAL, WARP

from butler import Butler, DataCoordinate, DatasetRef, DatasetType, RepositoryConfig
from butler.datastore import DEFAULT_TEMPLATE, FileDatastore, FileTemplate, LocalStore, TemplateSet
from butler.errors import FileFormatError, TemplateError

ID = uuid.UUID(int=7 << 76 | 1 << 63 | 42)
HOSTILE = [
    "..",
    "../../etc/passwd",
    "/etc",
    "a/../../b",
    ".",
    "",
    "a\0b",
    "\uff0e\uff0e/\uff0e\uff0e",
    "\u2025/x",
    "a\\..\\b",
    "~",
]
HOSTILE += ["\u2215etc", "ä" * 300, "x" * 5000, "a//b", "\ud800", "a\nb", "CON:", "%2e%2e%2f", "{run}"]


def note_ref(visit: int = 1, run: str = "run", **kwargs: Any) -> DatasetRef:
    return DatasetRef(NOTE, {"instrument": "CAM", "visit": visit}, run, **kwargs)


def calexp_ref(run: str = "run", **values: str) -> DatasetRef:
    """Return the ref of a calexp whose data ID has implied values too, as in the registry."""
    full: dict[str, Any] = {"instrument": "CAM", "detector": 0, "visit": 1, "band": "g", "day_obs": 20240101}
    full |= {"physical_filter": "CAM-g", **values}
    # Not standardized, so that values may be ones that no record could have.
    keys = tuple(full[name] for name in CALEXP.dimensions.data_coordinate_keys)
    return DatasetRef(CALEXP, DataCoordinate(CALEXP.dimensions, keys), run, ID)


def test_the_default_template_keeps_the_directories_of_the_run() -> None:
    """Directories follow run, type, night, band, filter and visit; the file name has every value."""
    path = FileTemplate().format(calexp_ref("u/me/first"), ".fits")
    assert path == "u/me/first/calexp/20240101/g/CAM-g/1/calexp_CAM_g_CAM-g_1_0_u_me_first.fits"


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("{run:/}/{datasetType}{visit}", "a/b/note1.json"),
        ("{run}/{datasetType}{visit}", "a_b/note1.json"),
        ("{run}/{datasetType}.{component:?}{visit:>3}", "a_b/note__1.json"),
        ("{run}/{visit:05d}.{instrument:/<5}", "a_b/00001_CAM__.json"),
        ("{run}/{tract:?05d}{visit:?03d}", "a_b/001.json"),
        ("{run}/{skypix:?}{visit}", "a_b/1.json"),
        ("{run}/{visit.name:?}{visit}", "a_b/1.json"),
        ("{run:/}/{tract:?}/{patch:?}/{visit}", "a/b/1.json"),
        ("{run}/x{visit}_{tract:?}", "a_b/x1.json"),
        ("{run}/x{tract:?}_{visit}", "a_b/x_1.json"),
        ("{run}/{exposure|visit}_{visit|exposure}", "a_b/1_1.json"),
        ("{id}", f"{ID}.json"),
        ("{run}/{tract:?}", "a_b.json"),
        ("{datasetType}/{tract:?}{run}/", "note/a_b.json"),
    ],
)
def test_fields_are_filled_and_absent_ones_left_out(pattern: str, path: str) -> None:
    """An optional field takes the literal before it along, unless that ends a directory."""
    assert FileTemplate(pattern).format(note_ref(run="a/b", id=ID), ".json") == path


@pytest.mark.parametrize("pattern", ["{run}/{tract}", "{run}/{tract|patch}_{visit}"])
def test_a_field_that_must_be_there_is_missed_by_name(pattern: str) -> None:
    """A value that the data ID lacks is an error unless the template says that it may be absent."""
    with pytest.raises(TemplateError, match=r"note@.* has no tract.* for the path template"):
        FileTemplate(pattern).format(note_ref(), ".json")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{datasetType}", r"needs \{run\} or \{id\}"),
        ("", r"needs \{run\} or \{id\}"),
        ("/{run}/x", "stay inside"),
        ("../{run}", "stay inside"),
        ("{run}/../{id}", "stay inside"),
        ("{run}/.{tract:?}./{id}", "stay inside"),
        ("{run", "cannot read"),
        ("run}{id}", "cannot read"),
        ("{run!r}/{id}", "cannot read"),
        ("{run.__class__}/{id}", r"'run\.__class__'"),
        ("{visit.__class__}/{id}", r"no field 'visit\.__class__'"),
        ("{visit.region}/{id}", r"no field 'visit\.region'"),
        ("{visit.nmae}/{id}", r"'visit\.nmae' .*; did you mean 'name'"),
        ("{run:x}/{id}", "cannot read the format 'x' of run"),
        ("{visit:s}/{id}", "cannot read the format 's' of visit"),
        ("{visit:999999999d}/{id}", "cannot read the format"),
        ("{visit:{id}}/{id}", "cannot read"),
        ("{run}", r"needs a dimension or \{id\}"),
        ("{run:/}/{datasetType}.{component:?}", r"needs a dimension or \{id\}"),
        ("{run}/a\0b", "cannot read"),
        ("{run}/a\\b", "cannot read"),
        ("{run}/{visti:?}", "'visti' .*; did you mean 'visit'"),
        ("{run}/{visit|exposre}", "'exposre' .*; did you mean 'exposure'"),
    ],
)
def test_bad_patterns_are_refused(pattern: str, message: str) -> None:
    """A pattern that leaves the root, mixes up runs or is misspelt is refused before a repository has it."""
    with pytest.raises(TemplateError, match=message):
        FileTemplate(pattern)


def test_a_repository_with_a_bad_pattern_is_not_made(tmp_path: Path) -> None:
    """The templates of a new repository are checked before anything is written."""
    with pytest.raises(TemplateError):
        Butler.makeRepo(tmp_path / "r", RepositoryConfig(templates={"default": "../{id}"}))
    assert not (tmp_path / "r").exists()


@settings(deadline=None, max_examples=200)
@example(run="run", values=("/etc", "/etc", "x"), pattern="{run:/}/{instrument:/}/.{band:/}/{id}")
@example(run="run", values=("CAM", "/a/", "/b/"), pattern="..{band:/}x/..{physical_filter:/}x/{id}")
@given(
    run=st.sampled_from(HOSTILE) | st.text(max_size=300),
    values=st.tuples(*[st.sampled_from([v for v in HOSTILE if v]) | st.text(min_size=1, max_size=300)] * 3),
    pattern=st.sampled_from(
        [
            DEFAULT_TEMPLATE,
            "{run:/}/{instrument}/{band}/{physical_filter}",
            "{run:/}/{instrument:/}/.{band:/}/{physical_filter:/}",
            "{run}/..{instrument:/}x/..{band:/}x/..{physical_filter:/}x",
            "{run:/}/{subfilter:?}",
            "{run}{band}{physical_filter}_{id}",
            "{id}/{instrument}.{band}",
        ]
    ),
)
def test_no_value_leads_out_of_the_root(run: str, values: tuple[str, str, str], pattern: str) -> None:
    """Whatever the values are, the path is plain ASCII, below the root, and short enough in each part."""
    instrument, band, physical_filter = values
    ref = calexp_ref(run, instrument=instrument, band=band, physical_filter=physical_filter)
    path = FileTemplate(pattern).format(ref, ".fits")
    parts = path.split("/")
    assert path.isascii()
    assert path.isprintable()
    assert not {"", ".", ".."} & set(parts)
    assert "\\" not in path
    assert max(map(len, parts)) <= 210
    assert parts[-1].endswith(".fits")
    root = Path("/repository")
    assert Path(os.path.normpath(root / path)).is_relative_to(root)
    assert FileDatastore(LocalStore(root)).locate(path) == str(root / path)


def test_long_values_stay_apart() -> None:
    """Names and directories that had to be shortened still differ where the values differ."""
    template = FileTemplate("{run:/}/{band}/{datasetType}")
    refs = [calexp_ref("run", band="x" * 400 + end) for end in "ab"]
    assert template.format(refs[0], "") != template.format(refs[1], "")
    names = [FileTemplate("{run}{tract:?}").format(note_ref(run="x" * 400), "") for _ in range(2)]
    assert names[0] != names[1]


def test_values_that_share_a_file_name_get_two_files(butler: Butler) -> None:
    """Runs that differ only in characters without a place in file names do not overwrite each other."""
    for run in ("a:b", "a_b"):
        butler.registry.registerRun(run)
        butler.put({"run": run}, "note", visit=1, run=run)
    assert [butler.get("note", visit=1, collections=run)["run"] for run in ("a:b", "a_b")] == ["a:b", "a_b"]
    assert butler.verify().is_clean


def test_a_template_of_its_own_is_used_for_a_dataset_type(tmp_path: Path) -> None:
    """A template named after a dataset type goes before the default."""
    config = RepositoryConfig(templates={"default": "{run}/d_{id}", "total": "{run}/t_{id}"})
    Butler.makeRepo(tmp_path, config)
    with Butler(tmp_path, run="run") as butler:
        for name in ("total", "other"):
            butler.registry.registerDatasetType(DatasetType(name, (), "StructuredDataDict"))
            start = "t_" if name == "total" else "d_"
            ref = butler.put({}, name)
            assert butler.getURI(ref) == tmp_path / "run" / f"{start}{ref.id}.json"


def expanded(butler: Butler, dataset_type: DatasetType, run: str = "r1", **data_id: Any) -> DatasetRef:
    """Return a ref as a butler writes it: with the records of its dimensions."""
    butler.registry.registerDatasetType(dataset_type)
    data_id = {"instrument": "CAM", **data_id} if "instrument" in dataset_type.dimensions else data_id
    ref = DatasetRef(dataset_type, data_id, run, ID)
    return ref.expanded(butler.registry.expandDataId(ref.dataId))


def test_the_default_template_names_all_that_a_dataset_has(butler: Butler) -> None:
    """Records fill what a data ID implies; directories are those of LSST's default template."""
    warp = expanded(butler, WARP, visit=1, skymap="sky", tract=0, patch=1)
    assert FileTemplate().format(warp, ".json") == (
        "r1/warp/0/1/20240101/g/CAM-g/1/warp_CAM_0_1_g_CAM-g_1_sky_r1.json"
    )
    coadd = expanded(butler, COADD, run="u/me", skymap="sky", tract=0, patch=1, band="r")
    assert FileTemplate().format(coadd, ".fits") == "u/me/coadd/0/1/r/coadd_0_1_r_sky_u_me.fits"
    raw = DatasetType("raw", ("exposure", "detector"), "ExposureF")
    assert FileTemplate().format(expanded(butler, raw, exposure=2, detector=1), ".fits") == (
        "r1/raw/20240101/r/CAM-r/exp2/raw_CAM_r_CAM-r_2_1_r1.fits"
    )
    total = expanded(butler, TOTAL, run="r1.v2")
    assert FileTemplate().format(total, ".json") == "r1.v2/total/total_r1_v2.json"


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("{run}/{visit.name}_{detector.full_name}", "r1/v1_S00.x"),
        ("{run}/{visit.exposure_time:.2f}_{detector.purpose}", "r1/30_00_SCIENCE.x"),
        ("{run}/{exposure.obs_id|visit.name}{detector:02d}", "r1/v100.x"),
        ("{run}/{visit.target_name}_{visit}_{detector:?d}", "r1/M31_1_0.x"),
        ("{run}/{patch|tract|detector}", "r1/0.x"),
        ("{run}/x{patch|tract:?}_{visit}", "r1/x_1.x"),
        ("{run}/{day_obs}/{visit.day_obs:?/}/{id}", f"r1/20240101/20240101/{ID}.x"),
        ("{run}/{instrument.class_name:?}x{visit}", "r1/x1.x"),
    ],
)
def test_columns_of_records_are_fields(butler: Butler, pattern: str, path: str) -> None:
    """A field may be a column of a dimension's record, with alternatives and formats as any other."""
    assert FileTemplate(pattern).format(expanded(butler, CALEXP, visit=1, detector=0), ".x") == path


def test_the_only_pixel_of_the_sky_has_a_name_of_its_own(butler: Butler) -> None:
    """``skypix`` stands for whichever kind of sky pixel a dataset has."""
    shard = expanded(butler, DatasetType("shard", ("htm7",), "StructuredDataDict"), htm7=142_000)
    assert FileTemplate("{run}/{skypix:07d}").format(shard, "") == "r1/0142000"
    assert FileTemplate("{run}/{htm7}_{healpix3:?}").format(shard, "") == "r1/142000"


@pytest.mark.parametrize("pattern", ["{run}/{visit.target_name}{visit}", "{run}/{visit.target_name:s}_{id}"])
def test_a_column_without_value_is_missed_by_name(butler: Butler, pattern: str) -> None:
    """A record's unknown value is absent like a dimension that the dataset does not have."""
    with pytest.raises(TemplateError, match=r"has no visit\.target_name for the path template"):
        FileTemplate(pattern).format(expanded(butler, CALEXP, visit=3, detector=0), ".x")


def test_a_value_that_does_not_fit_its_format_is_told(butler: Butler) -> None:
    """A format for numbers on a text is an error that names both."""
    with pytest.raises(TemplateError, match=r"visit\.name is 'v1', which has no format 'd'"):
        FileTemplate("{run}/{visit.name:d}_{visit}").format(expanded(butler, CALEXP, visit=1, detector=0), "")


LOOK_UP: dict[str, Any] = {
    "default": "{run}/default_{id}",
    "StructuredDataDict": "{run}/class_{id}",
    "visit+instrument": "{run}/visit_{id}",
    "note": "{run}/note_{id}",
    "instrument<CAM>": {"default": "{run}/own_{id}", "calexp": "{run}/own_calexp_{id}"},
}


@pytest.mark.parametrize(
    ("dataset_type", "keys", "start"),
    [
        (NOTE, ["default", "StructuredDataDict", "visit+instrument", "note"], "note"),
        (NOTE, ["default", "StructuredDataDict", "visit+instrument"], "visit"),
        (NOTE, ["default", "StructuredDataDict"], "class"),
        (NOTE, ["default"], "default"),
        (NOTE, list(LOOK_UP), "own"),
        (CALEXP, list(LOOK_UP), "own_calexp"),
        (CALEXP, ["default", "StructuredDataDict", "visit+instrument", "note"], "default"),
        (TOTAL, list(LOOK_UP), "class"),
    ],
)
def test_the_nearest_template_is_taken(
    butler: Butler, dataset_type: DatasetType, keys: list[str], start: str
) -> None:
    """Instrument, dataset type, dimensions, storage class and default come in this order."""
    data_id = {name: 1 for name in ("visit", "detector") if name in dataset_type.dimensions}
    templates = TemplateSet.from_patterns({key: LOOK_UP[key] for key in keys})
    assert templates.path_of(expanded(butler, dataset_type, **data_id), ".x") == f"r1/{start}_{ID}.x"


def test_dimensions_of_a_key_may_be_written_in_any_order_and_number(butler: Butler) -> None:
    """Those that follow from others need not be named."""
    ref = expanded(butler, CALEXP, visit=1, detector=0)
    for key in ("visit+detector", "detector+visit", "instrument+detector+visit+band"):
        assert TemplateSet.from_patterns({key: "{run}/here_{id}"}).path_of(ref, "") == f"r1/here_{ID}"
    assert TemplateSet.from_patterns({"visit+": "{run}/here_{id}"}).path_of(ref, "") != f"r1/here_{ID}"


@pytest.mark.parametrize(
    ("templates", "message"),
    [
        ({"instrument<CAM>": "{run}/{id}"}, "must be a pattern, or instrument<NAME> a section"),
        ({"note": {"default": "{run}/{id}"}}, "must be a pattern, or instrument<NAME> a section"),
        ({"visit+dtector": "{run}/{id}"}, "'dtector'"),
        ({"instrument<CAM>": {"default": "../{id}"}}, "stay inside"),
    ],
)
def test_a_section_that_is_wrong_is_refused(tmp_path: Path, templates: Any, message: str) -> None:
    """What cannot be looked up is told when a repository is made, and when it is opened."""
    with pytest.raises(Exception, match=message):
        Butler.makeRepo(tmp_path / "r", RepositoryConfig(templates=templates))
    assert not (tmp_path / "r").exists()


def test_the_settings_in_the_documentation_are_valid(butler: Butler) -> None:
    """The page on datastores shows templates and a datastore section that are understood."""
    page = (Path(__file__).parents[1] / "docs" / "datastore.md").read_text()
    shown = page.partition("```yaml\n")[2].partition("```")[0]
    config = RepositoryConfig.model_validate(yaml.safe_load(shown))
    assert config.datastore is not None
    assert config.datastore.cache_size == 20 * 10**9
    templates = TemplateSet.from_patterns(config.templates)
    assert templates.path_of(expanded(butler, CALEXP, visit=1, detector=0), ".fits") == (
        "r1/images/g/v1_0_r1.fits"
    )
    note = expanded(butler, NOTE, visit=1)
    assert templates.path_of(note, ".json") == f"r1/note/v1/note_00000001_{ID}.json"


def test_sections_of_instruments_are_kept_in_the_settings(tmp_path: Path) -> None:
    """butler.yaml keeps templates of all kinds; one that is no text is told with its place."""
    Butler.makeRepo(tmp_path, RepositoryConfig(templates=LOOK_UP))
    assert RepositoryConfig.load(tmp_path).templates == LOOK_UP
    (tmp_path / "butler.yaml").write_text("version: 1\ntemplates: {default: 3}\n")
    with pytest.raises(FileFormatError, match=r"templates\.default"):
        RepositoryConfig.load(tmp_path)
