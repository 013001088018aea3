"""The commands of ``butler``: what each is for, and where it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["COMMANDS", "SECTIONS", "CommandEntry"]


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A command that is imported when it is used.

    Parameters
    ----------
    place
        ``module:object`` in this package.
    help
        First sentence of its help text, for the list of commands.
    """

    place: str
    help: str


SECTIONS: Final[Mapping[str, Mapping[str, CommandEntry]]] = {
    "Set up": {
        "create": CommandEntry("create:create", "Make an empty repository in the directory REPO."),
        "register-instrument": CommandEntry(
            "instruments:register_instrument",
            "Register instruments: cameras that come with the program, or YAML files with a camera mapping.",
        ),
        "register-dataset-type": CommandEntry(
            "dataset_types:register_dataset_type", "Register the dataset type NAME."
        ),
        "remove-dataset-type": CommandEntry(
            "dataset_types:remove_dataset_type", "Remove dataset types that have no datasets."
        ),
        "register-skymap": CommandEntry(
            "sky_maps:register_skymap", "Register a sky map, from a file or around the exposures."
        ),
        "config-dump": CommandEntry(
            "create:config_dump", "Print the configuration of a repository, with all defaults, as YAML."
        ),
        "config-validate": CommandEntry(
            "validation:config_validate",
            "Look for mistakes in butler.yaml: settings, templates, names that mean nothing.",
        ),
        "migrate": CommandEntry(
            "migrate:migrate",
            "Bring the registry to this program's schema version; while nobody else uses it.",
        ),
    },
    "Bring in and out": {
        "ingest-exposures": CommandEntry(
            "ingest:ingest_exposures", "Ingest flattened exposures: FITS files, or directories of them."
        ),
        "camera-template": CommandEntry(
            "ingest:camera_template", "Print a camera mapping, to write one's own from."
        ),
        "ingest-files": CommandEntry(
            "ingest_files:ingest_files", "Ingest the files that a table lists, as datasets of one type."
        ),
        "import": CommandEntry(
            "transfer:import_datasets", "Import what was exported to DIRECTORY, also by LSST's butler."
        ),
        "export": CommandEntry(
            "transfer:export_datasets", "Export datasets, and what they need, into DIRECTORY."
        ),
        "transfer-datasets": CommandEntry(
            "transfer:transfer_datasets", "Bring datasets of the repository SOURCE into DEST."
        ),
        "retrieve-artifacts": CommandEntry(
            "retrieve:retrieve_artifacts", "Bring the files of datasets into the directory DESTINATION."
        ),
    },
    "Ask": {
        "query-collections": CommandEntry(
            "query_collections:query_collections",
            "List collections; of RUNs named after a time the newest first.",
        ),
        "query-dataset-types": CommandEntry("dataset_types:query_dataset_types", "List dataset types."),
        "query-datasets": CommandEntry("query:query_datasets", "List datasets."),
        "query-data-ids": CommandEntry("query:query_data_ids", "List the data IDs of some dimensions."),
        "query-dimension-records": CommandEntry(
            "query:query_dimension_records", "List the records of a dimension."
        ),
        "show": CommandEntry("show:show", "Draw an image dataset, or a cutout of it."),
        "show-sky": CommandEntry(
            "show_sky:show_sky", "Draw what was observed, and how deep, with tracts and patches, on the sky."
        ),
    },
    "Group": {
        "collection-chain": CommandEntry(
            "collections:collection_chain", "Define the chain PARENT, or change its CHILDREN."
        ),
        "associate": CommandEntry(
            "collections:associate", "Put datasets into the TAGGED collection COLLECTION."
        ),
        "certify-calibrations": CommandEntry(
            "calibrations:certify_calibrations",
            "Let datasets of a collection be valid for some time in the CALIBRATION collection "
            "OUTPUT_COLLECTION.",
        ),
    },
    "Remove and mend": {
        "prune-datasets": CommandEntry(
            "removal:prune_datasets",
            "Remove datasets from storage, from TAGGED collections, or altogether.",
        ),
        "remove-runs": CommandEntry(
            "removal:remove_runs", "Remove RUN collections with all datasets and files in them."
        ),
        "remove-collections": CommandEntry(
            "removal:remove_collections", "Remove TAGGED collections and chains; no dataset is removed."
        ),
        "verify": CommandEntry(
            "verify:verify", "Compare the registry with the files; while nothing else writes."
        ),
    },
}
"""The commands by what they do, in the order of the help text."""

COMMANDS: Final[Mapping[str, CommandEntry]] = {
    name: entry for section in SECTIONS.values() for name, entry in section.items()
}
"""The commands by name."""
