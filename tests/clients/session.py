"""What a session keeps: transactions, settings, cursors, statements, portals, message by message."""

import struct
import time

import raw
import seen
from raw import bind, close, describe, execute, message, parse

SERIES = "SELECT n FROM generate_series(1, 5) AS n ORDER BY n"

# Fails when it runs, not when it is planned.
FAILS = "SELECT 1 / (n - 1) FROM generate_series(1, 1) AS n"

INT8, TEXT, NUMERIC, TIMESTAMPTZ = 20, 25, 1700, 1184

# Each is a session of simple queries.
SIMPLE = {
    "states": ["SELECT 1", "BEGIN", "SELECT 1", "SELECT 1 / 0", "SELECT 1", "ROLLBACK", "SELECT 1"],
    "nested_begin": ["BEGIN", "BEGIN", "START TRANSACTION", "COMMIT", "COMMIT", "ROLLBACK", "END", "ABORT"],
    "failed_commit": ["BEGIN", "SELECT 1 / 0", "COMMIT", "BEGIN", "SELECT 1 / 0", "END"],
    "savepoints": [
        "BEGIN", "SAVEPOINT a", "SELECT 1 / 0", "SAVEPOINT b", "ROLLBACK TO SAVEPOINT a", "SELECT 1",
        "RELEASE SAVEPOINT a", "ROLLBACK TO a", "ROLLBACK", "SAVEPOINT a", "RELEASE a",
    ],
    "savepoints_of_one_name": [
        "BEGIN", "SAVEPOINT a", "SET LOCAL application_name = 'one'", "SAVEPOINT a",
        "SET LOCAL application_name = 'two'", "ROLLBACK TO a", "SHOW application_name", "RELEASE a",
        "ROLLBACK TO a", "SHOW application_name", "COMMIT",
    ],
    "chained": ["BEGIN ISOLATION LEVEL SERIALIZABLE", "COMMIT AND CHAIN", "SHOW transaction_isolation", "ROLLBACK"],
    "several": ["SELECT 1; SELECT 2; SELECT 'three'", "SELECT 1; SELECT 1 / 0; SELECT 3", "BEGIN; SELECT 1; COMMIT",
                "SELECT 1; BEGIN; SELECT 2", "SELECT 1 / 0; COMMIT", "ROLLBACK", "SELECT 1;; ; SELECT 2;",
                "SELECT 1; SELEC 2", "BEGIN; SELECT 1 / 0; ROLLBACK", "ROLLBACK"],
    "empty": ["", ";", "  -- nothing\n", "/* nothing */ ;"],
    "modes": [
        "BEGIN READ ONLY", "SHOW transaction_read_only", "COMMIT", "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        "SHOW transaction_isolation", "SET TRANSACTION READ WRITE", "ROLLBACK", "SET TRANSACTION READ ONLY",
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SHOW default_transaction_isolation",
    ],
    "settings": [
        "SHOW application_name", "SET application_name = 'first'", "SET application_name TO second", "SHOW application_name",
        "RESET application_name", "SHOW application_name", "SET SESSION application_name = DEFAULT",
        "SET search_path = customer, pg_catalog", "SHOW search_path", "SET search_path TO 'a b', \"C\"", "SHOW search_path",
        "RESET ALL", "SHOW search_path", "SET TIME ZONE 'Asia/Tokyo'", "SHOW TIME ZONE", "SET TIME ZONE LOCAL",
        "SET TIME ZONE -3", "SHOW timezone", "SHOW TimeZone", "DISCARD ALL", "SHOW timezone", "SET NAMES 'UTF8'",
        "SHOW client_encoding", "SET custom.thing = 'kept'", "SHOW custom.thing", "SET statement_timeout = '2min'",
        "SHOW statement_timeout", "SET statement_timeout = 1500", "SHOW statement_timeout", "SET extra_float_digits = 0",
        "SHOW extra_float_digits", "SET datestyle = 'ISO, DMY'", "SHOW datestyle", "SET work_mem = '8MB'", "SHOW work_mem",
    ],
    "settings_of_transactions": [
        "BEGIN", "SET LOCAL application_name = 'local'", "SHOW application_name", "COMMIT", "SHOW application_name",
        "BEGIN", "SET application_name = 'undone'", "ROLLBACK", "SHOW application_name",
        "BEGIN", "SET application_name = 'done'", "COMMIT", "SHOW application_name", "SET LOCAL application_name = 'x'",
        "SHOW application_name",
    ],
    "settings_by_functions": [
        "SELECT set_config('application_name', 'by function', false)", "SHOW application_name",
        "SELECT current_setting('application_name')", "SELECT current_setting('no.such', true) IS NULL",
        "SELECT current_setting('no_such_setting')", "BEGIN", "SELECT set_config('application_name', 'local', true)",
        "COMMIT", "SELECT current_setting('application_name'), current_schema(), current_schemas(true)",
        "SELECT set_config('search_path', '', false)", "SELECT current_schema() IS NULL",
        "SELECT name, setting FROM pg_settings WHERE name IN ('DateStyle', 'TimeZone', 'application_name') ORDER BY name",
    ],
    "timezones": [
        "SELECT TIMESTAMPTZ '2026-03-29 00:30:00.5+00'", "SET timezone = 'Europe/Berlin'",
        "SELECT TIMESTAMPTZ '2026-03-29 00:30:00.5+00', TIMESTAMPTZ '2026-03-29 01:30:00+00'",
        "SELECT '2026-07-01 12:00'::timestamptz, TIMESTAMPTZ '1890-01-01 00:00+00'",
        "SELECT date_trunc('day', TIMESTAMPTZ '2026-03-28 23:30+00'), (TIMESTAMPTZ '2026-03-28 23:30+00')::date",
        "SELECT extract(hour FROM TIMESTAMPTZ '2026-03-28 23:30+00')", "SET timezone = 'Asia/Kolkata'",
        "SELECT min(ordered_at), max(ordered_at) FROM customer.orders", "SET timezone = 'UTC'",
        "SELECT TIMESTAMPTZ '2026-03-29 00:30:00' AT TIME ZONE 'America/New_York'",
    ],
    "styles": [
        "SHOW datestyle", "SHOW intervalstyle", "SHOW bytea_output", "SHOW extra_float_digits", "SHOW server_encoding",
        "SHOW standard_conforming_strings", "SHOW integer_datetimes", "SHOW max_identifier_length",
        "SHOW transaction_isolation", "SHOW default_transaction_read_only", "SHOW lc_collate", "SHOW is_superuser",
        "SET bytea_output = 'escape'", r"SELECT '\x00ff41'::bytea", "SET bytea_output = 'hex'",
        "SET intervalstyle = 'iso_8601'", "SELECT INTERVAL '1 year 2 mons 3 days 04:05:06.7'",
        "SET intervalstyle = 'sql_standard'", "SELECT INTERVAL '1 year 2 mons 3 days 04:05:06.7'",
        "SET intervalstyle = 'postgres_verbose'", "SELECT INTERVAL '1 year 2 mons 3 days 04:05:06.7'",
        "SET datestyle = 'German'", "SELECT DATE '2026-03-29'", "SET datestyle = 'SQL, MDY'", "SELECT DATE '2026-03-29'",
        "SET extra_float_digits = 0", "SELECT 0.1::float8 + 0.2::float8, 0.1::float4", "RESET extra_float_digits",
        "SELECT 0.1::float8 + 0.2::float8, 0.1::float4, 1e300::float8, 1e15::float8, 1e16::float8, 1e-5::float8",
    ],
    "cursors": [
        "BEGIN", f"DECLARE c CURSOR FOR {SERIES}", "FETCH c", "FETCH NEXT FROM c", "FETCH FORWARD 2 FROM c", "FETCH 0 FROM c",
        "MOVE 1 IN c", "FETCH 1 FROM c", "FETCH ALL FROM c", "CLOSE c", "FETCH c", "ROLLBACK",
        f"DECLARE c CURSOR FOR {SERIES}",
    ],
    "cursors_of_one_name": ["BEGIN", f"DECLARE c CURSOR FOR {SERIES}", f"DECLARE c CURSOR FOR {SERIES}", "ROLLBACK"],
    "scrolled_cursors": [
        "BEGIN", f"DECLARE c SCROLL CURSOR FOR {SERIES}", "FETCH LAST FROM c", "FETCH PRIOR FROM c", "FETCH FIRST FROM c",
        "FETCH ABSOLUTE 4 FROM c", "FETCH RELATIVE -2 FROM c", "FETCH BACKWARD ALL FROM c", "MOVE FORWARD ALL IN c",
        "FETCH ABSOLUTE -1 FROM c", "MOVE 0 IN c", "COMMIT",
    ],
    "unscrolled_cursors": ["BEGIN", f"DECLARE c NO SCROLL CURSOR FOR {SERIES}", "FETCH 2 FROM c", "FETCH PRIOR FROM c", "ROLLBACK"],
    "held_cursors": [
        "BEGIN", f"DECLARE c CURSOR WITH HOLD FOR {SERIES}", "FETCH 2 FROM c", "COMMIT", "FETCH 2 FROM c",
        "SELECT name, is_holdable, is_scrollable FROM pg_cursors", "CLOSE c", "FETCH c",
        f"DECLARE d CURSOR WITH HOLD FOR {SERIES}", "FETCH ALL FROM d", "CLOSE ALL", "FETCH d",
        "BEGIN", f"DECLARE e CURSOR WITH HOLD FOR {SERIES}", "ROLLBACK", "FETCH e",
    ],
    "binary_cursors": ["BEGIN", "DECLARE c BINARY CURSOR FOR SELECT 258::int4, 1.5::float8", "FETCH c", "COMMIT"],
    "statements": [
        "PREPARE p AS SELECT 1 AS one", "EXECUTE p", "PREPARE p AS SELECT 2", "DEALLOCATE p", "EXECUTE p",
        "PREPARE q(int, text) AS SELECT $1 + 1 AS more, $2 || 'x' AS word", "EXECUTE q(1, 'a')", "EXECUTE q(1)",
        "EXECUTE q('x', 'y')", "PREPARE r AS SELECT $1 || 'x' AS word", "EXECUTE r('a')",
        "SELECT name, statement, parameter_types, from_sql FROM pg_prepared_statements ORDER BY name",
        "DEALLOCATE ALL", "EXECUTE q(1, 'a')", "DEALLOCATE q",
    ],
    "discarded": [
        "PREPARE p AS SELECT 1", "SET application_name = 'x'", "DISCARD ALL", "EXECUTE p", "SHOW application_name",
        "BEGIN", "DISCARD ALL", "ROLLBACK", "DISCARD PLANS", "DISCARD TEMP", "DISCARD SEQUENCES",
    ],
    "copies": [
        "COPY (SELECT 1, NULL, 'a\tb') TO STDOUT", "COPY (SELECT 1 AS one, 'a,b' AS words) TO STDOUT WITH (FORMAT csv, HEADER)",
        "COPY (SELECT 1 / 0) TO STDOUT", "COPY (SELECT 1 WHERE false) TO STDOUT", "COPY (SELECT 1) TO STDOUT; SELECT 2",
        "COPY (SELECT 258::int4) TO STDOUT WITH (FORMAT binary)", "COPY (SELECT 1) TO STDOUT WITH (FORMAT nothing)",
    ],
    "locks_and_notices": [
        "LISTEN channel", "UNLISTEN *", "SELECT pg_advisory_unlock_all()", "LOCK TABLE customer.orders IN ACCESS SHARE MODE",
        "SELECT pg_try_advisory_lock(1)", "SET CONSTRAINTS ALL DEFERRED",
    ],
    "facts": [
        "SELECT current_user = session_user, current_database() IS NULL, pg_backend_pid() > 0, inet_server_port() > 0",
        "SELECT version() LIKE 'PostgreSQL 15%'", "SELECT current_schema", "SELECT pg_is_in_recovery()",
        "SELECT has_table_privilege('customer.orders', 'SELECT'), has_table_privilege('customer.orders', 'INSERT')",
        "SELECT has_schema_privilege('customer', 'USAGE'), has_schema_privilege('customer', 'CREATE')",
        "SELECT pg_typeof(1), pg_typeof('x'::text), pg_typeof(now())", "SELECT to_regclass('nowhere') IS NULL",
        "SELECT 'customer.orders'::regclass", "SELECT 'int4'::regtype, 23::regtype, 'integer'::regtype::oid",
        "SELECT format_type(1700, 786438), format_type(25, -1), format_type(1007, NULL)", "SELECT now() = transaction_timestamp()",
        "SELECT quote_ident('A b'), quote_literal('it''s'), quote_nullable(NULL)",
    ],
    "explained": ["EXPLAIN SELECT nothing FROM customer.orders", "EXPLAIN (FORMAT nothing) SELECT 1"],
}


