"""What the issuer logs: a defect is shown with its traceback, and without the values that were at hand."""

import logging

import pytest
import structlog

from issuer.config import LogConfig
from issuer.logs import configure


@pytest.fixture
def restored():
    """Put the configuration of logging back after the test."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize("form", ["console", "json"])
def test_a_traceback_shows_no_local_variable(form, capsys, restored):
    """Whoever is at the terminal, or reads what it was redirected to, must not find a credential there."""
    configure(LogConfig(format=form))
    secret = "remit_op_" + "s3cret" * 5
    try:
        [secret].index("")
    except ValueError:
        structlog.get_logger("a test").exception("request failed")
    shown = capsys.readouterr().err
    assert "ValueError" in shown
    assert "s3crets3cret" not in shown
