"""The camera mappings that come with the package, and how a header finds its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from ..errors import ButlerUserError, IngestError, did_you_mean
from ..formatters import read_camera_header
from ..safe_yaml import load_yaml
from .camera import CameraMapping
from .translation import translator_of

__all__ = ["camera_named", "camera_template", "find_camera", "find_camera_of", "shipped_cameras"]

_TEMPLATE = "template.yaml"


def shipped_cameras() -> dict[str, CameraMapping]:
    """Return the mappings that come with the package, by file name without extension."""
    return dict(_shipped())


@cache
def _shipped() -> Mapping[str, CameraMapping]:
    found = {}
    for name, text in _texts().items():
        if name != _TEMPLATE:
            found[name.removesuffix(".yaml")] = CameraMapping.parse(load_yaml(text.encode(), name), name)
    return found


def camera_template(name: str | None = None) -> str:
    """Return a commented mapping to write one's own from, as YAML.

    Parameters
    ----------
    name
        A mapping that comes with the package; the template with all quantities if None.

    Raises
    ------
    IngestError
        Raised if there is none of that name.
    """
    texts = _texts()
    chosen = _TEMPLATE if name is None else f"{name}.yaml"
    if name == "template" or chosen not in texts:
        raise IngestError(
            f"no camera mapping {name!r} comes with the package{did_you_mean(str(name), _shipped())}"
        )
    return texts[chosen]


def camera_named(name: str) -> CameraMapping:
    """Return a mapping by its name in the package, or by the path of its file.

    Raises
    ------
    IngestError
        Raised if there is neither.
    """
    path = Path(name)
    if path.suffix or path.exists() or "/" in name:
        return CameraMapping.load(path)
    known = _shipped()
    if name not in known:
        raise IngestError(
            f"no camera mapping {name!r} comes with the package, nor is it a file{did_you_mean(name, known)}"
        )
    return known[name]


def find_camera(cards: Mapping[str, Any], source: str) -> CameraMapping:
    """Return the shipped mapping that recognises a header.

    Of several whose cards match, the one with most of them; else the one of the translator that knows it.

    Raises
    ------
    IngestError
        Raised if none does.
    """
    cameras = _shipped()
    matching = [camera for camera in cameras.values() if camera.match and _matches(camera, cards)]
    if matching:
        return max(matching, key=lambda camera: len(camera.match))
    translator = translator_of(cards)
    for camera in cameras.values():
        if translator is not None and camera.translator == translator and not camera.match:
            return camera
    raise IngestError(
        f"{source}: no shipped camera mapping recognises this header (INSTRUME is "
        f"{str(cards.get('INSTRUME', 'absent')).strip()!r}; known: {', '.join(cameras)}); "
        "write a mapping (butler camera-template) and give it with --camera"
    )


def find_camera_of(paths: Iterable[Path]) -> CameraMapping:
    """Return the shipped mapping that recognises the first of some files for which there is one.

    Raises
    ------
    IngestError
        Raised if there is none, with what is wrong with the first file.
    """
    faults: list[Exception] = []
    for path in paths:
        try:
            return find_camera(read_camera_header(path), str(path))
        except (ButlerUserError, OSError) as error:
            faults.append(error)
    raise IngestError(str(faults[0]) if faults else "there is no file to find the camera of") from (
        faults[0] if faults else None
    )


def _matches(camera: CameraMapping, cards: Mapping[str, Any]) -> bool:
    wanted = camera.match.items()
    return all(str(cards.get(key, "")).strip().lower() == str(value).lower() for key, value in wanted)


def _texts() -> dict[str, str]:
    """Return the texts of the YAML files, by name, sorted."""
    folder = resources.files(__package__) / "cameras"
    files = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".yaml")), key=lambda e: e.name
    )
    return {entry.name: entry.read_text(encoding="utf-8") for entry in files}
