"""Selection: the data IDs that a Gen2 command line chooses, as a condition on a quantum graph."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import click

from butler import Butler, DataCoordinate
from connections import QuantumGraph

from .arguments import Request
from .id_keys import IMAGE_KEYS, PATCH_KEYS, IdKeys
from .id_option import IdOption
from .log import command_log

__all__ = [
    "Selection",
    "select_images",
    "select_patches",
    "select_visits",
    "warn_of_missing",
    "warn_of_partial",
]

_MOST_CHECKED: Final = 10_000
"""Data IDs of one option that are looked for one by one."""
_MOST_TOLD: Final = 20


@dataclass(frozen=True)
class Selection:
    """What a command line chooses.

    Parameters
    ----------
    where, bind
        Condition on the data IDs of the graph.
    images
        Detector images that go in, on each patch; empty if the graph alone tells.
    """

    where: str
    bind: Mapping[str, Any]
    images: Sequence[DataCoordinate] = field(default=())


def select_images(butler: Butler, keys: IdKeys, request: Request) -> Selection:
    """Choose the detector images of ``--id``.

    Raises
    ------
    UsageError
        Raised if a data ID has keys or values that cannot be.
    """
    terms = [keys.place(on_sky_map=False), keys.condition(request.ids, IMAGE_KEYS)]
    return Selection(_joined(terms), keys.bind)


def select_patches(butler: Butler, keys: IdKeys, request: Request) -> Selection | None:
    """Choose the patches of ``--id`` and the detector images of ``--selectId`` on them.

    Returns
    -------
    selection
        None if no image is on any patch, which is logged.

    Raises
    ------
    UsageError
        Raised if a data ID has no filter, or keys or values that cannot be.
    """
    for option in request.ids:
        if not option.values.keys() & {"filter", "band", "physical_filter"}:
            raise click.UsageError(f"{option}: a filter is needed, as in filter=HSC-I")
    terms = [keys.place(on_sky_map=True), keys.condition(request.ids, PATCH_KEYS)]
    if request.select_ids:
        terms.append(keys.condition(request.select_ids, IMAGE_KEYS))
    elif request.gen2_strict:
        command_log().warning("No exposures to coadd: there is no --selectId")
        return None
    else:
        command_log().info("there is no --selectId: all exposures on the patches are taken")
    where = _joined(terms)
    images = _images_on_patches(butler, where, keys.bind)
    if not images:
        command_log().warning("No exposures to coadd: none of them is on the patches of --id")
        return None
    return Selection(where, keys.bind, images)


def select_visits(butler: Butler, keys: IdKeys, request: Request) -> Selection | None:
    """Choose the patches of ``--id``, and on each of them the visits of its images of ``--selectId``.

    Whichever images of a visit are named: its warp has those that it was made of.

    Returns
    -------
    selection
        None if no image is on any patch, which is logged.

    Raises
    ------
    UsageError
        Raised if a data ID lacks tract, patch or filter, or has keys or values that cannot be.
    """
    for option in request.ids:
        missing = [key for key in ("tract", "patch") if key not in option.values]
        if missing and not request.all_patches:
            raise click.UsageError(
                f"{option}: {' and '.join(missing)} needed, as in tract=0 patch=5,4, or --all-patches"
            )
    selection = select_patches(butler, keys, request)
    if selection is None or not request.select_ids:
        return selection
    visits: dict[tuple[Any, Any], set[Any]] = {}
    for image in selection.images:
        visits.setdefault((image["tract"], image["patch"]), set()).add(image["visit"])
    patches: dict[tuple[Any, tuple[Any, ...]], list[Any]] = {}
    for (tract, patch), found in visits.items():
        patches.setdefault((tract, tuple(sorted(found))), []).append(patch)
    terms = [
        f"(tract = {tract} AND patch IN ({_listed(found)}) AND visit IN ({_listed(chosen)}))"
        for (tract, chosen), found in patches.items()
    ]
    where = _joined([keys.place(on_sky_map=True), f"({' OR '.join(terms)})"])
    return Selection(where, keys.bind, selection.images)


def warn_of_missing(keys: IdKeys, request: Request, selection: Selection, graph: QuantumGraph) -> None:
    """Log the data IDs of a command line for which there is nothing."""
    _warn(keys, request.ids, [quantum.dataId for quantum in graph.quanta], "no data")
    if selection.images:
        _warn(keys, request.select_ids, selection.images, "no such exposure on the patches")


def warn_of_partial(butler: Butler, selection: Selection, graph: QuantumGraph) -> None:
    """Log the visits of which ``--selectId`` names only a part of what their warps were made of.

    Warps are looked at, but only those of visits with more images on the patch than are named.
    """
    named = _detectors_by_visit(selection.images)
    known = _detectors_by_visit(_images_on_patches(butler, selection.where, selection.bind))
    for quantum in graph.quanta:
        for ref in quantum.input_refs():
            key = tuple(ref.dataId.get(name) for name in ("tract", "patch", "visit"))
            if key not in named or named[key] == known[key]:
                continue
            inputs = butler.get(ref.makeComponentRef("coaddInputs"))
            others = sorted({ccd.ccd for ccd in inputs.ccds} - named[key])
            if others:
                command_log().warning(
                    "--selectId names only a part of visit %s on patch %s: its warp also has %s",
                    ref.dataId["visit"],
                    ref.dataId["patch"],
                    ", ".join(f"ccd={number}" for number in others),
                )


def _images_on_patches(butler: Butler, where: str, bind: Mapping[str, Any]) -> list[DataCoordinate]:
    dimensions = ("skymap", "tract", "patch", "instrument", "visit", "detector")
    return butler.query_data_ids(dimensions, where=where, bind=bind, explain=False)


def _detectors_by_visit(images: Iterable[DataCoordinate]) -> dict[tuple[Any, ...], set[Any]]:
    found: dict[tuple[Any, ...], set[Any]] = {}
    for image in images:
        found.setdefault((image["tract"], image["patch"], image["visit"]), set()).add(image["detector"])
    return found


def _warn(
    keys: IdKeys, options: Iterable[IdOption], data_ids: Sequence[Mapping[str, Any]], fault: str
) -> None:
    """Log each data ID of some options that none of the existing ones is."""
    of_visit: dict[Any, list[Mapping[str, Any]]] = {}
    for data_id in data_ids:
        of_visit.setdefault(data_id.get("visit"), []).append(data_id)
    for option in options:
        if option.count() > _MOST_CHECKED:
            if not data_ids:
                command_log().warning("%s: %s", option, fault)
            continue
        wanting = [
            " ".join(f"{key}={value}" for key, value in wanted.items())
            for wanted in option.expanded()
            if not any(
                keys.fits(wanted, data_id)
                for data_id in (of_visit.get(int(wanted["visit"]), ()) if "visit" in wanted else data_ids)
            )
        ]
        for told in itertools.islice(wanting, _MOST_TOLD):
            command_log().warning("%s: %s %s", fault, option.option, told)
        if len(wanting) > _MOST_TOLD:
            command_log().warning("%s for %d more of %s", fault, len(wanting) - _MOST_TOLD, option)


def _joined(terms: Iterable[str]) -> str:
    return " AND ".join(filter(None, terms))


def _listed(numbers: Iterable[Any]) -> str:
    return ", ".join(map(str, numbers))
