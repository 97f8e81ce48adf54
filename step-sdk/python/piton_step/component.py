"""Owns the way between the contract's calls and the functions in `step.py`: JSON texts become values,
exceptions become failures.
Never imported by a step, and never outside a component: `piton build` starts from here."""

import json
import sys
import traceback

import step
from componentize_py_types import Err
from wit_world.imports import types

from .context import Context
from .failure import Failure
from .outcome import NOT_DONE, UNKNOWN, Done
from .text import write

_CONTEXT = ("run_id", "step", "attempt", "idempotency_key", "execute_key", "time_left_ms")

_KINDS = {
    "retryable": lambda failure: types.FailureKind_Retryable(),
    "retry-after": lambda failure: types.FailureKind_RetryAfter(failure.wait_ms),
    "permanent": lambda failure: types.FailureKind_Permanent(),
    "unknown": lambda failure: types.FailureKind_Unknown(),
}


class Step:
    def execute(self, ctx, input):
        return _call(lambda: _output(step.execute(_context(ctx), _input(input))))

    def compensate(self, ctx, input, output, cause):
        def undo():
            known = None if output is None else json.loads(output)
            step.compensate(_context(ctx), _input(input), known, _cause(cause))

        return _call(undo)


class Reconcile:
    def reconcile(self, ctx, input):
        from wit_world.exports import reconcile as answers

        def ask():
            outcome = step.reconcile(_context(ctx), _input(input))
            if isinstance(outcome, Done):
                return answers.Outcome_Done(_output(outcome.output))
            if outcome is NOT_DONE:
                return answers.Outcome_NotDone()
            if outcome is UNKNOWN:
                return answers.Outcome_Unknown()
            raise TypeError(f"reconcile returns Done(output), NOT_DONE or UNKNOWN, and not {outcome!r}")

        return _call(ask)


def _call(function):
    try:
        result = function()
    except Failure as failure:
        raise Err(_failure(failure)) from None
    except BaseException as error:
        traceback.print_exc()
        raise Err(_failure(_uncaught(error))) from None
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return result


def _uncaught(error):
    """Names the exception, and the last line of the step's own that it went through."""
    line = traceback.format_exception_only(error)[-1].strip()
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.name != "_call"]
    own = [frame for frame in own if frame.filename.endswith("step.py")] or own
    place = f" (step.py, line {own[-1].lineno}, in {own[-1].name})" if own else ""
    return Failure.permanent("uncaught", line + place)


def _input(text):
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Failure.permanent("bad-input", f"the input cannot be read: {error}", clean=True) from None


def _output(value):
    try:
        return write(value)
    except (ValueError, TypeError, RecursionError) as error:
        message = f"the output cannot be written as JSON: {error}"
        raise Failure.permanent("bad-output", message) from None


def _context(ctx):
    return Context(**{name: getattr(ctx, name) for name in _CONTEXT})


def _failure(failure):
    message, details = str(failure.message), None
    if failure.details is not None:
        try:
            details = write(failure.details)
        except (ValueError, TypeError, RecursionError) as error:
            message += f" (details left out: {error})"
    kind = _KINDS[failure.kind](failure)
    return types.Failure(kind, bool(failure.clean), str(failure.code), message, details)


def _cause(cause):
    if cause is None:
        return None
    kind = {
        types.FailureKind_Retryable: "retryable",
        types.FailureKind_RetryAfter: "retry-after",
        types.FailureKind_Permanent: "permanent",
        types.FailureKind_Unknown: "unknown",
    }[type(cause.kind)]
    details = None if cause.details is None else json.loads(cause.details)
    wait_ms = getattr(cause.kind, "value", 0)
    return Failure(
        kind, cause.code, cause.message, clean=cause.clean, details=details, wait_ms=wait_ms
    )
