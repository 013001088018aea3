"""A camera of tiny images: its mapping, its files, and snapshots of a repository to see what changed."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from butler.formatters import write_plain_fits
from butler.images import SkyWcs
from butler.ingest import CameraMapping

MAPPING: dict[str, Any] = {
    "instrument": "TOY",
    "visit": "EXPNUM",
    "detector": "CCD",
    "band": {"card": "FILTER", "map": {"g wide": "g", "7": "i"}},
    "physical_filter": "FILTER",
    "exposure_time": "EXPTIME",
    "date": "DATE-OBS",
    "target_name": "OBJECT",
    "gain": "GAIN",
    "read_noise": "RDNOISE",
    "saturation": "SATURATE",
    "zero_point": "MAGZERO",
    "seeing": "SEEING",
}
CAMERA = CameraMapping.parse(MAPPING, "the toy camera")
SHAPE = (24, 32)


def make_cards(visit: int = 1, detector: int = 0, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Make the header of a detector image; a change to None leaves the card out."""
    cd = [[-1 / 3600, 0.0], [0.0, 1 / 3600]]
    wcs = SkyWcs.make_tan(crval=(150.0, 2.0 + detector / 100), crpix=(15.5, 11.5), cd=cd)
    cards: dict[str, Any] = {
        "EXPNUM": visit,
        "CCD": detector,
        "FILTER": "g wide",
        "EXPTIME": 30.0,
        "DATE-OBS": "2024-03-01T02:00:00",
        "OBJECT": "COSMOS",
        "GAIN": 1.5,
        "RDNOISE": 6.0,
        "SATURATE": 60000,
        "MAGZERO": 27.5,
        **wcs.to_header(),
        **(changes or {}),
    }
    return {key: value for key, value in cards.items() if value is not None}


def write_frame(
    path: Path, visit: int = 1, detector: int = 0, changes: Mapping[str, Any] | None = None
) -> Path:
    """Write a detector image, the pixel values of which count up; return its path."""
    pixels = np.arange(SHAPE[0] * SHAPE[1], dtype=np.float32).reshape(SHAPE)
    write_plain_fits(path, pixels, make_cards(visit, detector, changes))
    return path


def write_camera(path: Path, changes: Mapping[str, Any] | None = None) -> Path:
    """Write the camera mapping as YAML; return its path."""
    path.write_text(yaml.safe_dump({**MAPPING, **(changes or {})}))
    return path


def write_pixels(path: Path, value: float = 1.0) -> Path:
    """Write a plain image, such as a weight or a bad pixel mask; return its path."""
    write_plain_fits(path, np.full(SHAPE, value, dtype=np.float32), {})
    return path


def snapshot(root: Path) -> dict[str, str]:
    """Return the rows of the registry and the content of every file, to be compared."""
    state = {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".sqlite3" not in path.name
    }
    for database in root.glob("*.sqlite3"):
        with closing(sqlite3.connect(database)) as connection:
            state[database.name] = "\n".join(connection.iterdump())
    return state
