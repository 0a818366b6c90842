"""What the scripts share: checks that end alone, values told with their types, one JSON object."""

import asyncio
import datetime
import faulthandler
import inspect
import json
import os
import signal
import sys

KINDS = "SELECT * FROM customer.kinds ORDER BY whole NULLS LAST"

KINDS_COLUMNS = [
    "flag", "small", "whole", "big", "ratio4", "ratio8", "exact", "words", "raw", "day", "clock",
    "moment", "instant", "span", "numbers", "tags", "document",
]

ORDERS = "SELECT * FROM customer.orders ORDER BY order_id LIMIT 5"

TOTALS = (
    "SELECT store, count(*) AS n, sum(amount) AS total, avg(amount) AS mean, "
    "min(ordered_at) AS first, max(quantity) AS most "
    "FROM customer.orders GROUP BY store ORDER BY store NULLS LAST"
)

# One value of every kind that needs no table.
LITERALS = (
    "SELECT true AS flag, 12::int2 AS small, 42 AS whole, 5000000000 AS big, "
    "1.5::float4 AS ratio4, 0.1::float8 AS ratio8, 1234.500::numeric(12,3) AS exact, "
    "'茶 it''s'::text AS words, 'abc'::varchar AS varied, 'ab'::char(4) AS padded, "
    r"'\x00ff'::bytea AS raw, DATE '2026-03-29' AS day, TIME '08:09:10.5' AS clock, "
    "TIMESTAMP '2026-03-29 02:30:00.5' AS moment, "
    "TIMESTAMPTZ '2026-03-29 02:30:00+02' AS instant, INTERVAL '1 day 02:03:04.5' AS span, "
    "ARRAY[1, 2, NULL] AS numbers, ARRAY['a', NULL, 'b c'] AS tags, "
    """'{"a": [1, null]}'::json AS document, """
    "'7f3a0000-0000-4000-8000-000000000001'::uuid AS id, "
    "NULL AS nothing, NULL::int AS no_number, 'unknown' AS unknown"
)

# Takes minutes, and can be stopped at any moment.
ENDLESS = (
    "SELECT count(*) FROM generate_series(1, 200000) AS a(n), generate_series(1, 200000) AS b(n) "
    "WHERE (a.n * b.n) % 7 = 3"
)

# A check that waits longer has met a server that does not answer, which is told as its error.
CHECK_SECONDS = 25

# A script ends after this, if the client waits where Python cannot interrupt it.
SCRIPT_SECONDS = 150

CHECKS = []


def check(function):
    """Registers a check; what it returns is told under its name."""
    CHECKS.append(function)
    return function


def setting(name, otherwise=None):
    """A setting of the environment that says where the server is."""
    value = os.environ.get(name, otherwise)
    if value is None:
        sys.exit(f"{name} is not set")
    return value


def wants_tls():
    """Whether clients that do not read PGSSLMODE must use TLS."""
    return os.environ.get("PGSSLMODE", "prefer") not in ("prefer", "allow", "disable")


def url(scheme="postgresql"):
    """The address for clients that want one."""
    from urllib.parse import quote

    user, password = quote(setting("PGUSER"), safe=""), quote(setting("PGPASSWORD"), safe="")
    host, port, database = setting("PGHOST"), setting("PGPORT", "5432"), setting("PGDATABASE")
    return f"{scheme}://{user}:{password}@{host}:{port}/{database}"


def typed(value):
    """The value with the name of its type, down into lists and objects."""
    name = type(value).__name__
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return f"{name} {value}"
    if isinstance(value, dict):
        return {str(key): typed(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [typed(part) for part in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"{name} {bytes(value).hex()}"
    if isinstance(value, (datetime.date, datetime.time)):
        return f"{name} {value.isoformat()}"
    return f"{name} {value}"


def rows(found):
    """Rows of values with their types."""
    return [[typed(value) for value in row] for row in found]


def sqlstate(error):
    """The code that the server gave, if this came from a server."""
    for name in ("sqlstate", "pgcode"):
        code = getattr(error, name, None)
        if code:
            return code
    if getattr(error, "orig", None) is not None:
        return sqlstate(error.orig)
    arguments = getattr(error, "args", ())
    if arguments and isinstance(arguments[0], dict):
        return arguments[0].get("C")
    return None


def failed(error):
    """What is told of an error: wording is left to each server."""
    return {"error": type(error).__name__, "sqlstate": sqlstate(error)}


def attempt(function, *arguments, **named):
    """What the call returns, or how it failed."""
    try:
        return function(*arguments, **named)
    except Exception as error:
        return complained(error)


def complained(error):
    """How a call failed; aloud, too, where somebody debugs."""
    if os.environ.get("CLIENTS_VERBOSE"):
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    return failed(error)


def tell(connect=None):
    """Runs all checks, each with a connection of its own where it takes one, and prints them."""
    faulthandler.dump_traceback_later(SCRIPT_SECONDS, exit=True)
    signal.signal(signal.SIGALRM, interrupt)
    answers = {}
    for function in CHECKS:
        if os.environ.get("CLIENTS_VERBOSE"):
            print(f"-- {function.__name__}", file=sys.stderr)
        signal.alarm(CHECK_SECONDS)
        answers[function.__name__] = attempt(with_connection, function, connect)
        signal.alarm(0)
    print_json(answers)


def interrupt(*_):
    """Ends a check that waits."""
    signal.alarm(1)
    raise TimeoutError("the server does not answer")


def with_connection(function, connect):
    """One check."""
    if not inspect.signature(function).parameters:
        return function()
    connection = connect()
    try:
        return function(connection)
    finally:
        attempt(connection.close)


async def tell_async(connect):
    """The same for checks that are coroutines."""
    faulthandler.dump_traceback_later(SCRIPT_SECONDS, exit=True)
    answers = {}
    for function in CHECKS:
        connection = None
        try:
            connection = await connect()
            answers[function.__name__] = await asyncio.wait_for(function(connection), CHECK_SECONDS)
        except Exception as error:
            answers[function.__name__] = complained(error)
        finally:
            if connection is not None:
                connection.terminate()
    print_json(answers)


def print_json(answers):
    """Prints the answers of all checks."""
    print(json.dumps(answers, ensure_ascii=False, indent=1, sort_keys=True))