def connect():
    connection = raw.Connection()
    code = connection.start()
    if code != "no error":
        raise ConnectionError(code)
    return connection


def conversation(connection, statements):
    """Every statement with everything that came back."""
    return [[sql, *connection.query(sql)] for sql in statements]


@seen.check
def simple():
    answers = {}
    for name, statements in SIMPLE.items():
        with connect() as connection:
            answers[name] = seen.attempt(conversation, connection, statements)
    return answers


@seen.check
def spans(connection):
    """Spans of time, multiplied, divided and added to dates."""
    return conversation(connection, [
        "SELECT INTERVAL '1 month 3 days 04:05:06' * 2, 3 * INTERVAL '1 day', INTERVAL '1 mon' * 0.5",
        "SELECT INTERVAL '1 year 1 day' / 7, INTERVAL '-1 mon 10 days' * 1.37, INTERVAL '25:00:00' / -3",
        "SELECT DATE '2026-03-29' + INTERVAL '1 day', DATE '2026-03-31' - INTERVAL '1 mon', INTERVAL '2 hours' + DATE '2026-03-29'",
        "SELECT ordered_at + 2 * INTERVAL '1 week' FROM customer.orders ORDER BY 1",
        "SELECT INTERVAL '1000000 years' * (quantity * 1000000) FROM customer.orders",
        "SELECT INTERVAL '1 day' / (quantity - quantity) FROM customer.orders",
    ])


