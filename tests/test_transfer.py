"""Tests of exports, imports and transfers of our own repositories."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from click.testing import CliRunner
from small_repository import NOTE, TOTAL
from transfer_cases import CAMERA, DAYS, HEADER, contents_of, export_all, fill, import_text

from butler import Butler, DatasetRef, DatasetType
from butler.cli import main
from butler.dimensions import UNIVERSE
from butler.errors import (
    ArtifactMissingError,
    ButlerUserError,
    ConflictingDefinitionError,
    DataIdValueError,
    DatasetNotFoundError,
    MissingDatasetTypeError,
    ReadOnlyButlerError,
)

pytestmark = pytest.mark.both_databases


def test_round_trip(butler: Butler, empty: Butler, tmp_path: Path) -> None:
    """Records, collections, refs and bytes are the same after export and import; twice is once."""
    refs = fill(butler)
    export_all(butler, tmp_path / "out")
    report = empty.import_(directory=tmp_path / "out", transfer="copy")
    assert report.n_new_datasets == report.n_datasets == len(refs)
    assert report.n_new_records == report.n_records > 20
    before = contents_of(butler)
    # Dataset types without datasets are not exported.
    used = {ref.datasetType for ref in refs}
    assert contents_of(empty) == {**before, "types": [t for t in before["types"] if t in used]}  # type: ignore[attr-defined]
    for ref in refs:
        assert empty.getURI(ref).read_bytes() == butler.getURI(ref).read_bytes()
        assert empty.getURI(ref).is_relative_to(empty.root)
    tagged = {ref.id for ref in empty.query_datasets(NOTE, "tagged")}
    assert tagged == {ref.id for ref in refs[1:3]}
    after = contents_of(empty)
    again = empty.import_(directory=tmp_path / "out", transfer="copy")
    assert (again.n_new_records, again.n_new_datasets, again.differing) == (0, 0, ())
    assert contents_of(empty) == after
    assert empty.verify().is_clean


@pytest.mark.parametrize("transfer", ["link", "symlink", "relsymlink", "hardlink", "direct"])
def test_other_transfers(butler: Butler, empty: Butler, tmp_path: Path, transfer: str) -> None:
    """Links, and absolute paths, lead to the same datasets."""
    refs = fill(butler)
    export_all(butler, tmp_path / "out", transfer)
    exported = list((tmp_path / "out").rglob("*.json"))
    assert bool(exported) is (transfer != "direct")
    empty.import_(directory=tmp_path / "out", transfer=transfer)
    for ref in refs:
        assert empty.getURI(ref).read_bytes() == butler.getURI(ref).read_bytes()


def test_files_in_their_places(butler: Butler, empty: Butler, tmp_path: Path) -> None:
    """With transfer None paths are relative to the repository, and files stay as they are."""
    refs = fill(butler)
    export_all(butler, tmp_path / "out", None)
    with pytest.raises(ArtifactMissingError):
        empty.import_(directory=tmp_path / "out")
    for ref in refs:
        place = empty.root / butler.getURI(ref).relative_to(butler.root)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(butler.getURI(ref).read_bytes())
    assert empty.import_(directory=tmp_path / "out").n_new_datasets == len(refs)
    assert empty.import_(directory=tmp_path / "out").n_new_datasets == 0
    assert empty.verify().is_clean
    for ref in refs:
        assert empty.getURI(ref).read_bytes() == butler.getURI(ref).read_bytes()


def test_what_a_dataset_takes_along(butler: Butler, tmp_path: Path, empty: Butler) -> None:
    """With a dataset of a visit go the detectors, regions and exposures of that visit, and no other's."""
    ref = butler.put({}, NOTE, visit=2)
    with butler.export(directory=tmp_path / "out") as export:
        export.saveDatasets([ref, ref])
    empty.import_(directory=tmp_path / "out", without_datastore=True)
    counts = {e: len(empty.registry.records.fetch_all(e)) for e in UNIVERSE.elements}
    assert counts["visit"] == counts["visit_definition"] == counts["exposure"] == counts["group"] == 1
    assert counts["visit_detector_region"] == counts["detector"] == 2
    assert counts["day_obs"] == counts["physical_filter"] == 1
    assert counts["patch"] == counts["skymap"] == 0


