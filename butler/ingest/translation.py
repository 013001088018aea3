"""Header translation: what astro_metadata_translator makes of the headers of cameras that it knows."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..errors import IngestError
from ..tai import any_year

__all__ = ["QUANTITIES", "TRANSLATED", "translate", "translator_of"]

TRANSLATED: Final = "translated "
"""Stands before the name of a translated quantity among the cards; no card has a blank in its name."""
QUANTITIES: Final = (
    "exposure_id",
    "visit_id",
    "detector_num",
    "detector_name",
    "physical_filter",
    "exposure_time",
    "datetime_begin",
    "object",
    "science_program",
    "observation_id",
)
"""What a camera mapping may take from a translation, by the names of the library."""


def translator_of(cards: Mapping[str, Any]) -> str | None:
    """Return the name of the translator that recognises a header; None if none does."""
    from astro_metadata_translator import MetadataTranslator

    try:
        return str(MetadataTranslator.determine_translator(dict(cards)).name)
    except ValueError:
        return None


def translate(
    cards: Mapping[str, Any], translator: str, quantities: Iterable[str], source: str
) -> dict[str, Any]:
    """Return quantities of a header: whole numbers, texts, seconds, and the start as a Time.

    What the header does not tell is left out.

    Parameters
    ----------
    cards
        Header cards.
    translator
        Name of the translator.
    quantities
        Names out of `QUANTITIES`.
    source
        What to call the header in an error.

    Raises
    ------
    IngestError
        Raised if there is no such translator, or if it cannot read the header.
    """
    from astro_metadata_translator import MetadataTranslator, ObservationInfo

    found = MetadataTranslator.translators.get(translator)
    if found is None:
        known = ", ".join(sorted(MetadataTranslator.translators))
        raise IngestError(f"astro_metadata_translator has no translator {translator!r}; it has {known}")
    log = logging.getLogger("astro_metadata_translator")
    if log.level == logging.NOTSET:
        # It warns of each card that it misses; what matters is said where the quantity is needed.
        log.setLevel(logging.ERROR)
    try:
        with any_year():
            info = ObservationInfo(
                dict(cards), translator_class=found, pedantic=False, subset=set(quantities), quiet=True
            )
    except (KeyError, ValueError, TypeError, RuntimeError, AttributeError) as error:
        reason = " ".join(str(error.args[0] if error.args else error).split())
        raise IngestError(f"{source}: the header is not that of a {translator} image: {reason}") from error
    values = {name: getattr(info, name) for name in quantities}
    return {name: _plain(value) for name, value in values.items() if value is not None}


def _plain(value: Any) -> Any:
    """Return a quantity of time as seconds, anything else as it is."""
    return float(value.to_value("s")) if hasattr(value, "to_value") and hasattr(value, "unit") else value
