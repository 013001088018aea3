"""PsfModels: the PSFEx models of a file, and which of them is that of a detector image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ..errors import IngestError
from ..formatters import PsfexModel, read_psfex_models
from .camera import CameraMapping

__all__ = ["PsfModels"]


@dataclass(frozen=True, slots=True)
class PsfModels:
    """The PSFEx models of a file.

    Parameters
    ----------
    path
        The file.
    models
        Its models, in order.
    """

    path: Path
    models: list[PsfexModel]

    @classmethod
    def beside(cls, exposure: Path, camera: CameraMapping) -> Self | None:
        """Read the models that belong to an exposure's file; None if it has none, and needs none.

        Raises
        ------
        IngestError
            Raised if the file is missing or cannot be read.
        FileFormatError
            Raised if it is broken.
        """
        rule = camera.psfex
        if rule is None:
            return None
        path = rule.path_for(exposure)
        try:
            return cls(path, read_psfex_models(path))
        except FileNotFoundError as error:
            if not rule.required:
                return None
            raise IngestError(f"there is no psfex file {path}") from error
        except OSError as error:
            raise IngestError(f"cannot read the psfex file {path}: {error.strerror or error}") from error

    def find(self, detector_name: str, exposure: int, n_detectors: int, place: int) -> PsfexModel:
        """Return the model of a detector image.

        It is the one of the detector's name and of the exposure, as far as the file has names; in a file
        of PSFEx itself the models stand in the order of the detectors.

        Parameters
        ----------
        detector_name
            EXTNAME of the image.
        exposure
            Number of the exposure.
        n_detectors, place
            How many detector images the exposure's file has, and which of them it is, from 0.

        Raises
        ------
        IngestError
            Raised if there is none, or more than one.
        """
        models = [model for model in self.models if model.exposure in (None, exposure)]
        named = [model for model in models if model.detector_name == detector_name]
        if len(named) == 1:
            return named[0]
        nameless = len({model.detector_name for model in models}) <= 1
        if nameless and len(models) == n_detectors:
            return models[place]
        raise IngestError(
            f"the psfex file {self.path} has {len(named)} models of {detector_name or 'a nameless detector'} "
            f"in exposure {exposure}, not one"
        )