@seen.check
def ages(connection):
    """How far apart times are."""
    return conversation(connection, [
        "SELECT age(TIMESTAMP '2026-03-01', TIMESTAMP '2020-01-31'), age(TIMESTAMP '2020-01-31', TIMESTAMP '2026-03-01 12:00')",
        "SELECT age(TIMESTAMP '2024-02-29', TIMESTAMP '2023-03-31 23:59:59.5'), age(TIMESTAMP '2023-03-01', TIMESTAMP '2023-01-31')",
        "SELECT age(TIMESTAMPTZ '2026-03-29 12:00+02', TIMESTAMPTZ '2026-02-28 23:00+00')", "SET timezone = 'Europe/Berlin'",
        "SELECT age(TIMESTAMPTZ '2026-03-29 12:00+02', TIMESTAMPTZ '2026-02-28 23:00+00')", "SET timezone = 'UTC'",
        "SELECT age(current_date) = INTERVAL '0 days', age(NULL::timestamp, TIMESTAMP '2020-01-31') IS NULL",
        "SELECT age(ordered_at, TIMESTAMPTZ '2020-01-31 10:00+00') FROM customer.orders ORDER BY ordered_at",
    ])


@seen.check
def clocks_of_zones(connection):
    """What clocks of zones show, and when they show it."""
    return conversation(connection, [
        "SELECT timezone('Asia/Shanghai', ordered_at), ordered_at AT TIME ZONE 'Asia/Shanghai' FROM customer.orders ORDER BY 1",
        "SELECT TIMESTAMP '2026-03-29 02:30' AT TIME ZONE 'Europe/Berlin', TIMESTAMP '2026-10-25 02:30' AT TIME ZONE 'Europe/Berlin'",
        "SELECT TIMESTAMP '2026-07-01 12:00' AT TIME ZONE 'UTC' AT TIME ZONE 'America/New_York', timezone(NULL, now()) IS NULL",
        "SELECT date_trunc('day', ordered_at AT TIME ZONE 'Asia/Shanghai') AS day, count(*) FROM customer.orders GROUP BY 1 ORDER BY 1",
        "SELECT (TIMESTAMPTZ '2026-03-28 20:30+00' AT TIME ZONE 'Asia/Shanghai')::date",
    ])


