"""psqlODBC by way of pyodbc: catalog functions, types, parameters, cursors."""

import datetime
import decimal
import glob
import os
import sys
import uuid

import pyodbc

import seen

VALUES = [
    None, True, 7, 2**40, 1.5, decimal.Decimal("12.340"), "it's 茶 🍵", "", b"\x00\xff",
    datetime.date(2026, 3, 29), datetime.time(8, 9, 10), datetime.datetime(2026, 3, 29, 2, 30, 0, 123000),
    uuid.UUID("7f3a0000-0000-4000-8000-000000000001"),
]

DRIVERS = [
    "/usr/lib/*/odbc/psqlodbcw.so", "/usr/lib64/psqlodbcw.so", "/usr/lib/psqlodbcw.so",
    "/usr/local/lib/psqlodbcw.so", "/opt/homebrew/lib/psqlodbcw.so",
]


def driver():
    """The driver's library: it need not be registered."""
    given = os.environ.get("PSQLODBC")
    found = [given] if given else [path for pattern in DRIVERS for path in glob.glob(pattern)]
    if not found:
        sys.exit("psqlodbcw.so is not installed: `apt-get install odbc-postgresql`")
    return found[0]


def connect(**more):
    settings = {
        "DRIVER": driver(),
        "SERVER": seen.setting("PGHOST"),
        "PORT": seen.setting("PGPORT", "5432"),
        "DATABASE": seen.setting("PGDATABASE"),
        "UID": seen.setting("PGUSER"),
        "PWD": "{" + seen.setting("PGPASSWORD").replace("}", "}}") + "}",
        "SSLMODE": os.environ.get("PGSSLMODE", "prefer"),
        **more,
    }
    text = ";".join(f"{name}={value}" for name, value in settings.items())
    return pyodbc.connect(text, timeout=30)


def columns(cursor):
    """What the driver says of the columns."""
    return [[part[0], part[1].__name__, *part[3:]] for part in cursor.description]


def failed_by(function, *arguments):
    """What it returns, or the state that ODBC gives."""
    try:
        return function(*arguments)
    except pyodbc.Error as error:
        return {"error": type(error).__name__, "sqlstate": error.args[0]}


def select(connection, sql, *parameters):
    cursor = connection.cursor()
    cursor.execute(sql, *parameters)
    return {"columns": columns(cursor), "rows": seen.rows(cursor.fetchall())}


def told(cursor, without=()):
    """What a catalog function returns, but for columns that name the database."""
    names = [part[0] for part in cursor.description]
    return [
        {name: seen.typed(value) for name, value in zip(names, row)
         if name not in without and name not in ("table_qualifier", "table_cat", "TABLE_CAT")}
        for row in cursor.fetchall()
    ]


@seen.check
def tables(connection):
    cursor = connection.cursor()
    return {
        "customer": told(cursor.tables(schema="customer")),
        "by_name": told(cursor.tables(table="orders")),
        "views": told(cursor.tables(schema="customer", tableType="VIEW")),
        "only_tables": told(cursor.tables(schema="customer", tableType="TABLE")),
        "pattern": told(cursor.tables(table="ord%")),
    }


@seen.check
def schemas(connection):
    cursor = connection.cursor()
    found = [row[1] for row in cursor.tables(catalog="", schema="%", table="").fetchall()]
    return sorted(name for name in found if not name.startswith("pg_"))


@seen.check
def catalogs(connection):
    cursor = connection.cursor()
    found = [row[0] for row in cursor.tables(catalog="%", schema="", table="").fetchall()]
    return seen.setting("PGDATABASE") in found


@seen.check
def columns_of_tables(connection):
    cursor = connection.cursor()
    without = ("TABLE OID", "BASE TYPEID", "table oid", "base typeid", "FIELD_TYPE")
    return {
        name: told(cursor.columns(table=name, schema="customer"), without)
        for name in ("orders", "kinds", "nowhere")
    }


@seen.check
def keys(connection):
    cursor = connection.cursor()
    return {
        "primary": told(cursor.primaryKeys("orders", schema="customer")),
        "foreign": told(cursor.foreignKeys("orders", schema="customer")),
        "statistics": told(cursor.statistics("orders", schema="customer")),
        "row_id": told(cursor.rowIdColumns("orders", schema="customer")),
        "row_version": told(cursor.rowVerColumns("orders", schema="customer")),
    }


