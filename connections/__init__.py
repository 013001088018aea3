"""What work is, and the plan of it: connections, pipelines, quantum graphs. Runs nothing."""

from typing import TYPE_CHECKING

from butler.late import late_names

from .connections import (
    BaseConnection,
    Input,
    Output,
    PipelineTaskConnections,
    PrerequisiteInput,
)
from .errors import (
    ConfigError,
    ConnectionsError,
    EmptyQuantumGraphError,
    NoWorkFound,
    OutputExistsError,
    PipelineError,
    QuantumGraphError,
    RunCollectionsError,
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
    "ConnectionsError",
    "EmptyQuantumGraphError",
    "GraphWalker",
    "Input",
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
    "build_graph",
    "config_lines",
    "history_lines",
    "read_overrides",
    "to_mermaid",
    "to_svg",
    "to_text",
]
