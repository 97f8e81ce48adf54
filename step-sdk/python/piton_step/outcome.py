"""Owns what `reconcile` can answer about a lost call.
Never says how it was found out."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Done:
    """It happened, and this is what it would have returned."""

    output: Any


class _Word:
    def __init__(self, word):
        self._word = word

    def __repr__(self):
        return self._word


#: It did not happen, and cannot happen any more.
NOT_DONE = _Word("NOT_DONE")
#: Nobody can tell.
UNKNOWN = _Word("UNKNOWN")
