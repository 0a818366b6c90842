"""psycopg 2: parameters written into the text, named cursors, COPY, cancelling."""

import datetime
import decimal
import io
import threading
import time
import uuid

import psycopg2
import psycopg2.extensions
import psycopg2.extras

import seen

VALUES = [
    None,
    True,
    7,
    2**40,
    1.5,
    float("nan"),
    decimal.Decimal("12.340"),
    "it's 茶 \\ %s",
    b"\x00\xff",
    datetime.date(2026, 3, 29),
    datetime.time(8, 9, 10, 500000),
    datetime.datetime(2026, 3, 29, 2, 30),
    datetime.datetime(2026, 3, 29, 2, 30, tzinfo=datetime.timezone.utc),
    datetime.timedelta(days=-1, seconds=5),
    [1, 2, None],
    ["a", None, "b c"],
    [],
]


def connect():
    psycopg2.extras.register_uuid()
    return psycopg2.connect("")


def columns(cursor):
    """What the cursor says of its columns; the width of a type is the server's word, too."""
    return [
        [part.name, part.type_code, part.internal_size, part.precision, part.scale]
        for part in cursor.description
    ]


def select(connection, sql, *arguments):
    cursor = connection.cursor()
    cursor.execute(sql, *arguments)
    return {"columns": columns(cursor), "rows": seen.rows(cursor.fetchall()), "tag": cursor.statusmessage}


@seen.check
def kinds(connection):
    return select(connection, seen.KINDS)


@seen.check
def literals(connection):
    return select(connection, seen.LITERALS)


@seen.check
def orders(connection):
    return select(connection, seen.ORDERS)


@seen.check
def totals(connection):
    return select(connection, seen.TOTALS)


@seen.check
def parameters(connection):
    connection.autocommit = True
    return [seen.attempt(select, connection, "SELECT %s AS it", (value,)) for value in VALUES]


@seen.check
def more_parameters(connection):
    found = select(
        connection,
        "SELECT order_id, amount FROM customer.orders WHERE amount >= %(floor)s AND currency IN %(in)s "
        "AND ordered_at < %(until)s AND order_id LIKE '%%1' ORDER BY order_id LIMIT 3",
        {
            "floor": decimal.Decimal("1.50"),
            "in": ("EUR", "USD"),
            "until": datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc),
        },
    )
    number = uuid.UUID("7f3a0000-0000-4000-8000-000000000001")
    return [found, select(connection, "SELECT %s AS id, %s AS ids", (number, [number]))]


@seen.check
def execute_values(connection):
    cursor = connection.cursor()
    sql = "SELECT * FROM (VALUES %s) AS given(number, word) ORDER BY number"
    return seen.rows(
        psycopg2.extras.execute_values(cursor, sql, [(2, "b"), (1, "a"), (3, None)], fetch=True)
    )


@seen.check
def named_cursor(connection):
    cursor = connection.cursor("by_parts")
    cursor.itersize = 2
    cursor.execute("SELECT n FROM generate_series(1, 5) AS n ORDER BY n")
    return {
        "one": cursor.fetchone(),
        "many": cursor.fetchmany(2),
        "rest": [row[0] for row in cursor],
    }


@seen.check
def scrollable_cursor(connection):
    cursor = connection.cursor("back_and_forth", scrollable=True)
    cursor.execute("SELECT n FROM generate_series(1, 5) AS n ORDER BY n")
    first = cursor.fetchmany(3)
    cursor.scroll(-2)
    again = cursor.fetchone()
    cursor.scroll(0, mode="absolute")
    return {"first": first, "again": again, "all": cursor.fetchall()}


@seen.check
def held_cursor(connection):
    cursor = connection.cursor("held", withhold=True)
    cursor.execute(f"SELECT order_id FROM ({seen.ORDERS}) AS o ORDER BY order_id")
    connection.commit()
    found = seen.rows(cursor.fetchall())
    cursor.close()
    return found


@seen.check
def copy(connection):
    answers = {}
    for name, sql in {
        "text": f"COPY ({seen.KINDS}) TO STDOUT",
        "csv": f"COPY ({seen.KINDS}) TO STDOUT WITH (FORMAT csv, HEADER true)",
        "binary": f"COPY ({seen.KINDS}) TO STDOUT WITH (FORMAT binary)",
        "view": "COPY customer.orders TO STDOUT",
    }.items():
        out = io.BytesIO()
        connection.rollback()
        failed = seen.attempt(connection.cursor().copy_expert, sql, out)
        answers[name] = failed or out.getvalue().hex()
    return answers


@seen.check
def transactions(connection):
    states = [connection.info.transaction_status]
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    states.append(connection.info.transaction_status)
    failure = seen.attempt(cursor.execute, "SELECT 1 / 0")
    states.append(connection.info.transaction_status)
    aborted = seen.attempt(cursor.execute, "SELECT 1")
    connection.rollback()
    states.append(connection.info.transaction_status)
    return {"states": states, "failure": failure, "aborted": aborted}


@seen.check
def sessions(connection):
    connection.set_session(isolation_level="SERIALIZABLE", readonly=True, deferrable=True)
    cursor = connection.cursor()
    cursor.execute("SHOW transaction_isolation")
    isolation = cursor.fetchall()
    cursor.execute("SHOW transaction_read_only")
    read_only = cursor.fetchall()
    connection.rollback()
    return {
        "isolation": isolation,
        "read_only": read_only,
        "encoding": connection.encoding,
        "parameters": {
            name: connection.info.parameter_status(name)
            for name in (
                "client_encoding", "server_encoding", "DateStyle", "IntervalStyle", "TimeZone",
                "integer_datetimes", "standard_conforming_strings", "is_superuser",
                "application_name", "default_transaction_read_only",
            )
        },
    }


@seen.check
def two_phases(connection):
    connection.tpc_begin(connection.xid(1, "one", "two"))
    connection.cursor().execute("SELECT 1")
    return seen.attempt(connection.tpc_prepare)


@seen.check
def cancelled(connection):
    cursor = connection.cursor()

    def cancel():
        time.sleep(0.5)
        connection.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    failure = seen.attempt(cursor.execute, seen.ENDLESS)
    thread.join()
    connection.rollback()
    return {"failure": failure, "alive": select(connection, "SELECT 1 AS one")["rows"]}


@seen.check
def dictionaries(connection):
    cursor = connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor)
    cursor.execute(seen.ORDERS)
    return [seen.typed(dict(row)) for row in cursor]


@seen.check
def json_values(connection):
    return select(
        connection,
        "SELECT %s::json AS document, %s::jsonb AS binary",
        (psycopg2.extras.Json({"a": [1, None]}), psycopg2.extras.Json({"b": "茶"})),
    )


if __name__ == "__main__":
    seen.tell(connect)
