"""Owns lines in the run's log. `print` works, too, and is kept beside them.
Never decides which lines matter."""

from . import host


def trace(message):
    """For whoever follows each move."""
    host.log("trace", str(message))


def debug(message):
    """For whoever looks for a mistake."""
    host.log("debug", str(message))


def info(message):
    """For everybody."""
    host.log("info", str(message))


def warn(message):
    """Something is odd, and the step goes on."""
    host.log("warn", str(message))


def error(message):
    """Something went wrong."""
    host.log("error", str(message))
