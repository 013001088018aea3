"""LSST's export YAML: the tags for times, UUIDs, regions and timespans."""

from __future__ import annotations

import uuid
from typing import Any, Final, TextIO

import yaml
from astropy.time import Time

from ..dimensions import Timespan, ns_to_time, time_to_ns
from ..errors import FileFormatError
from ..regions import SkyRegion
from ..safe_yaml import FastLoader, load_yaml

__all__ = ["AstroTime", "dump_export", "load_export"]

_TIME: Final = "!butler_time/tai/iso"
_UUID: Final = "!uuid"
_TIMESPAN: Final = "!lsst.daf.butler.Timespan"
_REGION_CLASSES: Final = {
    b"p": "ConvexPolygon",
    b"c": "Circle",
    b"b": "Box",
    b"e": "Ellipse",
    b"u": "UnionRegion",
    b"i": "IntersectionRegion",
}
"""Class of a region by the first byte of its encoding."""

_BaseDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class AstroTime(int):
    """TAI nanoseconds since 1970-01-01T00:00:00 TAI, written as a time."""


class _Loader(FastLoader):
    """A safe loader that knows the tags, and makes nothing but values."""

    def flatten_mapping(self, node: Any) -> None:
        """Refuse merge keys: no export has them, and nested ones grow without bound."""
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(None, None, "merge keys are not read", key.start_mark)


class _Dumper(_BaseDumper):  # type: ignore[misc]
    """A safe dumper that writes the tags."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write equal values out; readers need not follow references."""
        return True


def load_export(stream: TextIO, source: str) -> Any:
    """Read plain values, `AstroTime`, UUIDs, `SkyRegion` and `Timespan` from YAML; nothing is executed.

    Parameters
    ----------
    stream
        The text.
    source
        Name of the file, for messages.

    Raises
    ------
    FileFormatError
        Raised if it is no text, not YAML, or has a tag that an export does not have; see `load_yaml`.
    """
    try:
        text = stream.read()
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{source} is no text: {error}") from error
    return load_yaml(text, source, _Loader)


def dump_export(values: Any, stream: TextIO) -> None:
    """Write what `load_export` reads."""
    yaml.dump(values, stream, Dumper=_Dumper, sort_keys=False)


def _time_to_ns(loader: Any, node: Any) -> AstroTime:
    text = loader.construct_scalar(node)
    return AstroTime(time_to_ns(Time(text, format="iso", scale="tai")))


def _region(loader: Any, suffix: str, node: Any) -> SkyRegion:
    values = loader.construct_mapping(node)
    if suffix.rstrip(">") not in _REGION_CLASSES.values() or not isinstance(values.get("encoded"), str):
        raise ValueError(f"unknown region {suffix!r}")
    return SkyRegion.decode(bytes.fromhex(values["encoded"]))


def _timespan(loader: Any, node: Any) -> Timespan | None:
    """Return a timespan; None for an empty one."""
    if isinstance(node, yaml.ScalarNode):
        return None
    values = loader.construct_mapping(node)
    return Timespan(values.get("begin"), values.get("end"))


_Loader.add_constructor(_TIME, _time_to_ns)
_Loader.add_constructor(_UUID, lambda loader, node: uuid.UUID(loader.construct_scalar(node)))
_Loader.add_constructor(_TIMESPAN, _timespan)
_Loader.add_multi_constructor("lsst.sphgeom.", _region)


def _represent_time(dumper: Any, ns: AstroTime) -> Any:
    time = ns_to_time(int(ns))
    time.precision = 9
    return dumper.represent_scalar(_TIME, str(time.iso))


def _represent_region(dumper: Any, region: SkyRegion) -> Any:
    encoded = region.encode()
    kind = _REGION_CLASSES[encoded[:1]]
    return dumper.represent_mapping(f"lsst.sphgeom.{kind}", {"encoded": encoded.hex()})


def _represent_timespan(dumper: Any, span: Timespan) -> Any:
    ends = {
        "begin": None if span.begin_ns is None else AstroTime(span.begin_ns),
        "end": None if span.end_ns is None else AstroTime(span.end_ns),
    }
    return dumper.represent_mapping(_TIMESPAN, ends)


_Dumper.add_representer(AstroTime, _represent_time)
_Dumper.add_representer(uuid.UUID, lambda dumper, value: dumper.represent_scalar(_UUID, str(value)))
_Dumper.add_representer(SkyRegion, _represent_region)
_Dumper.add_representer(Timespan, _represent_timespan)
