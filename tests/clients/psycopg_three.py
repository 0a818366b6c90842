"""psycopg 3: text and binary, server cursors, COPY, pipelines, prepared statements, parameters."""

import datetime
import decimal
import sys
import threading
import time
import uuid

import psycopg
import psycopg.rows
import psycopg.types.composite
import psycopg.types.enum
import psycopg.types.json
import psycopg.types.range

import seen

VALUES = {
    "none": None,
    "true": True,
    "int": 7,
    "small": -32768,
    "big": 2**40,
    "huge": 2**70,
    "float": 1.5,
    "nan": float("nan"),
    "decimal": decimal.Decimal("12.340"),
    "small_decimal": decimal.Decimal("1E-7"),
    "text": "it's 茶 🍵 \\ %s",
    "empty": "",
    "bytes": b"\x00\xff",
    "date": datetime.date(2026, 3, 29),
    "time": datetime.time(8, 9, 10, 500000),
    "datetime": datetime.datetime(2026, 3, 29, 2, 30, 0, 123456),
    "aware": datetime.datetime(2026, 3, 29, 2, 30, tzinfo=datetime.timezone.utc),
    "timedelta": datetime.timedelta(days=-1, seconds=5, microseconds=7),
    "uuid": uuid.UUID("7f3a0000-0000-4000-8000-000000000001"),
    "ints": [1, 2, None],
    "bigs": [1, 2**40],
    "texts": ["a", None, "b c", 'q"\\'],
    "decimals": [decimal.Decimal("1.5"), decimal.Decimal("2")],
    "dates": [datetime.date(2026, 3, 29), None],
    "nested": [[1, 2], [3, 4]],
    "no_items": [],
    "json": psycopg.types.json.Json({"a": [1, None, "茶"]}),
    "jsonb": psycopg.types.json.Jsonb({"a": [1, None, "茶"]}),
}


def connect(**more):
    return psycopg.connect("", **more)


def columns(cursor):
    """What the cursor says of its columns."""
    return [
        [part.name, part.type_code, part.type_display, part.internal_size, part.precision, part.scale]
        for part in cursor.description
    ]


def select(connection, sql, parameters=None, **named):
    cursor = connection.execute(sql, parameters, **named)
    return {"columns": columns(cursor), "rows": seen.rows(cursor), "tag": cursor.statusmessage}


@seen.check
def kinds_text(connection):
    return select(connection, seen.KINDS)


@seen.check
def kinds_binary(connection):
    return select(connection, seen.KINDS, binary=True)


@seen.check
def kinds_columns(connection):
    """Each alone, so that what one column cannot do hides nothing of the others."""
    connection.autocommit = True
    sql = "SELECT {} FROM customer.kinds ORDER BY whole NULLS LAST"
    return {
        f"{name}{'_binary' if binary else ''}": seen.attempt(
            select, connection, sql.format(name), binary=binary
        )
        for name in seen.KINDS_COLUMNS
        for binary in (False, True)
    }


@seen.check
def literals_text(connection):
    return select(connection, seen.LITERALS)


@seen.check
def literals_binary(connection):
    return select(connection, seen.LITERALS, binary=True)


@seen.check
def orders_text(connection):
    return select(connection, seen.ORDERS)


@seen.check
def orders_binary(connection):
    return select(connection, seen.ORDERS, binary=True)


@seen.check
def totals_binary(connection):
    return select(connection, seen.TOTALS, binary=True)


def echoes(connection, placeholder, cast=""):
    return {
        name: seen.attempt(select, connection, f"SELECT {placeholder}{cast} AS it", (value,))
        for name, value in VALUES.items()
    }


@seen.check
def parameters_text(connection):
    connection.autocommit = True
    return echoes(connection, "%t")


@seen.check
def parameters_binary(connection):
    connection.autocommit = True
    return echoes(connection, "%b")


@seen.check
def parameters_chosen(connection):
    connection.autocommit = True
    return echoes(connection, "%s")


