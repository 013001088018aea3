"""The dimension universe, data IDs and dimension records."""

from ..tai import ns_to_time, time_to_ns
from .data_coordinate import DataCoordinate, DataId, plain_values
from .elements import GOVERNORS, DimensionElement, Field
from .records import DimensionRecord
from .row_data_ids import RowDataIds
from .shared_records import SharedRecords, picker
from .timespan import Timespan
from .universe import (
    TEMPORAL_FAMILIES,
    UNIVERSE,
    DimensionGroup,
    DimensionUniverse,
    coerce_value,
)

__all__ = [
    "GOVERNORS",
    "TEMPORAL_FAMILIES",
    "UNIVERSE",
    "DataCoordinate",
    "DataId",
    "DimensionElement",
    "DimensionGroup",
    "DimensionRecord",
    "DimensionUniverse",
    "Field",
    "RowDataIds",
    "SharedRecords",
    "Timespan",
    "coerce_value",
    "ns_to_time",
    "picker",
    "plain_values",
    "time_to_ns",
]
