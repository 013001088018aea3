"""What work is, and the plan of it: connections, pipelines, quantum graphs. Runs nothing."""

from .builder import build_graph
from .connections import BaseConnection, Input, Output, PipelineTaskConnections, PrerequisiteInput
from .errors import (
    ConfigError,
    ConnectionsError,
    EmptyQuantumGraphError,
    NoWorkFound,
    OutputExistsError,
    PipelineError,
    QuantumGraphError,
)
from .graph import GraphWalker, QuantumGraph
from .pipeline import Pipeline, PipelineTaskNode
from .quantum import Quantum

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
    "Pipeline",
    "PipelineError",
    "PipelineTaskConnections",
    "PipelineTaskNode",
    "PrerequisiteInput",
    "Quantum",
    "QuantumGraph",
    "QuantumGraphError",
    "build_graph",
]