@seen.check
def parameters_in_client(connection):
    """Written into the text, as `ClientCursor` does."""
    connection.autocommit = True
    connection.cursor_factory = psycopg.ClientCursor
    return echoes(connection, "%s")


@seen.check
def filters(connection):
    """Parameters whose types the server has to find out."""
    connection.autocommit = True
    instant = datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc)
    where = {
        "amount > %s": [decimal.Decimal("3.00")],
        "amount > %s AND amount < 1000000": ["3.00"],
        "quantity = %s": [1],
        "quantity <= %s + 1": [1],
        "quantity = ANY(%s)": [[1, 2, 3]],
        "store = %s": ["berlin"],
        "store = ANY(%s)": [["berlin", None]],
        "store IS NOT DISTINCT FROM %s": [None],
        "store LIKE %s": ["b%"],
        "store ILIKE %s OR category ~ %s": ["B%", "^to"],
        "ordered_at < %s": [instant],
        "ordered_at < %s AND quantity > %s": [instant.date(), 0],
        "ordered_at BETWEEN %s AND %s + interval '1 day'": [datetime.datetime(2000, 1, 1), instant],
        "ordered_at::date < %s": [datetime.date(2100, 1, 1)],
        "amount * %s > 10": [2],
        "amount * %s > 11": [1.5],
        "(store, category) = (%s, %s)": ["berlin", "toys"],
        "coalesce(store, %s) = 'none'": ["none"],
        "CASE WHEN %s THEN quantity > 1 ELSE true END": [True],
        "length(order_id) = %s": [2],
        "quantity IN (%s, %s, NULL)": [1, 2],
    }
    return {
        condition: seen.attempt(
            select, connection, f"SELECT count(*) FROM customer.orders WHERE {condition}", values
        )
        for condition, values in where.items()
    }


@seen.check
def limits(connection):
    sql = "SELECT order_id FROM customer.orders ORDER BY order_id LIMIT %s OFFSET %s"
    return [select(connection, sql, (2, 1)), select(connection, sql, (None, 0))["tag"] != ""]


@seen.check
def many(connection):
    cursor = connection.cursor()
    cursor.executemany("SELECT %s::int * 2 AS twice", [(1,), (2,), (3,)], returning=True)
    found = [seen.rows(cursor)]
    while cursor.nextset():
        found.append(seen.rows(cursor))
    return found


@seen.check
def several_statements(connection):
    cursor = connection.execute("SELECT 1 AS one; SELECT 'a' AS a, 2 AS two; SHOW search_path")
    found = [(columns(cursor), seen.rows(cursor))]
    while cursor.nextset():
        found.append((columns(cursor), seen.rows(cursor)))
    return found


@seen.check
def prepared(connection):
    sql = "SELECT count(*) AS n FROM customer.orders WHERE amount > %s"
    found = [
        select(connection, sql, (decimal.Decimal(floor),), prepare=True)["rows"] for floor in (1, 2, 3)
    ]
    held = seen.attempt(
        select,
        connection,
        "SELECT statement, parameter_types::text, from_sql FROM pg_prepared_statements",
    )
    return {"found": found, "held": held}


@seen.check
def prepared_by_itself(connection):
    connection.prepare_threshold = 2
    connection.prepared_max = 2
    sql = "SELECT %s::text || order_id AS id FROM customer.orders ORDER BY order_id LIMIT 1"
    found = [select(connection, sql, (str(number),))["rows"] for number in range(5)]
    others = [
        connection.execute(f"SELECT {number} + %s", (1,), prepare=True).fetchone()
        for number in range(5)
    ]
    return {"found": found, "others": others}


@seen.check
def pipeline(connection):
    connection.autocommit = True
    with connection.pipeline() as pipe:
        cursors = [connection.execute("SELECT %s::int AS n", (number,)) for number in range(5)]
        pipe.sync()
        more = connection.execute("SELECT order_id FROM customer.orders ORDER BY 1 LIMIT 2")
        found = [cursor.fetchall() for cursor in cursors]
        found.append(more.fetchall())
    return found