def test_data_ids_alone(butler: Butler, tmp_path: Path, empty: Butler) -> None:
    """Data IDs can be exported without datasets."""
    with butler.export(filename=tmp_path / "ids.yaml") as export:
        export.saveDataIds(butler.query_data_ids(["visit", "patch"]))
    empty.import_(filename=tmp_path / "ids.yaml")
    assert empty.query_data_ids(["visit", "patch"]) == butler.query_data_ids(["visit", "patch"])


def test_a_missing_file_arrives_later(butler: Butler, tmp_path: Path, empty: Butler) -> None:
    """A dataset that was imported without its file gets it by another import."""
    refs = fill(butler)
    export_all(butler, tmp_path / "out")
    empty.import_(directory=tmp_path / "out", without_datastore=True)
    assert not empty.exists(refs[0])
    assert empty.import_(directory=tmp_path / "out", transfer="copy").n_new_datasets == 0
    assert empty.get(refs[0]) == {"n": 1}
    assert empty.verify().is_clean


def test_existing_records_are_kept_and_told(empty: Butler) -> None:
    """Values of records that exist do not change, and the report says which differ."""
    import_text(
        empty, HEADER + "- {type: dimension, element: instrument, records: [{name: Cam, visit_max: 1}]}"
    )
    report = import_text(
        empty, HEADER + "- {type: dimension, element: instrument, records: [{name: Cam, visit_max: 2}]}"
    )
    assert [record.visit_max for record in report.differing] == [2]
    assert empty.query_dimension_records("instrument")[0].visit_max == 1


def test_chain_is_redefined(butler: Butler, tmp_path: Path) -> None:
    """A chain that exists gets the children that the file says."""
    fill(butler)
    export_all(butler, tmp_path / "out")
    butler.collections.redefine_chain("chain", ["run"])
    butler.import_(directory=tmp_path / "out", transfer="copy")
    assert butler.collections.get_info("chain").children == ("other", "run")


def test_skipped_dimensions(empty: Butler) -> None:
    """Elements can be left out."""
    text = HEADER + CAMERA + DAYS
    report = empty.import_(filename=io.StringIO(text), skip_dimensions=["day_obs"])
    assert report.n_records == 1
    assert empty.query_dimension_records("day_obs", explain=False) == []


def test_export_is_written_only_if_the_block_succeeds(butler: Butler, tmp_path: Path) -> None:
    """A block that fails leaves no export."""
    ref = butler.put({}, TOTAL)

    def failing_export() -> None:
        with butler.export(directory=tmp_path / "out", transfer="copy") as export:
            export.saveDatasets(ref)
            raise KeyError("user")

    with pytest.raises(KeyError):
        failing_export()
    assert not (tmp_path / "out").exists()


def test_export_refuses_nonsense(butler: Butler, tmp_path: Path) -> None:
    """Modes that would lose files, or that lack a place, are refused."""
    for wrong in (
        {"transfer": "move", "directory": tmp_path},
        {"transfer": "copy", "filename": tmp_path / "x.yaml"},
        {"transfer": "copy", "directory": butler.root},
        {},
    ):
        with pytest.raises(ButlerUserError), butler.export(**wrong):  # type: ignore[arg-type]
            pass
    stranger = DatasetRef(TOTAL, {}, "run")
    with pytest.raises(DatasetNotFoundError), butler.export(directory=tmp_path / "out") as export:
        export.saveDatasets(stranger)


def test_import_needs_a_writeable_butler(butler: Butler, tmp_path: Path) -> None:
    """A read-only butler imports nothing; a missing export is named."""
    with Butler(butler.root) as reader, pytest.raises(ReadOnlyButlerError):
        reader.import_(directory=tmp_path)
    with pytest.raises(ArtifactMissingError, match=r"export\.yaml"):
        butler.import_(directory=tmp_path)


