"""Ingest exposures: from files to dimension records and datasets."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..butler import Butler
from ..datasets import DatasetRef, FileDataset
from ..errors import ButlerUserError, ConflictingDefinitionError, IngestError
from ..regions import SkyRegion
from .beside import Beside, ingest_catalog, ingest_defects
from .camera import CameraMapping
from .dataset_types import CAMERA, DATASET_TYPES, EXPOSURE, PSFEX_MODEL, ZERO_POINT
from .frame_reader import companions_of, told_reason
from .frames import Frame, FrameFile
from .known_files import find_known_files
from .reading import read_frame_files
from .record_book import RecordBook, RecordKey
from .shipped import find_camera_of
from .tables import ZeroPoints
from .tracts import count_outside_tracts

__all__ = ["IngestReport", "expand_paths", "ingest_exposures"]

_Key = tuple[Any, ...]
"""See `Frame.key`."""

_ENDINGS: Final = (".fits", ".fit", ".fts", ".fz", ".fits.gz", ".fit.gz", ".fts.gz")
"""How names of FITS files end, in small letters; those packed by gzip cannot be read, and that is told."""
BATCH_FILES: Final = 500
"""Most files of one transaction."""
BATCH_BYTES: Final = 2**28
"""Most bytes of the exposures that are copied in one transaction, while which nobody else can write."""


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What became of the files.

    Parameters
    ----------
    ingested
        Datasets that are new.
    skipped
        Files that were ingested before.
    failed
        Files that could not be ingested, each with the reason.
    n_outside
        How many of the new detector images lie outside every tract; 0 where there is no sky map.
    """

    ingested: list[DatasetRef] = field(default_factory=list)
    skipped: list[Path] = field(default_factory=list)
    failed: list[tuple[Path, str]] = field(default_factory=list)
    n_outside: int = 0


