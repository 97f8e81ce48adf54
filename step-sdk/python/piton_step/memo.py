"""Owns durable notes within one step: what one attempt paid for, the next one reads.
Never forgets and never overwrites: a key keeps its first value, in all phases of the step.

    answer = memo.once(f"answer/{question}", lambda: ask(question))
"""

import json

from . import host
from .text import write


def once(key, compute):
    """Returns the note under `key`, or computes it and leaves it there. It is durable before this returns,
    so no attempt of this step computes it again. Where `compute` raises nothing is noted."""
    text = host.recall(key)
    return remember(key, compute()) if text is None else json.loads(text)


def recall(key, default=None):
    """Returns the note under `key`, whichever attempt or phase left it, or `default`."""
    text = host.recall(key)
    return default if text is None else json.loads(text)


def remember(key, value):
    """Leaves a note and returns the one that is there: the first value of a key stays."""
    return json.loads(host.remember(key, write(value)))
