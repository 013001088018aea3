"""IdKeys: what the keys of Gen2 data IDs mean in a repository."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import click

from butler import Butler
from butler.errors import did_you_mean
from butler.ingest import find_sky_map
from butler.skymaps import SkyMap

from .id_option import IdOption, Value

__all__ = ["IMAGE_KEYS", "PATCH_KEYS", "IdKeys"]

_INTEGERS: Final = {
    "visit": "visit",
    "ccd": "detector",
    "detector": "detector",
    "tract": "tract",
    "dateObs": "day_obs",
    "day_obs": "day_obs",
}
_TEXTS: Final = {"physical_filter": "physical_filter", "band": "band", "field": "visit.target_name"}
_FILTERS: Final = frozenset(("filter", "physical_filter", "band"))

IMAGE_KEYS: Final = frozenset(
    ("visit", "ccd", "detector", "dateObs", "day_obs", "field", "expTime", "dataset", *_FILTERS)
)
"""Keys that choose detector images."""

PATCH_KEYS: Final = frozenset(("tract", "patch", "dataset", *_FILTERS))
"""Keys that choose patches and the filter of a coadd."""

_PAIR: Final = re.compile(r"(\d+),(\d+)", re.ASCII)
_DATE: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_DIMENSIONS: Final = ("tract", "patch", "visit", "detector")


class IdKeys:
    """Translates data IDs as Gen2 writes them into conditions of a query.

    Texts become values for ``:names``, which are kept in `bind`; only integers are written out.

    Parameters
    ----------
    butler
        Butler of the repository.
    collections
        Where datasets are searched that the key ``dataset`` names.
    instrument
        Instrument; may be left out where the repository has only one.
    sky_map_name
        Sky map; may be left out where the repository has only one.
    """

    def __init__(
        self,
        butler: Butler,
        collections: Sequence[str],
        *,
        instrument: str | None = None,
        sky_map_name: str | None = None,
    ) -> None:
        self._butler = butler
        self._collections = list(collections)
        self._given_instrument = instrument
        self._given_sky_map = sky_map_name
        self.bind: dict[str, Any] = {}

    @cached_property
    def instrument(self) -> str:
        """Name of the instrument.

        Raises
        ------
        UsageError
            Raised if there is no such instrument, or if it would have to be named.
        """
        names = [r.name for r in self._butler.query_dimension_records("instrument", explain=False)]
        name = self._given_instrument or (names[0] if len(names) == 1 else None)
        if not names:
            raise click.UsageError("the repository has no instrument yet; ingest exposures first")
        if name is None:
            raise click.UsageError(f"there are the instruments {', '.join(names)}; choose with --instrument")
        if name not in names:
            raise click.UsageError(f"no instrument {name!r}{did_you_mean(name, names)}")
        return str(name)

    @cached_property
    def sky_map_name(self) -> str:
        """Name of the sky map; errors as of `sky_map`."""
        return self._named_sky_map[0]

    @property
    def sky_map(self) -> SkyMap:
        """The sky map.

        Raises
        ------
        DatasetNotFoundError
            Raised if there is no such sky map, or if it would have to be named.
        """
        return self._named_sky_map[1]

    @cached_property
    def _named_sky_map(self) -> tuple[str, SkyMap]:
        return find_sky_map(self._butler, self._given_sky_map)

    @cached_property
    def _bands(self) -> dict[str, str]:
        """Bands by physical filter of the instrument."""
        records = self._butler.query_dimension_records(
            "physical_filter", instrument=self.instrument, explain=False
        )
        return {record.name: record.band for record in records}

    def place(self, *, on_sky_map: bool) -> str:
        """Return the condition that holds for all data IDs: instrument and sky map."""
        terms = [f"instrument = {self._bound(self.instrument)}"]
        if on_sky_map:
            terms.append(f"skymap = {self._bound(self.sky_map_name)}")
        return " AND ".join(terms)

    def condition(self, options: Iterable[IdOption], allowed: Collection[str]) -> str:
        """Return the condition that a data ID is one of those of some options.

        Parameters
        ----------
        options
            The options.
        allowed
            Keys that make sense here.

        Returns
        -------
        condition
            An expression in parentheses; empty if every data ID is one.

        Raises
        ------
        UsageError
            Raised if a key or value cannot be.
        """
        terms = [" AND ".join(self._terms(option, allowed)) for option in options]
        return f"({' OR '.join(f'({term})' for term in terms)})" if terms and all(terms) else ""

    def fits(self, wanted: Mapping[str, str | int], data_id: Mapping[str, Any]) -> bool:
        """Tell whether a data ID is the one that is wanted, as far as its dimensions tell."""
        return all(self._value_fits(key, value, wanted, data_id) for key, value in wanted.items())

    def _value_fits(
        self, key: str, value: str | int, wanted: Mapping[str, str | int], data_id: Mapping[str, Any]
    ) -> bool:
        if key == "patch" and isinstance(value, str) and "," in value:
            return bool(data_id["patch"] == self._patch(int(wanted["tract"]), value))
        if key in _FILTERS:
            name = data_id.get("physical_filter")
            return value in (name, data_id.get("band")) or (
                name is None and self._bands.get(str(value)) == data_id.get("band")
            )
        dimension = "patch" if key == "patch" else _INTEGERS.get(key, "")
        return dimension not in data_id or data_id[dimension] == _integer(key, str(value))

    def _terms(self, option: IdOption, allowed: Collection[str]) -> list[str]:
        """Return the conditions that hold together for one option."""
        terms = []
        for key, values in option.values.items():
            self._require_allowed(key, option.option, allowed)
            if key == "tract" and "patch" in option.values:
                continue
            if key == "patch":
                terms.append(self._patch_term(option))
            elif key == "filter":
                terms.append(self._filter_term(_only_texts(key, values)))
            elif key == "expTime":
                times = [_number(key, text) for text in _only_texts(key, values)]
                terms.append(f"visit.exposure_time IN {self._bound(times)}")
            elif key in _TEXTS:
                terms.append(f"{_TEXTS[key]} IN {self._bound(_only_texts(key, values))}")
            elif key != "dataset":
                terms.append(_integer_term(key, self._within_sky_map(key, values)))
        for name in _only_texts("dataset", option.values.get("dataset", ())):
            terms.append(self._dataset_term(name))
        return terms

    def _require_allowed(self, key: str, option: str, allowed: Collection[str]) -> None:
        if key in allowed:
            return
        if key == "pointing":
            hint = "; it has no counterpart here: choose by visit, field or dateObs"
        elif key in IMAGE_KEYS | PATCH_KEYS:
            hint = f"; {key} makes no sense here, where there are {', '.join(sorted(allowed))}"
        else:
            hint = did_you_mean(key, allowed)
        raise click.UsageError(f"{option} has no key {key!r}{hint}")

    def _within_sky_map(self, key: str, values: Sequence[Value]) -> Sequence[Value]:
        """Return the values, once it is clear that they are tracts if that is what they have to be."""
        for value in values if key == "tract" else ():
            last = value[-1] if isinstance(value, range) else _integer(key, value)
            if not 0 <= last < len(self.sky_map):
                raise click.UsageError(
                    f"the sky map {self.sky_map_name!r} has no tract {last}, only 0..{len(self.sky_map) - 1}"
                )
        return values

    def _patch_term(self, option: IdOption) -> str:
        """Return the condition on tract and patch; what number ``5,4`` is depends on the tract."""
        if "tract" not in option.values:
            raise click.UsageError(f"{option} has a patch but no tract")
        tracts = self._within_sky_map("tract", option.values["tract"])
        patches = option.values["patch"]
        if not any(isinstance(patch, str) and "," in patch for patch in patches):
            return f"{_integer_term('tract', tracts)} AND {_integer_term('patch', patches)}"
        terms = []
        for value in tracts:
            for tract in value if isinstance(value, range) else (_integer("tract", value),):
                numbers = [p if isinstance(p, range) else self._patch(tract, p) for p in patches]
                terms.append(f"(tract = {tract} AND {_integer_term('patch', numbers)})")
        return f"({' OR '.join(terms)})"

    def _patch(self, tract: int, text: str) -> int:
        """Return the number of a patch ``x,y``, or of one that is given by its number."""
        found = _PAIR.fullmatch(text)
        if found is None:
            if "," in text:
                raise click.UsageError(f"patch={text}: write the column and row, as patch=5,4")
            return _integer("patch", text)
        try:
            return self.sky_map[tract].getSequentialPatchIndexFromPair((int(found[1]), int(found[2])))
        except LookupError as error:
            n_x, n_y = self.sky_map[tract].num_patches
            raise click.UsageError(
                f"tract {tract} has no patch {text}: x is 0..{n_x - 1}, y is 0..{n_y - 1}"
            ) from error

    def _filter_term(self, names: Sequence[str]) -> str:
        """Return the condition for ``filter``: names of physical filters or of bands."""
        terms = []
        for name in names:
            if name in self._bands:
                terms.append(f"physical_filter = {self._bound(name)}")
            elif name in self._bands.values():
                terms.append(f"band = {self._bound(name)}")
            else:
                hint = did_you_mean(name, {*self._bands, *self._bands.values()})
                raise click.UsageError(f"{self.instrument} has no filter {name!r}{hint}")
        return terms[0] if len(terms) == 1 else f"({' OR '.join(terms)})"

    def _dataset_term(self, name: str) -> str:
        """Return the condition that there is a dataset of a type."""
        refs = self._butler.query_datasets(name, self._collections, explain=False)
        rows: dict[tuple[str, ...], list[int]] = {}
        for ref in refs:
            keys = [key for key in _DIMENSIONS if key in ref.dataId.dimensions.required]
            if not keys:
                raise click.UsageError(f"dataset={name}: such a dataset is of no visit, and of no patch")
            terms = tuple(f"{key} = {ref.dataId[key]}" for key in keys[:-1])
            if "band" in ref.dataId.dimensions.required:
                terms = (f"band = {self._bound(ref.dataId['band'])}", *terms)
            rows.setdefault((*terms, keys[-1]), []).append(int(ref.dataId[keys[-1]]))
        if not rows:
            raise click.UsageError(f"there is no dataset {name!r} in {', '.join(self._collections)}")
        each = (
            " AND ".join([*terms, f"{last} IN ({', '.join(map(str, numbers))})"])
            for (*terms, last), numbers in rows.items()
        )
        return f"({' OR '.join(f'({term})' for term in each)})"

    def _bound(self, value: Any) -> str:
        """Keep a value, and return the name by which an expression has it; the same for equal values."""
        for name, known in self.bind.items():
            if known == value:
                return f":{name}"
        name = f"gen2_{len(self.bind)}"
        self.bind[name] = value
        return f":{name}"


def _integer_term(key: str, values: Iterable[Value | int]) -> str:
    """Return the condition that a dimension has one of some integers."""
    items = (
        f"{value.start}..{value[-1]}:{value.step}" if isinstance(value, range) else _integer(key, str(value))
        for value in values
    )
    return f"{_INTEGERS.get(key, key)} IN ({', '.join(map(str, items))})"


def _integer(key: str, text: str) -> int:
    """Return an integer; days may also be written as dates."""
    if _INTEGERS.get(key) == "day_obs" and (date := _DATE.fullmatch(text)):
        text = "".join(date.groups())
    try:
        return int(text)
    except ValueError:
        also = " or a date as 2014-11-01" if _INTEGERS.get(key) == "day_obs" else ""
        raise click.UsageError(f"{key}={text}: {key} is an integer, a range as 1..9{also}") from None


def _number(key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise click.UsageError(f"{key}={text}: {key} is a number") from None


def _only_texts(key: str, values: Sequence[Value]) -> list[str]:
    for value in values:
        if isinstance(value, range):
            raise click.UsageError(f"{key} takes single values, no range {value.start}..{value.stop - 1}")
    return [str(value) for value in values]