def expand_paths(paths: Iterable[Path]) -> list[Path]:
    """Return the files; a directory stands for the FITS files in it, sorted.

    Raises
    ------
    IngestError
        Raised if a path does not exist, or a directory has no FITS file.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [p for p in path.iterdir() if p.name.lower().endswith(_ENDINGS)]
            inside.sort(key=lambda each: each.name)
            if not inside:
                raise IngestError(f"there is no FITS file in the directory {path}")
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise IngestError(f"no file or directory {path}")
    return found


def ingest_exposures(
    butler: Butler,
    paths: Sequence[Path],
    *,
    run: str,
    camera: CameraMapping | None = None,
    transfer: str = "copy",
    bad_pixel_mask: Path | None = None,
    zero_points: Path | None = None,
    reference_catalog: Path | None = None,
    update_records: bool = False,
    processes: int = 1,
    progress: Callable[[Iterable[Path]], Iterable[Path]] = iter,
) -> IngestReport:
    """Ingest flattened exposures: files of one or of several detector images.

    Each file is ingested whole, with all that belongs to it, or not at all; a bad one does not keep the
    others out. Files that were ingested before are skipped, so that a second call brings in what is new;
    those that were ingested where they lie and have the same size are not even read. Of several files of a
    call with the same exposure and detector the first counts, the others fail.

    Parameters
    ----------
    butler
        A writeable butler.
    paths
        Files; those among them that belong to others, and the bad pixel mask, are no exposures.
    run
        RUN for the datasets.
    camera
        How headers are read; the shipped mapping that recognises the first of the headers if None.
    transfer
        ``copy``, ``symlink``, ``hardlink`` or ``direct``.
    bad_pixel_mask
        Image that is not 0 where the detector is bad; for all files.
    zero_points, reference_catalog
        Tables that the camera mapping reads; if None, those that it names.
    update_records
        Whether records of visits, exposures and detectors that new files contradict are changed to what these
        say, as for exposures that have a better WCS now, ingested into another run. Two files of one call may
        not contradict each other.
    processes
        Number of processes that read headers; with more than 1 a script needs
        ``if __name__ == "__main__":``.
    progress
        Wraps the iteration over files, for example in a progress bar.

    Returns
    -------
    report
        What became of the files.

    Raises
    ------
    IngestError
        Raised if there is no exposure, if no camera mapping fits, or if the mask or a table cannot be read.
    ConflictingDefinitionError
        Raised if this run has exposures that were read with another mapping, or another reference catalog.
    """
    beside = Beside(bad_pixel_mask, zero_points, reference_catalog)
    exposures, mapping = _exposures_among(paths, camera, bad_pixel_mask)
    tables = beside.read(mapping, exposures[0])
    _register_camera(butler, mapping, run)
    catalog = ingest_catalog(butler, mapping, tables.catalog, run)
    # The detectors of a file, each of which gets the mask, are known from its header only.
    known = find_known_files(butler, exposures, run) if bad_pixel_mask is None else {}
    settled: set[RecordKey] | None = set() if update_records else None
    work = _Ingest(butler, mapping, run, transfer, tables.zero_points, known, settled)
    unread = set(known.values())
    unknown = [path for path in exposures if path not in unread]
    with closing(read_frame_files(unknown, mapping, processes=processes)) as files:
        for path in progress(exposures):
            if path in unread:
                work.report.skipped.append(path)
            else:
                work.add(next(files))
    work.flush()
    defects = ingest_defects(butler, mapping, bad_pixel_mask, sorted(work.detectors), run, transfer)
    place = {path: i for i, path in enumerate(exposures)}
    return IngestReport(
        ingested=[*catalog, *work.report.ingested, *defects],
        skipped=sorted(work.report.skipped, key=lambda path: place[path]),
        failed=sorted(work.report.failed, key=lambda failure: place[failure[0]]),
        n_outside=count_outside_tracts(butler, work.regions),
    )


class _Ingest:
    """Ingests files batch by batch, each in one transaction."""

    def __init__(
        self,
        butler: Butler,
        camera: CameraMapping,
        run: str,
        transfer: str,
        zero_points: ZeroPoints | None,
        known: Mapping[str, Path],
        settled: set[RecordKey] | None,
    ) -> None:
        self.report = IngestReport()
        self.detectors: set[int] = set()
        self.regions: list[SkyRegion] = []
        self._butler = butler
        self._camera = camera
        self._run = run
        self._transfer = transfer
        self._zero_points = zero_points
        self._known = known
        self._settled = settled
        self._files: dict[_Key, Path] = {}
        self._batch: list[FrameFile] = []
        self._bytes = 0

    def add(self, file: FrameFile) -> None:
        """Take a file; ingest the batch if it is large enough."""
        if file.reason:
            self.report.failed.append((file.path, file.reason))
            return
        self._batch.append(file)
        if self._transfer == "copy" and file.path.exists():
            self._bytes += file.path.stat().st_size
        if len(self._batch) >= BATCH_FILES or self._bytes >= BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Ingest what was taken; if one file spoils the batch, each by itself."""
        batch, self._batch, self._bytes = self._batch, [], 0
        try:
            if batch:
                self._ingest(batch)
        except (ButlerUserError, OSError) as error:
            if len(batch) == 1:
                self.report.failed.append((batch[0].path, told_reason(error, batch[0].path)))
                return
            for file in batch:
                self._batch = [file]
                self.flush()

    def _ingest(self, batch: Sequence[FrameFile]) -> None:
        butler, run = self._butler, self._run
        failed: list[tuple[Path, str]] = []
        skipped: list[Path] = []
        accepted: list[Frame] = []
        values: list[tuple[Any, DatasetRef]] = []
        with butler.transaction():
            # Two processes may ingest the same exposures.
            butler.registry.hold([run])
            taken, files_of = self._taken(batch)
            frames = [f for file in batch for f in file.frames if f.key not in taken]
            book = RecordBook(butler, frames, self._settled)
            for file in batch:
                fresh = [frame for frame in file.frames if frame.key not in taken]
                try:
                    _require_own(file, files_of)
                    found = [value for frame in fresh for value in self._values(frame)]
                    book.add(fresh)
                except IngestError as error:
                    failed.append((file.path, str(error)))
                    continue
                if not fresh:
                    skipped.append(file.path)
                taken |= {frame.key for frame in fresh}
                files_of |= dict.fromkeys((frame.key for frame in file.frames), file.path)
                accepted += fresh
                values += found
            book.write()
            parts = [(frame, part) for frame in accepted for part in frame.parts]
            files = [
                FileDataset(
                    part.path,
                    DatasetRef(part.dataset_type, frame.data_id, run),
                    formatter=part.formatter or None,
                    layout=part.layout,
                )
                for frame, part in parts
            ]
            refs = butler.ingest(*files, transfer=self._transfer) if files else []
            refs += butler.put_many(values) if values else []
        self.report.ingested.extend(refs)
        self.report.skipped.extend(skipped)
        self.report.failed.extend(failed)
        self._files |= files_of.maps[0]
        if self._settled is not None:
            self._settled |= book.keys
        refused = {path for path, _ in failed}
        there = [frame for file in batch if file.path not in refused for frame in file.frames]
        self.detectors |= {frame.data_id["detector"] for frame in there}
        self.regions += [frame.region for frame in accepted]

    def _taken(self, batch: Sequence[FrameFile]) -> tuple[set[_Key], ChainMap[_Key, Path]]:
        """Return which frames the run has, and the files of this call by frame, the first map to write to."""
        registry = self._butler.registry
        keys = list(dict.fromkeys(frame.key for file in batch for frame in file.frames))
        registered = registry.datasets.get_type(EXPOSURE.name)
        held = registry.datasets.held(registered, registry.collections.get_info(self._run), keys)
        files: ChainMap[_Key, Path] = ChainMap({}, self._files)
        if self._known:
            records = registry.files.get([dataset.id for dataset in held.values()])
            for key, dataset in held.items():
                if dataset.id in records and records[dataset.id].path in self._known:
                    files.setdefault(key, self._known[records[dataset.id].path])
        return set(held), files

    def _values(self, frame: Frame) -> Iterator[tuple[Any, DatasetRef]]:
        """Yield the datasets of a frame that are no files of their own yet."""
        rule, table = self._camera.zero_point_table, self._zero_points
        if rule is not None and table is not None:
            found = table.find(rule, frame.zero_point_key, frame.exposure_time)
            yield {"zero_point": found}, DatasetRef(ZERO_POINT, frame.data_id, self._run)
        if frame.psf is not None:
            yield frame.psf, DatasetRef(PSFEX_MODEL, frame.data_id, self._run)


