"""Owns how a step says that a call failed, and what that means for the next attempt.
Never decides about that attempt: the manifest may overrule any kind."""

import math


class Failure(Exception):
    """A call that did not succeed. Make one with the four functions below, and raise it.

    `code` is a short word that stays the same between versions, for rules in the manifest; `message`
    a sentence or two for people; `details` any JSON value, for programs. `clean` says that no attempt of
    this phase had any effect, so that no undo is owed: when in doubt, leave it out.
    """

    def __init__(self, kind, code, message, *, clean=False, details=None, wait_ms=0):
        super().__init__(f"{code}: {message}")
        self.kind = kind
        self.code = code
        self.message = message
        self.clean = clean
        self.details = details
        self.wait_ms = wait_ms

    @classmethod
    def retryable(cls, code, message, *, clean=False, details=None):
        """A later attempt may not meet it: a busy service, a broken line."""
        return cls("retryable", code, message, clean=clean, details=details)

    @classmethod
    def retry_after(cls, seconds, code, message, *, clean=False, details=None):
        """The service said when to come back, by `Retry-After` for example. Rounded up to milliseconds."""
        wait_ms = min(max(math.ceil(seconds * 1000), 0), 2**64 - 1)
        return cls("retry-after", code, message, clean=clean, details=details, wait_ms=wait_ms)

    @classmethod
    def permanent(cls, code, message, *, clean=False, details=None):
        """Every attempt with this input would meet it: a card that was declined."""
        return cls("permanent", code, message, clean=clean, details=details)

    @classmethod
    def unknown(cls, code, message, *, clean=False, details=None):
        """Nobody knows whether the effect is there: an answer that was lost."""
        return cls("unknown", code, message, clean=clean, details=details)
