"""pg8000: a client in pure Python, by its own interface and by the one that all share."""

import datetime
import decimal
import io
import uuid

import pg8000.dbapi
import pg8000.native

import seen

VALUES = [
    None, True, 7, 2**40, 1.5, decimal.Decimal("12.340"), "it's 茶 🍵 \\", b"\x00\xff",
    datetime.date(2026, 3, 29), datetime.time(8, 9, 10, 500000),
    datetime.datetime(2026, 3, 29, 2, 30),
    datetime.datetime(2026, 3, 29, 2, 30, tzinfo=datetime.timezone.utc),
    datetime.timedelta(days=-1, seconds=5), uuid.UUID("7f3a0000-0000-4000-8000-000000000001"),
    [1, 2, None], ["a", None, "b c"], [decimal.Decimal("1.5")],
]

# The placeholder of this package's shared interface.
pg8000.dbapi.paramstyle = "format"


def settings():
    return {
        "user": seen.setting("PGUSER"),
        "password": seen.setting("PGPASSWORD"),
        "host": seen.setting("PGHOST"),
        "port": int(seen.setting("PGPORT", "5432")),
        "database": seen.setting("PGDATABASE"),
        "ssl_context": seen.wants_tls() or None,
        "application_name": "pg8000",
    }


def connect():
    return pg8000.native.Connection(**settings())


def columns(connection):
    return [[part["name"], part["type_oid"], part["type_size"], part["type_modifier"], part["format"]]
            for part in connection.columns or []]


def select(connection, sql, **parameters):
    found = connection.run(sql, **parameters)
    return {"columns": columns(connection), "rows": seen.rows(found or []), "count": connection.row_count}


@seen.check
def kinds(connection):
    return select(connection, seen.KINDS)


@seen.check
def kinds_columns(connection):
    sql = "SELECT {} FROM customer.kinds ORDER BY whole NULLS LAST"
    return {
        name: seen.attempt(select, connection, sql.format(name)) for name in seen.KINDS_COLUMNS
    }


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
    answers = []
    for value in VALUES:
        name = "text" if value is None or isinstance(value, str) else None
        cast = f"CAST(:v AS {name})" if name else ":v"
        answers.append(seen.attempt(select, connection, f"SELECT {cast} AS it", v=value))
    return answers


@seen.check
def filters(connection):
    return select(
        connection,
        "SELECT count(*) FROM customer.orders WHERE amount > :floor AND quantity = ANY(:quantities) "
        "AND ordered_at < :until",
        floor=decimal.Decimal("1.50"),
        quantities=[1, 2, 3],
        until=datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc),
    )


@seen.check
def prepared(connection):
    statement = connection.prepare("SELECT CAST(:n AS int) * 2 AS twice")
    found = [statement.run(n=number) for number in (1, 2, 3)]
    statement.close()
    return found


@seen.check
def copy(connection):
    out = io.BytesIO()
    connection.run(f"COPY ({seen.KINDS}) TO STDOUT WITH (FORMAT csv, HEADER)", stream=out)
    return out.getvalue().decode().splitlines()


@seen.check
def copy_refused(connection):
    given = io.BytesIO(b"x\n")
    return seen.attempt(connection.run, "COPY customer.orders (order_id) FROM STDIN", stream=given)


@seen.check
def several_statements(connection):
    return seen.rows(connection.run("SELECT 1 AS one; SELECT 2 AS two"))


@seen.check
def transactions(connection):
    connection.run("START TRANSACTION")
    failure = seen.attempt(connection.run, "SELECT 1 / 0")
    aborted = seen.attempt(connection.run, "SELECT 1")
    connection.run("ROLLBACK")
    connection.run("START TRANSACTION")
    seen.attempt(connection.run, "SELECT 1 / 0")
    # Its own check: a commit that became a rollback is told as an error.
    commit = seen.attempt(connection.run, "COMMIT")
    return {"failure": failure, "aborted": aborted, "commit": commit, "alive": connection.run("SELECT 1")}


@seen.check
def statuses(connection):
    names = ["client_encoding", "server_encoding", "DateStyle", "IntervalStyle", "TimeZone",
             "integer_datetimes", "standard_conforming_strings", "application_name"]
    return {name: seen.typed(connection.parameter_statuses.get(name)) for name in names}


@seen.check
def cursors():
    connection = pg8000.dbapi.connect(**settings())
    cursor = connection.cursor()
    cursor.execute("SELECT order_id, amount FROM customer.orders WHERE amount > %s ORDER BY 1 LIMIT 3",
                   (decimal.Decimal("1.50"),))
    described = [list(part[:2]) for part in cursor.description]
    found = {"columns": described, "one": seen.typed(cursor.fetchone()), "rest": seen.rows(cursor.fetchall())}
    cursor.executemany("SELECT %s", [(1,), (2,)])
    found["count"] = cursor.rowcount
    connection.rollback()
    connection.tpc_begin(connection.xid(1, "one", "two"))
    found["two_phases"] = seen.attempt(connection.tpc_prepare)
    connection.close()
    return found


if __name__ == "__main__":
    seen.tell(connect)
