"""load_yaml: plain values from YAML that anybody may have written."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final

import yaml

from .errors import FileFormatError

__all__ = ["FastLoader", "load_yaml"]

_MAX_DEPTH: Final = 50
"""Deepest nesting that is read: our own files have about 6 levels, and the C loader overflows the stack."""
_MAX_GROWTH: Final = 10
"""How much larger a document may become by its aliases."""

_SEXAGESIMAL: Final = re.compile(r"[-+]?\d+(:[0-5]?\d)+(\.\d*)?$", re.ASCII)
"""What YAML 1.1 takes for a number to the base 60: an hour of right ascension would be 3600."""

# The C implementation where PyYAML has it: an export of a survey has millions of lines.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class FastLoader(_Loader):  # type: ignore[misc]
    """Loader that makes nothing but values; ``10:20:30`` is a text."""

    yaml_implicit_resolvers: ClassVar[Any] = {
        first: [*([("tag:yaml.org,2002:str", _SEXAGESIMAL)] if first in "-+0123456789" else []), *others]
        for first, others in _Loader.yaml_implicit_resolvers.items()
    }


def load_yaml(text: str | bytes, source: str, loader: Any = FastLoader) -> Any:
    """Read plain values; nothing is executed, and no more memory is taken than the text promises.

    Parameters
    ----------
    text
        The document.
    source
        Where it is from, for messages.
    loader
        A subclass of `FastLoader` that knows further tags.

    Raises
    ------
    FileFormatError
        Raised if the text is not YAML, has a tag that stands for no plain value, is nested too deeply, or
        becomes much larger by aliases.
    """
    try:
        _check_shape(text)
        return yaml.load(text, Loader=loader)
    except yaml.YAMLError as error:
        raise FileFormatError(f"{source} is not YAML: {' '.join(str(error).split())}") from error
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise FileFormatError(f"cannot read {source}: {error}") from error
    except (KeyError, AttributeError, IndexError) as error:
        # What PyYAML says of a scalar that its tag does not fit, such as ``!!bool maybe``.
        raise FileFormatError(f"cannot read {source}: a value does not fit its tag: {error}") from error


def _check_shape(text: str | bytes) -> None:
    """Refuse a document that is nested too deeply, or that aliases make much larger than it looks."""
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []
    size = n_events = 0
    for event in yaml.parse(text, Loader=FastLoader):
        n_events += 1
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise ValueError(f"the alias *{event.anchor} stands for nothing, or for what holds it")
            size += sizes[event.anchor]
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, size))
            if event.anchor:
                sizes.pop(event.anchor, None)
            if len(open_nodes) > _MAX_DEPTH:
                raise ValueError(f"nested more than {_MAX_DEPTH} levels deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            size += 1
            if anchor:
                sizes[anchor] = size - before
        elif isinstance(event, yaml.ScalarEvent):
            size += 1
            if event.anchor:
                sizes[event.anchor] = 1
    if size > _MAX_GROWTH * n_events:
        raise ValueError(f"its aliases stand for {size} values in {n_events}")
