"""What work is, and the plan of it: connections, pipelines, quantum graphs. Runs nothing."""

from .connections import BaseConnection, Input, Output, PipelineTaskConnections, PrerequisiteInput

__all__ = ["BaseConnection", "Input", "Output", "PipelineTaskConnections", "PrerequisiteInput"]
