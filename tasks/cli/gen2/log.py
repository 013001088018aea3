"""Where Gen2 commands say what they have to say besides results."""

from __future__ import annotations

import logging

import click

__all__ = ["command_log"]


def command_log() -> logging.Logger:
    """Return the logger that has the name of the running command."""
    return logging.getLogger(click.get_current_context().command.name)