@seen.check
def procedures(connection):
    cursor = connection.cursor()
    return told(cursor.procedures(schema="customer"))


@seen.check
def types(connection):
    return [[row[0], row[1], row[2]] for row in connection.cursor().getTypeInfo().fetchall()]


@seen.check
def information(connection):
    names = ["SQL_DBMS_NAME", "SQL_IDENTIFIER_QUOTE_CHAR", "SQL_MAX_IDENTIFIER_LEN", "SQL_TXN_CAPABLE",
             "SQL_DEFAULT_TXN_ISOLATION", "SQL_CATALOG_NAME", "SQL_DATA_SOURCE_READ_ONLY"]
    return {name: seen.typed(connection.getinfo(getattr(pyodbc, name))) for name in names}


@seen.check
def kinds_columns(connection):
    sql = "SELECT {} FROM customer.kinds ORDER BY whole NULLS LAST"
    return {
        name: failed_by(select, connection, sql.format(name)) for name in seen.KINDS_COLUMNS
    }


@seen.check
def literals(connection):
    return failed_by(select, connection, seen.LITERALS)


@seen.check
def orders(connection):
    return failed_by(select, connection, seen.ORDERS)


@seen.check
def totals(connection):
    return failed_by(select, connection, seen.TOTALS)


@seen.check
def parameters(connection):
    connection.autocommit = True
    return [failed_by(select, connection, "SELECT ? AS it", value) for value in VALUES]


@seen.check
def filters(connection):
    instant = datetime.datetime(2100, 1, 1)
    where = {
        "amount > ?": [decimal.Decimal("1.50")],
        "quantity = ? AND store = ?": [1, "berlin"],
        "ordered_at < ?": [instant],
        "store LIKE ?": ["b%"],
        "{fn ucase(store)} = ?": ["BERLIN"],
        "ordered_at > {ts '2020-01-01 00:00:00'}": [],
    }
    connection.autocommit = True
    return {
        condition: failed_by(
            select, connection, f"SELECT count(*) AS n FROM customer.orders WHERE {condition}", *values
        )
        for condition, values in where.items()
    }


@seen.check
def options_of_the_driver():
    """Cursors on the server, and parameters put in by the driver or by the server."""
    answers = {}
    for name, options in {
        "declare_fetch": {"UseDeclareFetch": "1", "Fetch": "2"},
        "prepare_by_driver": {"UseServerSidePrepare": "0"},
        "prepare_by_server": {"UseServerSidePrepare": "1"},
        "read_only": {"ReadOnly": "1"},
        "bytea_as_long": {"ByteaAsLongVarBinary": "1"},
        "bools_as_char": {"BoolsAsChar": "0"},
    }.items():
        connection = connect(**options)
        sql = ("SELECT order_id, amount, quantity > 1 AS many FROM customer.orders WHERE quantity >= ? "
               "ORDER BY order_id LIMIT 5")
        answers[name] = failed_by(select, connection, sql, 1)
        connection.close()
    return answers


@seen.check
def transactions(connection):
    cursor = connection.cursor()
    one = cursor.execute("SELECT 1").fetchval()
    failure = failed_by(cursor.execute, "SELECT 1 / 0")
    aborted = failed_by(lambda: cursor.execute("SELECT 1").fetchval())
    connection.rollback()
    alive = cursor.execute("SELECT 2").fetchval()
    connection.commit()
    return {"one": one, "failure": failure, "aborted": aborted, "alive": alive}


@seen.check
def errors(connection):
    connection.autocommit = True
    cursor = connection.cursor()
    return {
        sql: failed_by(lambda: cursor.execute(sql).fetchall() and None)
        for sql in (
            "SELEC 1", "SELECT * FROM nowhere", "SELECT nothing FROM customer.orders",
            "INSERT INTO customer.orders (order_id) VALUES ('x')", "CREATE TABLE mine (x int)",
        )
    }


@seen.check
def several_results(connection):
    cursor = connection.cursor()
    cursor.execute("SELECT 1 AS one; SELECT 'two' AS two")
    found = [seen.rows(cursor.fetchall())]
    while cursor.nextset():
        found.append(seen.rows(cursor.fetchall()))
    return found


@seen.check
def wrong_password():
    return failed_by(lambda: connect(PWD="wrong").close())


if __name__ == "__main__":
    seen.tell(connect)
