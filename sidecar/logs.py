"""Logging: structlog to stderr, lines for people on a terminal, JSON otherwise. Tokens and reasons are never logged."""

import logging
import sys
from typing import Literal

import structlog


def configure(level: str, output: Literal["auto", "console", "json"]) -> None:
    """Set up structlog, and the standard library's loggers that others write to."""
    people = output == "console" or (output == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if people else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    # Any local user can make a connection fail; our own edge logs what is ours.
    logging.getLogger("grpclib").setLevel(logging.CRITICAL)
