"""Migrations: how a registry of an older schema version becomes one of this version."""

from .migrate import migrate
from .steps import STEPS, MigrationStep, pending_steps

__all__ = ["STEPS", "MigrationStep", "migrate", "pending_steps"]