@seen.check
def pipeline_with_an_error(connection):
    """At which of the calls the error is raised depends on what has arrived by then."""
    connection.autocommit = True

    def fail():
        with connection.pipeline() as pipe:
            for sql in ("SELECT 1", "SELECT 1 / 0", "SELECT 3"):
                connection.execute(sql)
            pipe.sync()

    return {"failure": seen.attempt(fail), "alive": connection.execute("SELECT 4").fetchall()}


@seen.check
def server_cursor(connection):
    with connection.cursor("by_parts") as cursor:
        cursor.itersize = 2
        cursor.execute("SELECT n FROM generate_series(1, %s) AS n ORDER BY n", (5,))
        return {
            "columns": columns(cursor),
            "one": cursor.fetchone(),
            "many": cursor.fetchmany(2),
            "rest": [row[0] for row in cursor],
        }


@seen.check
def server_cursor_binary(connection):
    with connection.cursor("by_parts", binary=True) as cursor:
        cursor.execute(seen.KINDS)
        return seen.rows(cursor.fetchall())


@seen.check
def server_cursor_scrolled(connection):
    with connection.cursor("back_and_forth", scrollable=True) as cursor:
        cursor.execute("SELECT n FROM generate_series(1, 5) AS n ORDER BY n")
        first = cursor.fetchmany(3)
        cursor.scroll(-2)
        again = cursor.fetchone()
        cursor.scroll(4, mode="absolute")
        return {"first": first, "again": again, "last": cursor.fetchall()}


@seen.check
def server_cursor_held(connection):
    cursor = connection.cursor("held", withhold=True)
    cursor.execute(seen.ORDERS)
    connection.commit()
    found = seen.rows(cursor.fetchall())
    cursor.close()
    return found


@seen.check
def stream(connection):
    cursor = connection.cursor()
    return [row[0] for row in cursor.stream("SELECT n FROM generate_series(1, 5) AS n ORDER BY n")]


@seen.check
def stream_by_parts(connection):
    cursor = connection.cursor()
    sql = f"SELECT order_id FROM ({seen.ORDERS}) AS o ORDER BY order_id"
    return seen.rows(cursor.stream(sql, size=2)) if psycopg.pq.version() >= 170000 else "old libpq"


@seen.check
def copy_text(connection):
    return copied(connection, "")


@seen.check
def copy_csv(connection):
    return copied(connection, "WITH (FORMAT csv, HEADER)")


@seen.check
def copy_binary(connection):
    return copied(connection, "WITH (FORMAT binary)")


def copied(connection, options):
    connection.autocommit = True

    def bytes_of(sql):
        with connection.cursor().copy(f"COPY ({sql}) TO STDOUT {options}") as copy:
            return b"".join(copy).hex()

    literals = seen.LITERALS.replace(", NULL AS nothing", "")
    return {
        "kinds": seen.attempt(bytes_of, seen.KINDS),
        "orders": seen.attempt(bytes_of, seen.ORDERS),
        "literals": seen.attempt(bytes_of, literals),
        "empty": seen.attempt(bytes_of, "SELECT 1 AS one WHERE false"),
        "error_at_the_end": seen.attempt(bytes_of, "SELECT 1 / (3 - n) FROM generate_series(1, 3) AS n"),
    }


@seen.check
def copy_rows(connection):
    types = ["text", "numeric", "timestamptz"]
    sql = "COPY (SELECT order_id, amount, ordered_at FROM customer.orders ORDER BY 1 LIMIT 3) TO STDOUT"
    found = {}
    for name, options in {"text": "", "binary": "WITH (FORMAT binary)"}.items():
        with connection.cursor().copy(f"{sql} {options}") as copy:
            copy.set_types(types)
            found[name] = seen.rows(copy.rows())
    return found


@seen.check
def copy_with_parameters(connection):
    sql = "COPY (SELECT count(*) FROM customer.orders WHERE quantity > %s) TO STDOUT"
    with connection.cursor().copy(sql, (1,)) as copy:
        return seen.rows(copy.rows())


