"""Config of the PSF of a coadd."""

from __future__ import annotations

from pydantic import Field

from ..config import Config

__all__ = ["CoaddPsfConfig"]


class CoaddPsfConfig(Config):
    """How the PSFs of the inputs become that of the coadd."""

    leaveOutClipped: bool = Field(
        default=False,
        description="SafeClip and CompareWarp: the PSF of the result leaves out the visits clipped at a "
        "place; a coadd that is read back has the plain PSF until psf_without_clipped gets the clip record",
    )
