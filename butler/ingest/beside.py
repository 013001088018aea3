"""What is ingested once for all exposures: bad pixels, zero points, reference stars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..butler import Butler
from ..datasets import DatasetRef, FileDataset
from ..errors import ConflictingDefinitionError, IngestError
from ..formatters import read_camera_header
from .camera import CameraMapping
from .companion import companion_path
from .dataset_types import DEFECTS, REFERENCE_CATALOG
from .tables import ReferenceCatalogRule, ZeroPointRule, ZeroPoints, read_reference_catalog

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["Beside", "BesideTables", "ingest_catalog", "ingest_defects"]


@dataclass(frozen=True, slots=True)
class Beside:
    """Files that are ingested once for all exposures of a call.

    Parameters
    ----------
    bad_pixel_mask
        Image that is not 0 where the detector is bad; for all detectors.
    zero_points
        Table of zero points; the file that the camera mapping names if None.
    reference_catalog
        Table of stars to calibrate against; the file that the camera mapping names if None.
    """

    bad_pixel_mask: Path | None = None
    zero_points: Path | None = None
    reference_catalog: Path | None = None

    def read(self, camera: CameraMapping, exposure: Path) -> BesideTables:
        """Read the tables, and see that the mask can be.

        Parameters
        ----------
        camera
            Which columns matter.
        exposure
            Path of an exposure, from which the mapping's relative paths begin.

        Raises
        ------
        IngestError
            Raised if a file cannot be read, or is given though the mapping does not say what is in it.
        """
        if self.bad_pixel_mask is not None:
            try:
                read_camera_header(self.bad_pixel_mask)
            except OSError as error:
                told = error.strerror or error
                raise IngestError(f"cannot read the bad pixel mask {self.bad_pixel_mask}: {told}") from error
        rule, stars = camera.zero_point_table, camera.reference_catalog
        table = _place(self.zero_points, rule, exposure, "zero points")
        catalog = _place(self.reference_catalog, stars, exposure, "a reference catalog")
        return BesideTables(
            None if table is None or rule is None else ZeroPoints.load(table, rule),
            None if catalog is None or stars is None else read_reference_catalog(catalog, stars),
        )


@dataclass(frozen=True, slots=True)
class BesideTables:
    """The tables that were read; None where the camera mapping needs none.

    Parameters
    ----------
    zero_points
        Zero points by exposure and detector.
    catalog
        Reference stars.
    """

    zero_points: ZeroPoints | None
    catalog: Table | None


def ingest_catalog(
    butler: Butler, camera: CameraMapping, catalog: Table | None, run: str
) -> list[DatasetRef]:
    """Put the reference catalog into a run, unless it is there.

    Raises
    ------
    ConflictingDefinitionError
        Raised if the run has another one.
    """
    if catalog is None:
        return []
    key = {"instrument": camera.instrument}
    if not butler.exists(REFERENCE_CATALOG, key, collections=run):
        return [butler.put(catalog, REFERENCE_CATALOG, key, run=run)]
    known = butler.get(REFERENCE_CATALOG, key, collections=run)
    if list(known.pformat(max_lines=-1)) != list(catalog.pformat(max_lines=-1)):
        raise ConflictingDefinitionError(f"run {run!r} has another reference catalog; use another run")
    return []


def ingest_defects(
    butler: Butler,
    camera: CameraMapping,
    mask: Path | None,
    detectors: Sequence[int],
    run: str,
    transfer: str,
) -> list[DatasetRef]:
    """Ingest the bad pixel mask as that of each detector, unless it has one."""
    refs: list[DatasetRef] = []
    if mask is None:
        return refs
    for detector in detectors:
        ref = DatasetRef(DEFECTS, {"instrument": camera.instrument, "detector": detector}, run)
        refs += butler.ingest(FileDataset(mask, ref), transfer=transfer, skip_existing=True)
    return refs


def _place(
    given: Path | None, rule: ZeroPointRule | ReferenceCatalogRule | None, exposure: Path, what: str
) -> Path | None:
    """Return where a table is; None if there is none."""
    if rule is None:
        if given is not None:
            raise IngestError(f"{given}: the camera mapping does not say which columns of {what} to read")
        return None
    if given is None and rule.file is None:
        raise IngestError(f"the camera mapping reads {what} from a table; give the table")
    return given or companion_path(str(rule.file), exposure)
