"""Owns the loop that one would write by hand: a durable step without a sandbox, a limit or an undo.

WAL, `synchronous = FULL`, one transaction a step. Each step adds one to a counter in a JSON value of
200 bytes. Many runs take turns, a step each.

    loop.py DATABASE RUNS STEPS PARALLEL [--idle]
"""

import json
import sqlite3
import sys
import time

VALUE_BYTES = 200


def first_value():
    value = {"n": 0, "pad": ""}
    value["pad"] = "x" * (VALUE_BYTES - len(json.dumps(value)))
    return json.dumps(value)


def step(text):
    value = json.loads(text)
    value["n"] += 1
    return json.dumps(value)


def open_journal(path):
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute(
        "CREATE TABLE IF NOT EXISTS steps (run INTEGER, step INTEGER, value TEXT,"
        " PRIMARY KEY (run, step)) WITHOUT ROWID"
    )
    return database


def turns(database, run, steps):
    value = first_value()
    for number in range(1, steps + 1):
        value = step(value)
        database.execute("INSERT INTO steps VALUES (?, ?, ?)", (run, number, value))
        yield


def carry_out(database, runs, steps, parallel):
    first = database.execute("SELECT coalesce(max(run), 0) + 1 FROM steps").fetchone()[0]
    waiting = iter(range(first, first + runs))
    under_way = []
    while True:
        while len(under_way) < parallel and (run := next(waiting, None)) is not None:
            under_way.append(turns(database, run, steps))
        if not under_way:
            return
        under_way = [run for run in under_way if next(run, run) is not run]


def main():
    path, *numbers = sys.argv[1:5]
    database = open_journal(path)
    carry_out(database, *map(int, numbers))
    if sys.argv[5:] == ["--idle"]:
        print("idle", file=sys.stderr, flush=True)
        time.sleep(3600)


main()
