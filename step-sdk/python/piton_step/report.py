"""Owns what a step tells while a call is under way.
Never keeps a sum: the host adds up."""

from . import host


def progress(done, total=None, message=""):
    """Says how far the call has come, out of `total` where that is known."""
    host.progress(done, total, message)


def usage(unit, micros):
    """Books what this call costs, in whole millionths of `unit`, however the attempt ends. Five cents are
    `usage("usd", 50_000)`."""
    if not isinstance(micros, int):
        raise TypeError(f"usage is counted in whole millionths of {unit}, and {micros!r} is no int")
    host.usage(unit, micros)