def test_transfer_from(butler: Butler, empty: Butler) -> None:
    """Datasets come with UUID, run and bytes; a second transfer changes nothing; chosen parts stay."""
    refs = fill(butler)
    with pytest.raises(MissingDatasetTypeError):
        empty.transfer_from(butler, refs)
    with pytest.raises(DataIdValueError):
        empty.transfer_from(butler, refs, register_dataset_types=True)
    assert empty.collections.query() == []
    everything = {"register_dataset_types": True, "transfer_dimensions": True}
    with pytest.raises(ButlerUserError, match="move"):
        empty.transfer_from(butler, refs, "move", **everything)
    empty.transfer_from(butler, refs, **everything, dry_run=True)
    assert empty.collections.query() == []
    for _ in range(2):
        moved = empty.transfer_from(butler, refs, **everything)
        assert [ref.id for ref in moved] == [ref.id for ref in refs]
    assert contents_of(empty)["refs"] == contents_of(butler)["refs"]
    assert empty.collections.get_info("other").doc == "of another night"
    assert [empty.getURI(ref).read_bytes() for ref in refs] == [butler.getURI(r).read_bytes() for r in refs]
    assert len(empty.query_dimension_records("visit_detector_region")) == 6
    assert empty.verify().is_clean


def test_transfer_of_datasets_without_file(butler: Butler, empty: Butler) -> None:
    """Datasets whose file is gone stay behind, unless asked for."""
    refs = fill(butler)
    butler.getURI(refs[0]).unlink()
    everything = {"register_dataset_types": True, "transfer_dimensions": True}
    moved = empty.transfer_from(butler, refs[:2], **everything)
    assert [ref.id for ref in moved] == [refs[1].id]
    empty.transfer_from(butler, refs[:2], **everything, skip_missing=False)
    assert empty.get_dataset(refs[0].id) == refs[0]
    assert not empty.exists(refs[0])


def test_calibration_types_survive(empty: Butler, butler: Butler, tmp_path: Path) -> None:
    """That a dataset type is a calibration is part of its definition."""
    bias = DatasetType("bias", ("instrument", "detector"), "StructuredDataDict", isCalibration=True)
    butler.registry.registerDatasetType(bias)
    with pytest.raises(ConflictingDefinitionError, match="calibration"):
        butler.registry.registerDatasetType(DatasetType("bias", bias.dimensions, bias.storageClass_name))
    ref = butler.put({}, bias, detector=0)
    with butler.export(directory=tmp_path / "out", transfer="copy") as export:
        export.saveDatasets(ref)
    empty.import_(directory=tmp_path / "out", transfer="copy")
    assert empty.get_dataset_type("bias") == bias


def test_commands(butler: Butler, empty: Butler, tmp_path: Path) -> None:
    """The commands export, import and transfer what the butler's methods do."""
    refs = fill(butler)
    out = str(tmp_path / "out")

    def run(*words: object) -> str:
        result = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    assert "5 datasets" in run("export", butler.root, out, "note", "tot*", "--collections", "outer")
    assert "5 of 5 datasets" in run("import", empty.root, out)
    assert "0 of 5 datasets" in run("import", empty.root, out, "-t", "hardlink", "-s", "tract,patch")
    assert {"outer", "chain", "run", "other"} <= set(empty.collections.query())
    assert "1 datasets" in run(
        "transfer-datasets", butler.root, empty.root, "-d", "warp", "--register-dataset-types"
    )
    assert empty.get(refs[-2]) == {"w": 1}
    assert "2 datasets exp" in run("export", butler.root, out, "note", "--where", "visit=1", "-t", "none")


def test_records_alone_are_transferred(butler: Butler, empty: Butler) -> None:
    """Dimension records come with all they refer to and what is told about visits; twice is no error."""
    data_id = butler.registry.expandDataId(visit=1, tract=0, patch=1)
    for _ in range(2):
        empty.transfer_dimension_records_from(butler, [data_id])
    assert empty.registry.expandDataId(data_id.required).records == data_id.records
    assert len(empty.query_dimension_records("visit_detector_region")) == 2
    assert [r.id for r in empty.query_dimension_records("visit")] == [1]
    ref = butler.put({}, "note", visit=2)
    empty.transfer_dimension_records_from(butler, [ref])
    assert [r.id for r in empty.query_dimension_records("visit")] == [1, 2]


def test_exports_are_yaml(butler: Butler, tmp_path: Path) -> None:
    """Another format is refused before anything is done."""
    with (
        pytest.raises(ButlerUserError, match="not in 'xml'"),
        butler.export(directory=tmp_path, format="xml"),
    ):
        pass
    with pytest.raises(ButlerUserError, match="not in 'xml'"):
        butler.import_(directory=tmp_path, format="xml")
