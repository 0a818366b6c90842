"""ADBC: results as Arrow by way of binary COPY, and what it lists of the catalog."""

import datetime
import decimal

import adbc_driver_postgresql.dbapi
import pyarrow

import seen

PARAMETERS = {
    "bool": True,
    "int": 7,
    "float": 1.5,
    "text": "it's 茶 🍵",
    "bytes": b"\x00\xff",
    "date": datetime.date(2026, 3, 29),
    "time": datetime.time(8, 9, 10, 500000),
    "datetime": datetime.datetime(2026, 3, 29, 2, 30),
    "aware": datetime.datetime(2026, 3, 29, 2, 30, tzinfo=datetime.timezone.utc),
    "decimal": decimal.Decimal("12.340"),
    "none": None,
}


def connect():
    return adbc_driver_postgresql.dbapi.connect(seen.url(), autocommit=True)


def table(found):
    """An Arrow table: what its columns are, and its values."""
    return {
        "types": [
            [field.name, str(field.type), field.nullable, metadata(field)] for field in found.schema
        ],
        "rows": [{name: seen.typed(value) for name, value in row.items()} for row in found.to_pylist()],
    }


def metadata(field):
    """What the driver notes of the type in the database."""
    noted = field.metadata or {}
    return {name.decode(): value.decode() for name, value in noted.items()}


def select(connection, sql, parameters=None):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return table(cursor.fetch_arrow_table())


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
    return select(connection, seen.LITERALS.replace(", NULL AS nothing", ""))


@seen.check
def orders(connection):
    return select(connection, seen.ORDERS)


@seen.check
def totals(connection):
    return select(connection, seen.TOTALS)


@seen.check
def empty(connection):
    return select(connection, "SELECT * FROM customer.orders WHERE false")


@seen.check
def parameters(connection):
    return {
        name: seen.attempt(select, connection, "SELECT $1 AS it", (value,))
        for name, value in PARAMETERS.items()
    }


@seen.check
def filters(connection):
    return select(
        connection,
        "SELECT order_id, amount FROM customer.orders WHERE quantity >= $1 AND store = $2 "
        "ORDER BY order_id LIMIT 2",
        (1, "berlin"),
    )


@seen.check
def batches(connection):
    with connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": "64"})
        cursor.execute("SELECT n, 'word ' || n AS word FROM generate_series(1, 20) AS n ORDER BY n")
        reader = cursor.fetch_record_batch()
        return {"rows": pyarrow.Table.from_batches(list(reader), reader.schema).num_rows}


@seen.check
def without_copy(connection):
    with connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
        cursor.execute(seen.ORDERS)
        return table(cursor.fetch_arrow_table())


@seen.check
def settings_shown(connection):
    with connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
        cursor.execute("SHOW search_path")
        return cursor.fetchall()


@seen.check
def schema_of_statement(connection):
    with connection.cursor() as cursor:
        schema = cursor.adbc_execute_schema(seen.KINDS)
        return [[field.name, str(field.type)] for field in schema]


@seen.check
def prepared(connection):
    with connection.cursor() as cursor:
        schema = cursor.adbc_prepare("SELECT $1::int + 1 AS more, $2::text AS word")
        return [[field.name, str(field.type)] for field in schema]


@seen.check
def table_schema(connection):
    answers = {}
    for name, schema in (("orders", "customer"), ("kinds", "customer"), ("orders", None), ("nowhere", None)):
        key = f"{schema}.{name}"
        found = seen.attempt(connection.adbc_get_table_schema, name, db_schema_filter=schema)
        if isinstance(found, pyarrow.Schema):
            found = [[field.name, str(field.type), field.nullable] for field in found]
        answers[key] = found
    return answers


@seen.check
def table_types(connection):
    return sorted(connection.adbc_get_table_types())


@seen.check
def current(connection):
    return {
        "catalog": connection.adbc_current_catalog == seen.setting("PGDATABASE"),
        "schema": connection.adbc_current_db_schema,
    }


@seen.check
def objects(connection):
    answers = {}
    for depth in ("catalogs", "db_schemas", "tables", "all"):
        found = connection.adbc_get_objects(
            depth=depth,
            catalog_filter=seen.setting("PGDATABASE"),
            **({} if depth == "catalogs" else {"db_schema_filter": "customer"}),
        ).read_all().to_pylist()
        answers[depth] = [catalog["catalog_db_schemas"] for catalog in found]
    return answers


@seen.check
def objects_by_name(connection):
    found = connection.adbc_get_objects(
        depth="columns", db_schema_filter="cust%", table_name_filter="ord%",
        column_name_filter="%_at", table_types_filter=["view"],
        catalog_filter=seen.setting("PGDATABASE"),
    )
    return [catalog["catalog_db_schemas"] for catalog in found.read_all().to_pylist()]


@seen.check
def transactions():
    with adbc_driver_postgresql.dbapi.connect(seen.url()) as connection:
        first = select(connection, "SELECT 1 AS one")["rows"]
        failure = seen.attempt(select, connection, "SELECT 1 / 0")
        aborted = seen.attempt(select, connection, "SELECT 1")
        connection.rollback()
        return {"first": first, "failure": failure, "aborted": aborted,
                "alive": select(connection, "SELECT 2 AS two")["rows"]}


@seen.check
def refused(connection):
    with connection.cursor() as cursor:
        given = pyarrow.table({"order_id": ["x"]})
        return [
            seen.attempt(cursor.adbc_ingest, "orders", given, mode="append", db_schema_name="customer"),
            seen.attempt(cursor.adbc_ingest, "mine", given, mode="create", db_schema_name="customer"),
            seen.attempt(cursor.execute, "SELECT * FROM nowhere"),
        ]


if __name__ == "__main__":
    seen.tell(connect)
