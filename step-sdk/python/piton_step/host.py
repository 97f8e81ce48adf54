"""Owns the calls that a step makes to its host: in a component the contract's imports, and elsewhere, so
that unit tests can run a step, stand-ins that print and remember.
Never called by a step directly: see `log`, `report` and `memo`."""

import sys

try:
    from wit_world.imports.log import Level, log as _log
    from wit_world.imports.memo import recall, remember
    from wit_world.imports.report import progress, usage

    def log(level, message):
        _log(Level[level.upper()], message)

except ImportError:
    notes = {}

    def log(level, message):
        print(f"{level}: {message}", file=sys.stderr)

    def progress(done, total, message):
        of = "" if total is None else f"/{total}"
        print(f"progress {done}{of}: {message}", file=sys.stderr)

    def usage(unit, micros):
        print(f"usage {unit}: {micros} millionths", file=sys.stderr)

    def recall(key):
        return notes.get(key)

    def remember(key, value):
        return notes.setdefault(key, value)
