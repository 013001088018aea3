"""Pydantic models as plain dictionaries."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

__all__ = ["model_to_dict"]


def model_to_dict(model: BaseModel) -> dict[str, Any]:
    """Return the fields of a model as values that JSON has."""
    return model.model_dump(mode="json")
