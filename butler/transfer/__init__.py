"""Between repositories: LSST's export YAML, and transfers."""

from typing import TYPE_CHECKING

from ..late import late_names

if TYPE_CHECKING:
    from .arrivals import take_in_records
    from .between import departures, settle
    from .contents import ExportContents, read_export
    from .exporting import DEFAULT_NAME, RepositoryExport
    from .importing import ImportReport, import_contents
    from .record_closure import RecordClosure
else:
    __getattr__ = late_names(
        __name__,
        {
            "arrivals": ["take_in_records"],
            "between": ["departures", "settle"],
            "contents": ["ExportContents", "read_export"],
            "exporting": ["DEFAULT_NAME", "RepositoryExport"],
            "importing": ["ImportReport", "import_contents"],
            "record_closure": ["RecordClosure"],
        },
    )

__all__ = [
    "DEFAULT_NAME",
    "ExportContents",
    "ImportReport",
    "RecordClosure",
    "RepositoryExport",
    "departures",
    "import_contents",
    "read_export",
    "settle",
    "take_in_records",
]