@seen.check
def texts_put_together(connection):
    """Texts put into a text, and signs of numbers."""
    return conversation(connection, [
        "SELECT format('%s is %I, %L and 100%%', 'a', 'B c', 'd''e'), format('%2$s %1$s %s', 'a', 'b')",
        "SELECT format('%s|%L', NULL, NULL), format('plain'), format('%L', E'back\\slash'), format(NULL, 1) IS NULL",
        "SELECT format('%s of %s', order_id, quantity) FROM customer.orders ORDER BY 1",
        "SELECT format('%s')", "SELECT format('%x', 1)", "SELECT format('%0$s', 1)",
        "SELECT sign(-2.5::float8), sign(0::float8), sign(quantity) FROM customer.orders ORDER BY order_id",
    ])


@seen.check
def subqueries(connection):
    """Subqueries where values stand, many of which turn on the row around them."""
    return conversation(connection, [
        "SELECT order_id, (SELECT count(*) FROM customer.orders b WHERE b.store = a.store) FROM customer.orders a ORDER BY 1",
        "SELECT order_id, (SELECT max(orders.amount) FROM customer.orders) AS most FROM customer.orders ORDER BY 1",
        "SELECT (SELECT order_id FROM customer.orders)", "SELECT (SELECT order_id FROM customer.orders WHERE false)",
        "SELECT order_id FROM customer.orders a WHERE amount = (SELECT max(amount) FROM customer.orders b WHERE b.store = a.store) ORDER BY 1",
        "SELECT relname, (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0) FROM pg_class c WHERE relname = 'orders'",
    ])


