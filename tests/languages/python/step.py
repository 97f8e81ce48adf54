"""Owns the step that every language has for the conformance suite; this is it in Python.
Never does more than its input says: see `tests/languages/README.md`."""

import json
from dataclasses import dataclass
from typing import Any

from piton_step import NOT_DONE, UNKNOWN, Done, Failure, log, memo, progress, read, usage


@dataclass
class Told:
    kind: str
    code: str
    message: str
    clean: bool = False
    details: Any = None
    wait_ms: int = 0


@dataclass
class Input:
    do: str
    value: Any = None
    length: int = 0
    times: int = 0
    fail: Told | None = None
    undo: str | None = None
    found: str | None = None


def execute(ctx, input):
    told = read(Input, input)
    if told.do == "echo":
        return {"value": told.value}
    if told.do == "large":
        return {"text": "é" * told.length}
    if told.do == "tell":
        return tell()
    if told.do == "fail":
        raise failure(told.fail)
    if told.do == "crash":
        raise ValueError("told to crash")
    if told.do == "busy" and ctx.attempt <= told.times:
        raise Failure.retryable("busy", "come again")
    if told.do == "lost" and ctx.attempt <= told.times:
        raise Failure.unknown("lost", "who knows")
    while told.do == "hang" and ctx.attempt <= told.times:
        pass
    if told.do in ("busy", "lost", "hang"):
        return {"value": told.value, "attempt": ctx.attempt}
    raise Failure.permanent("bad-input", f"`{told.do}` is nothing to do", clean=True)


def compensate(ctx, input, output, cause):
    told = read(Input, input)
    if told.undo == "busy" and ctx.attempt == 1:
        raise Failure.retryable("busy", "come again")
    known = "none" if output is None else json.dumps(output, separators=(",", ":"))
    log.info(f"undo output={known} cause={cause.code if cause else 'none'}")


def reconcile(ctx, input):
    found = read(Input, input).found
    if found == "done":
        return Done({"value": "found"})
    return NOT_DONE if found == "not-done" else UNKNOWN


def tell():
    log.trace("a trace")
    log.debug("a debug")
    log.info("an info: é😀")
    log.warn("a warn")
    log.error("an error")
    progress(1, 2, "half")
    progress(2, message="all")
    usage("usd", 50_000)
    usage("tokens", 3_000_000)
    asked = []
    for _ in range(2):
        answer = memo.once("answer", lambda: asked.append(1) or 42)
    return {"answer": answer, "asked": len(asked)}


def failure(told):
    common = {"clean": told.clean, "details": told.details}
    if told.kind == "retry-after":
        return Failure.retry_after(told.wait_ms / 1000, told.code, told.message, **common)
    return getattr(Failure, told.kind)(told.code, told.message, **common)