def _require_own(file: FrameFile, files: Mapping[_Key, Path]) -> None:
    """Refuse a file with a frame that another file of the call has."""
    for frame in file.frames:
        other = files.get(frame.key)
        if other is not None and other != file.path and not _same_file(other, file.path):
            _, detector, exposure = frame.key
            raise IngestError(
                f"it is exposure {exposure}, detector {detector} like {other}; leave one of them out, or say "
                "in the camera mapping where these numbers come from"
            )


def _same_file(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:
        return False


def _exposures_among(
    paths: Sequence[Path], camera: CameraMapping | None, mask: Path | None
) -> tuple[list[Path], CameraMapping]:
    """Return the files that are exposures, and their camera."""
    candidates = [path for path in paths if mask is None or not _same_place(path, mask)]
    if not candidates:
        raise IngestError("there is no exposure to ingest")
    mapping = camera or find_camera_of(candidates)
    others = {other.resolve() for path in candidates for other in companions_of(path, mapping)}
    exposures = [path for path in candidates if not others or path.resolve() not in others]
    if not exposures:
        raise IngestError("there is no exposure to ingest")
    return exposures, mapping


def _same_place(path: Path, other: Path) -> bool:
    return path.name == other.name and path.resolve() == other.resolve()


def _register_camera(butler: Butler, camera: CameraMapping, run: str) -> None:
    """Keep the mapping in the repository, and see that it does not change."""
    registry = butler.registry
    key = {"instrument": camera.instrument}
    with butler.transaction():
        registry.registerRun(run)
        for dataset_type in DATASET_TYPES:
            registry.registerDatasetType(dataset_type)
        registry.insertDimensionData("instrument", {"name": camera.instrument}, skip_existing=True)
        ref = butler.find_dataset(CAMERA, key, collections=run)
        if ref is not None:
            if CameraMapping.parse(butler.get(ref), f"the camera of run {run!r}") == camera:
                return
            if butler.query_datasets(EXPOSURE, run, data_id=key, limit=1, explain=False):
                raise ConflictingDefinitionError(
                    f"run {run!r} has exposures of {camera.instrument} that were read with another camera "
                    "mapping; use another run"
                )
            # Nothing came in yet: the mapping was being found.
            butler.pruneDatasets([ref], unstore=True, purge=True)
        butler.put(camera.model_dump(mode="json"), CAMERA, key, run=run)