@seen.check
def statuses():
    """What is told at the start, and when it changes."""
    names = [
        "application_name", "client_encoding", "DateStyle", "default_transaction_read_only", "in_hot_standby",
        "integer_datetimes", "IntervalStyle", "is_superuser", "server_encoding", "standard_conforming_strings", "TimeZone",
    ]
    with raw.Connection() as connection:
        code = connection.start(
            application_name="told", DateStyle="SQL, DMY", TimeZone="Asia/Tokyo", options="-c intervalstyle=iso_8601"
        )
        answers = {"code": code, "start": {name: connection.statuses.get(name) for name in names}}
        answers["changes"] = conversation(connection, [
            "SET application_name = 'other'", "SET timezone = 'UTC'", "SET datestyle = 'ISO'", "SET client_encoding = 'LATIN1'",
            "SELECT 'é'", "RESET ALL", "SET application_name = 'other'; RESET application_name",
            "BEGIN; SET timezone = 'Asia/Tokyo'; ROLLBACK",
        ])
    return answers


@seen.check
def described(connection):
    """Statements and the types of their parameters."""
    sqls = {
        "orders": "SELECT order_id, amount, ordered_at FROM customer.orders WHERE amount > $1 AND store = $2 LIMIT $3",
        "kinds": "SELECT * FROM customer.kinds",
        "literals": seen.LITERALS,
        "totals": seen.TOTALS,
        "sum": "SELECT $1 + 1, $2 || 'x', $3::date, $4",
        "compared": "SELECT 1 FROM customer.orders WHERE ordered_at BETWEEN $1 AND $2 AND quantity = ANY($3)",
        "show": "SHOW search_path",
        "set": "SET application_name = 'x'",
        "begin": "BEGIN",
        "empty": "",
        "copy": "COPY (SELECT 1) TO STDOUT",
        "explain": "EXPLAIN SELECT 1",
        "fetch": "FETCH 1 FROM nowhere",
        "syntax": "SELEC",
        "table": "SELECT * FROM nowhere",
        "two": "SELECT 1; SELECT 2",
    }
    answers = {name: connection.extended(parse(sql), describe("S")) for name, sql in sqls.items()}
    answers["given"] = connection.extended(
        parse("SELECT $1, $2, $3", types=(INT8, TEXT, TIMESTAMPTZ)), describe("S")
    )
    answers["given_partly"] = connection.extended(parse("SELECT $1, $2 + 1", types=(NUMERIC,)), describe("S"))
    answers["contradicting"] = connection.extended(parse("SELECT $1 + 1, $1 || 'x'"), describe("S"))
    answers["gap"] = connection.extended(parse("SELECT $2::int"), describe("S"))
    return answers


