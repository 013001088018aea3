"""Between repositories: LSST's export YAML, and transfers."""

from .between import departures, settle
from .contents import ExportContents, read_export
from .exporting import DEFAULT_NAME, RepositoryExport
from .importing import ImportReport, import_contents

__all__ = [
    "DEFAULT_NAME",
    "ExportContents",
    "ImportReport",
    "RepositoryExport",
    "departures",
    "import_contents",
    "read_export",
    "settle",
]
