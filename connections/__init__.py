"""What work is, and the plan of it: connections, pipelines, quantum graphs. Runs nothing."""

from .builder import build_graph
from .config_view import config_lines, history_lines
from .connections import BaseConnection, Input, Output, PipelineTaskConnections, PrerequisiteInput
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
from .graph import GraphWalker, QuantumGraph
from .overrides import Override, read_overrides
from .pipeline import Pipeline
from .pipeline_config import Overrides
from .pipeline_node import PipelineTaskNode
from .pipeline_view import to_mermaid, to_svg, to_text
from .quantum import Quantum
from .run_collections import RunCollections

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