@seen.check
def bound(connection):
    """Formats of parameters and of results."""
    sql = "SELECT $1::int4 AS n, $2::text AS word, $3::numeric AS exact"
    number = struct.pack("!i", 258)
    run = (describe("P"), execute())
    return {
        "texts": connection.extended(parse(sql), bind("7", "a", "1.50"), *run),
        "nulls": connection.extended(parse(sql), bind(None, None, None), *run),
        "binary_results": connection.extended(parse(sql), bind("7", "a", "1.50", results=(1,)), *run),
        "mixed_results": connection.extended(parse(sql), bind("7", "a", "1.50", results=(1, 0, 1)), *run),
        "binary_parameter": connection.extended(
            parse(sql), bind(number, "a", "1.50", formats=(1, 0, 0)), *run
        ),
        "too_few": connection.extended(parse(sql), bind("7"), *run),
        "too_many_formats": connection.extended(parse(sql), bind("7", "a", "1", formats=(0, 0)), *run),
        "too_many_results": connection.extended(parse(sql), bind("7", "a", "1", results=(0, 0)), *run),
        "bad_text": connection.extended(parse(sql), bind("x", "a", "1"), *run),
        "bad_binary": connection.extended(parse(sql), bind(b"\1", "a", "1", formats=(1, 0, 0)), *run),
        "zero_byte": connection.extended(parse("SELECT $1::text"), bind(b"a\0b"), *run),
        "bad_utf8": connection.extended(parse("SELECT $1::text"), bind(b"\xff"), *run),
    }


@seen.check
def suspended(connection):
    """Portals that are read by parts."""
    answers = {
        "in_transaction": [
            connection.query("BEGIN"),
            connection.extended(parse(SERIES), bind(portal="p"), execute("p", 2)),
            connection.extended(execute("p", 2)),
            connection.extended(describe("P", "p"), execute("p", 2)),
            connection.extended(execute("p", 2)),
            connection.extended(close("P", "p"), close("P", "p")),
            connection.extended(execute("p")),
            connection.query("ROLLBACK"),
        ],
        "exactly": [
            connection.query("BEGIN"),
            connection.extended(parse(SERIES), bind(portal="p"), execute("p", 5)),
            connection.extended(execute("p", 5)),
            connection.query("COMMIT"),
        ],
        "without_transaction": [
            connection.extended(parse(SERIES), bind(), execute("", 2), execute("", 2), execute("", 2)),
            connection.extended(execute("", 2)),
        ],
        "two_at_once": [
            connection.query("BEGIN"),
            connection.extended(parse(SERIES, "s"), bind(portal="a", name="s"), bind(portal="b", name="s")),
            connection.extended(execute("a", 1), execute("b", 2), execute("a", 1), execute("b", 2)),
            connection.extended(bind(portal="a", name="s")),
            connection.query("ROLLBACK"),
            connection.extended(execute("b", 1)),
        ],
        "by_fetch": [
            connection.query("BEGIN"),
            connection.extended(parse(SERIES), bind(portal="p"), execute("p", 1)),
            connection.query("FETCH 2 FROM p"),
            connection.query("CLOSE p"),
            connection.query("COMMIT"),
        ],
        "of_show": connection.extended(parse("SHOW search_path"), bind(), describe("P"), execute("", 1)),
    }
    return answers


