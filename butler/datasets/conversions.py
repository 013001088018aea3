"""Objects of other libraries as those that storage classes take."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["figure_to_pdf", "figure_to_png", "model_to_dict"]


def model_to_dict(model: BaseModel) -> dict[str, Any]:
    """Return the fields of a pydantic model as values that JSON has."""
    return model.model_dump(mode="json")


def figure_to_png(figure: Any) -> bytes:
    """Return a matplotlib figure as a PNG file."""
    return _saved(figure, "png")


def figure_to_pdf(figure: Any) -> bytes:
    """Return a matplotlib figure as a PDF file."""
    return _saved(figure, "pdf")


def _saved(figure: Any, form: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form)
    return buffer.getvalue()