@seen.check
def copy_refused(connection):
    connection.autocommit = True

    def into():
        with connection.cursor().copy("COPY customer.orders (order_id) FROM STDIN") as copy:
            copy.write_row(("x",))

    def out_of_view():
        with connection.cursor().copy("COPY customer.orders TO STDOUT") as copy:
            return b"".join(copy).hex()

    return {"into": seen.attempt(into), "view": seen.attempt(out_of_view)}


@seen.check
def transactions(connection):
    def state():
        return connection.info.transaction_status.name

    states = [state()]
    with connection.transaction():
        states.append(state())
        inner = seen.attempt(fail_inside, connection)
        states.append(state())
        alive = connection.execute("SELECT 1").fetchall()
    states.append(state())
    return {"states": states, "inner": inner, "alive": alive}


def fail_inside(connection):
    with connection.transaction():
        connection.execute("SELECT 1 / 0")


@seen.check
def characteristics(connection):
    connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
    connection.read_only = True
    connection.deferrable = True
    shown = [
        connection.execute(f"SHOW transaction_{name}").fetchall()
        for name in ("isolation", "read_only", "deferrable")
    ]
    connection.rollback()
    return shown


@seen.check
def settings_told(connection):
    connection.execute("SET application_name = 'told'; SET timezone = 'Asia/Shanghai'")
    names = [
        "client_encoding", "server_encoding", "DateStyle", "IntervalStyle", "TimeZone",
        "integer_datetimes", "standard_conforming_strings", "is_superuser", "application_name",
        "in_hot_standby", "default_transaction_read_only",
    ]
    return {
        "settings": {name: connection.info.parameter_status(name) for name in names},
        "instant": select(connection, "SELECT TIMESTAMPTZ '2026-03-29 02:30:00+02' AS instant"),
        "encoding": connection.info.encoding,
    }


@seen.check
def options_at_start():
    options = "-c timezone=Asia/Tokyo -c extra_float_digits=0 -c search_path=pg_catalog"
    connection = connect(options=options, application_name="started", autocommit=True)
    with connection:
        names = ["timezone", "extra_float_digits", "search_path", "application_name"]
        return [connection.execute(f"SHOW {name}").fetchall() for name in names]


@seen.check
def other_encodings(connection):
    connection.autocommit = True
    answers = {}
    for name in ("latin1", "gb18030", "sql_ascii"):
        answers[name] = seen.attempt(encoded, connection, name)
    return answers


def encoded(connection, name):
    connection.execute(f"SET client_encoding = '{name}'")
    return select(connection, "SELECT 'é' AS letter")


@seen.check
def types_by_name(connection):
    connection.autocommit = True

    def found(kind, name):
        info = kind.fetch(connection, name)
        return info and [info.name, info.oid, info.array_oid, info.regtype]

    answers = {
        name: seen.attempt(found, psycopg.types.TypeInfo, name)
        for name in ("text", "numeric", "timestamptz", "int8[]", "nothing_like_this")
    }
    answers["range"] = seen.attempt(found, psycopg.types.range.RangeInfo, "int4range")
    answers["enum"] = seen.attempt(found, psycopg.types.enum.EnumInfo, "nothing_like_this")

    def composite():
        info = psycopg.types.composite.CompositeInfo.fetch(connection, "customer.orders")
        return info and [info.name, info.field_names, info.field_types]

    answers["composite"] = seen.attempt(composite)
    return answers


@seen.check
def whole_rows(connection):
    return select(connection, f"SELECT count(o)::int FROM ({seen.ORDERS}) AS o")


@seen.check
def row_factories(connection):
    cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
    return [seen.typed(row) for row in cursor.execute(seen.ORDERS)]


@seen.check
def cancelled(connection):
    def cancel():
        time.sleep(0.5)
        connection.cancel_safe()

    thread = threading.Thread(target=cancel)
    thread.start()
    failure = seen.attempt(connection.execute, seen.ENDLESS)
    thread.join()
    connection.rollback()
    return {"failure": failure, "alive": connection.execute("SELECT 1").fetchall()}


if __name__ == "__main__":
    seen.tell(connect)