@seen.check
def named(connection):
    """Statements with names: kept, freed, not to be made twice."""
    return [
        connection.extended(parse("SELECT 1 AS one", "s")),
        connection.extended(parse("SELECT 2 AS two", "s")),
        connection.extended(bind(name="s"), execute()),
        connection.query("EXECUTE s"),
        connection.query("SELECT 1"),
        connection.extended(bind(name="s"), execute()),
        connection.extended(close("S", "s"), close("S", "s"), close("S", "nowhere")),
        connection.extended(bind(name="s"), execute()),
        connection.query("PREPARE t AS SELECT 3 AS three"),
        connection.extended(describe("S", "t"), bind(name="t"), execute()),
        connection.query("DEALLOCATE t"),
        connection.extended(describe("S", "t")),
        connection.extended(parse("SELECT 4")),
        connection.query("SELECT 5"),
        connection.extended(bind(), execute()),
    ]


@seen.check
def pipelined(connection):
    """Several statements before a Sync, and what an error does to those after it."""
    one, fails, three = parse("SELECT 1"), parse(FAILS), parse("SELECT 3")
    run = (bind(), execute())
    return {
        "all": connection.extended(one, *run, three, *run),
        "error": connection.extended(one, *run, fails, *run, three, *run),
        "after": connection.extended(three, *run),
        "transaction": connection.extended(
            parse("BEGIN"), *run, one, *run, parse("COMMIT"), *run
        ),
        "left_open": connection.extended(parse("BEGIN"), *run, one, *run),
        "failed": connection.extended(fails, *run),
        "refused": connection.extended(one, *run),
        "allowed": connection.extended(parse("ROLLBACK"), *run),
        "empty": connection.extended(parse(""), bind(), describe("P"), execute()),
        "syncs": connection.extended(message(b"S"))
        + connection.until_ready(),
    }


@seen.check
def flushed(connection):
    """Answers come on Flush, before any Sync."""
    connection.send_all(parse("SELECT 1 AS one"), describe("S"), raw.FLUSH)
    early = [raw.told(*connection.receive()) for _ in range(3)]
    return {"early": early, "then": connection.extended(bind(), execute())}


@seen.check
def copied(connection):
    """COPY in the extended protocol, and into a table."""
    answers = {
        "out": connection.extended(parse("COPY (SELECT 1, 'a') TO STDOUT"), bind(), describe("P"), execute()),
        "in": connection.query("COPY customer.orders (order_id) FROM STDIN"),
    }
    if answers["in"][-1][0] == "CopyIn":
        connection.send(b"f", raw.cstring("no"))
        answers["refused"] = connection.until_ready()
    answers["alive"] = connection.query("SELECT 1")
    return answers


@seen.check
def stray_messages(connection):
    """Data of a COPY that nobody began is passed over."""
    connection.send(b"d", b"stray")
    connection.send(b"c")
    return {"alive": connection.query("SELECT 1")}


@seen.check
def unknown_message(connection):
    connection.send(b"@", b"")
    answers = []
    try:
        while True:
            answers.append(raw.told(*connection.receive()))
    except OSError:
        answers.append("closed")
    return answers


@seen.check
def cut_off(connection):
    """A connection that ends in the middle of a message harms nobody."""
    connection.socket.sendall(b"Q\0\0\1\0SELECT")
    connection.socket.close()
    time.sleep(0.1)
    with connect() as other:
        return other.query("SELECT 1")


if __name__ == "__main__":
    seen.tell(connect)
