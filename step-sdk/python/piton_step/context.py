"""Owns what a step is told about the call that it is in.
Never changes during that call."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Context:
    """The call, as the host describes it. The defaults are for tests."""

    #: Which run this is: a UUID.
    run_id: str = "00000000-0000-7000-8000-000000000000"
    #: The name the manifest gives this step; an element of a map carries its `[index]`.
    step: str = "step"
    #: Which attempt of this phase this is, from 1.
    attempt: int = 1
    #: The name of this piece of work, the same in all attempts of one phase. Hand it to every service
    #: that changes something.
    idempotency_key: str = "00000000-0000-5000-8000-000000000001"
    #: The idempotency key that `execute` had: what to search for in `compensate` and `reconcile`.
    execute_key: str = "00000000-0000-5000-8000-000000000001"
    #: How long this call may still take, in milliseconds. Then the host ends it.
    time_left_ms: int = 30_000
