"""Owns how values become JSON texts.
Never writes what is no JSON: NaN and infinities raise ValueError, unknown types TypeError."""

import json


def write(value):
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        # Half of a pair of surrogates has no form in UTF-8, but one as an escape.
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text
