"""Owns the guest's side of the contract: what a step written in Python sees of piton.
Never decides whether, when or how often a step runs.

A step is a file `step.py` with two functions:

    from piton_step import Context, Failure

    def execute(ctx: Context, input):
        if input["quantity"] > 100:
            raise Failure.permanent("no-stock", "no 100 of these", clean=True)
        # Call the service here, with `ctx.idempotency_key` in the request.
        return {"id": ctx.idempotency_key}

    def compensate(ctx: Context, input, output, cause):
        # Look for the effect by `ctx.execute_key`, and take it back if it is there.
        pass

`input`, `output` and what `execute` returns are JSON values: dict, list, str, int, float, bool, None.
With a third function `reconcile(ctx, input)` the step can also tell what became of a call whose answer
was lost: it returns `Done(output)`, `NOT_DONE` or `UNKNOWN`, and changes nothing.

The rules of a good step:

- A call may come again, always with the same `ctx.idempotency_key`. Send it with each request that
  changes something.
- An undo may come for nothing. `compensate` with `output` None asks about an `execute` whose result
  nobody knows: look for the effect by `ctx.execute_key`. Nothing found is success.
- Say what a failure means: raise `Failure.retryable`, `.retry_after`, `.permanent` or `.unknown`, with
  `clean=True` where nothing happened at all. Any other exception ends as permanent `uncaught`.
- Never wait inside a step for a person or a date, and never retry in a loop: the manifest does both.

In a component the functions here speak to the host. Under `python3 -m unittest` on your own machine logs,
progress and usage go to standard error, and notes live as long as the process.
"""

from . import log, memo
from .context import Context
from .failure import Failure
from .outcome import NOT_DONE, UNKNOWN, Done
from .report import progress, usage
from .shape import read

__all__ = [
    "Context", "Done", "Failure", "NOT_DONE", "UNKNOWN", "log", "memo", "progress", "read", "usage",
]
