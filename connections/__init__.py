"""What work is, and the plan of it: connections, pipelines, quantum graphs. Runs nothing."""

from typing import TYPE_CHECKING

from butler.late import late_names

from .adjust_quantum import adjust_quantum
from .connection_names import ConnectionNames
from .connection_types import (
    BaseConnection,
    DimensionedConnection,
    InitInput,
    InitOutput,
    Input,
    Output,
    PrerequisiteInput,
)
from .connections import PipelineTaskConnections
from .errors import (
    ConfigError,
    ConnectionsError,
    EmptyQuantumGraphError,
    MissingPrerequisiteError,
    NoWorkFound,
    OutputExistsError,
    PipelineError,
    QuantumGraphError,
    RunCollectionsError,
    ScalarError,
)

if TYPE_CHECKING:
    from .builder import build_graph
    from .config_view import config_lines, history_lines
    from .graph import GraphWalker, QuantumGraph
    from .overrides import Override, read_overrides
    from .pipeline import Pipeline
    from .pipeline_config import Overrides
    from .pipeline_node import PipelineTaskNode
    from .pipeline_view import to_mermaid, to_svg, to_text
    from .quantum import Quantum
    from .run_collections import RunCollections
else:
    # To declare connections or to run what is planned, neither registry nor builder is needed.
    __getattr__ = late_names(
        __name__,
        {
            "builder": ["build_graph"],
            "config_view": ["config_lines", "history_lines"],
            "graph": ["GraphWalker", "QuantumGraph"],
            "overrides": ["Override", "read_overrides"],
            "pipeline": ["Pipeline"],
            "pipeline_config": ["Overrides"],
            "pipeline_node": ["PipelineTaskNode"],
            "pipeline_view": ["to_mermaid", "to_svg", "to_text"],
            "quantum": ["Quantum"],
            "run_collections": ["RunCollections"],
        },
    )

__all__ = [
    "BaseConnection",
    "ConfigError",
    "ConnectionNames",
    "ConnectionsError",
    "DimensionedConnection",
    "EmptyQuantumGraphError",
    "GraphWalker",
    "InitInput",
    "InitOutput",
    "Input",
    "MissingPrerequisiteError",
    "NoWorkFound",
    "Output",
    "OutputExistsError",
    "Override",
    "Overrides",
    "Pipeline",
    "PipelineError",
    "PipelineTaskConnections",
    "PipelineTaskNode",
    "PrerequisiteInput",
    "Quantum",
    "QuantumGraph",
    "QuantumGraphError",
    "RunCollections",
    "RunCollectionsError",
    "ScalarError",
    "adjust_quantum",
    "build_graph",
    "config_lines",
    "history_lines",
    "read_overrides",
    "to_mermaid",
    "to_svg",
    "to_text",
]
