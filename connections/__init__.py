"""What work is, and the plan of it: connections, pipelines, quantum graphs. Runs nothing."""

from typing import TYPE_CHECKING

from butler.late import late_names

from .errors import (
    ConfigError,
    ConnectionsError,
    EmptyQuantumGraphError,
    GraphFileError,
    MissingPrerequisiteError,
    NoWorkFound,
    OutputExistsError,
    PipelineError,
    QuantumGraphError,
    RunCollectionsError,
    ScalarError,
)

if TYPE_CHECKING:
    from .adjusting import adjust_quantum
    from .builder import build_graph
    from .config_record import ConfigRecord
    from .config_view import config_lines, history_lines
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
    from .graph import DroppedQuanta, GraphWalker, QuantumGraph
    from .graph_file import GraphFile
    from .graph_view import (
        graph_summary,
        plan_lines,
        quanta_lines,
        task_summaries,
        workflow_dot,
        workflow_lines,
        workflow_mermaid,
    )
    from .graph_writer import save_graph
    from .moved_graph import save_with_run
    from .overrides import Override, read_overrides
    from .pipeline import Pipeline
    from .pipeline_config import Overrides
    from .pipeline_node import PipelineTaskNode
    from .pipeline_view import to_mermaid, to_svg, to_text
    from .quanta_adjuster import QuantaAdjuster
    from .quantum import Quantum
    from .resolving import ExistingOutputs
    from .run_collections import RunCollections
    from .saved_graph import load_graph
    from .written_types import unregistered
else:
    # To declare connections or to run what is planned, neither registry nor builder is needed; a config that
    # no pipeline knows needs no connections either.
    __getattr__ = late_names(
        __name__,
        {
            "adjusting": ["adjust_quantum"],
            "builder": ["build_graph"],
            "config_record": ["ConfigRecord"],
            "config_view": ["config_lines", "history_lines"],
            "connection_names": ["ConnectionNames"],
            "connection_types": [
                "BaseConnection",
                "DimensionedConnection",
                "InitInput",
                "InitOutput",
                "Input",
                "Output",
                "PrerequisiteInput",
            ],
            "connections": ["PipelineTaskConnections"],
            "graph": ["DroppedQuanta", "GraphWalker", "QuantumGraph"],
            "graph_file": ["GraphFile"],
            "graph_view": [
                "graph_summary",
                "plan_lines",
                "quanta_lines",
                "task_summaries",
                "workflow_dot",
                "workflow_lines",
                "workflow_mermaid",
            ],
            "graph_writer": ["save_graph"],
            "moved_graph": ["save_with_run"],
            "overrides": ["Override", "read_overrides"],
            "pipeline": ["Pipeline"],
            "pipeline_config": ["Overrides"],
            "pipeline_node": ["PipelineTaskNode"],
            "pipeline_view": ["to_mermaid", "to_svg", "to_text"],
            "quanta_adjuster": ["QuantaAdjuster"],
            "quantum": ["Quantum"],
            "resolving": ["ExistingOutputs"],
            "written_types": ["unregistered"],
            "run_collections": ["RunCollections"],
            "saved_graph": ["load_graph"],
        },
    )

__all__ = [
    "BaseConnection",
    "ConfigError",
    "ConfigRecord",
    "ConnectionNames",
    "ConnectionsError",
    "DimensionedConnection",
    "DroppedQuanta",
    "EmptyQuantumGraphError",
    "ExistingOutputs",
    "GraphFile",
    "GraphFileError",
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
    "QuantaAdjuster",
    "Quantum",
    "QuantumGraph",
    "QuantumGraphError",
    "RunCollections",
    "RunCollectionsError",
    "ScalarError",
    "adjust_quantum",
    "build_graph",
    "config_lines",
    "graph_summary",
    "history_lines",
    "load_graph",
    "plan_lines",
    "quanta_lines",
    "read_overrides",
    "save_graph",
    "save_with_run",
    "task_summaries",
    "to_mermaid",
    "to_svg",
    "to_text",
    "unregistered",
    "workflow_dot",
    "workflow_lines",
    "workflow_mermaid",
]
