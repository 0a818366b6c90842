"""SQLAlchemy with psycopg 3, and pandas above it: reflection, Core selects, streamed results."""

import datetime
import decimal

import pandas
import sqlalchemy as sa
from sqlalchemy.engine.reflection import ObjectKind
from sqlalchemy.ext.automap import automap_base
from sqlalchemy.orm import Session

import seen


def engine(**more):
    return sa.create_engine(seen.url("postgresql+psycopg"), **more)


def connect():
    return engine().connect()


def reflected(column):
    """What is told of a column, its type as DDL."""
    return {name: str(value) if name == "type" else seen.typed(value) for name, value in column.items()}


@seen.check
def dialect(connection):
    own = connection.dialect
    return {
        "default_schema": own.default_schema_name,
        "isolation": connection.get_isolation_level(),
        "default_isolation": own.default_isolation_level,
        "major_version": own.server_version_info[:1],
        "backslashes": own._backslash_escapes,
    }


@seen.check
def names(connection):
    inspector = sa.inspect(connection)
    return {
        # Those that begin with `pg_` are the server's own.
        "schemas": [name for name in inspector.get_schema_names() if not name.startswith("pg_")],
        "tables": inspector.get_table_names(schema="customer"),
        "tables_of_default": inspector.get_table_names(),
        "views": sorted(inspector.get_view_names(schema="customer")),
        "views_of_default": sorted(inspector.get_view_names()),
        "materialised": inspector.get_materialized_view_names(schema="customer"),
        "sequences": inspector.get_sequence_names(schema="customer"),
        "temporary": inspector.get_temp_table_names(),
        "enums": inspector.get_enums(schema="*"),
        "domains": seen.attempt(inspector.get_domains),
        "nowhere": seen.attempt(inspector.get_table_names, schema="nowhere"),
    }


@seen.check
def of_tables(connection):
    inspector = sa.inspect(connection)
    answers = {}
    for table in ("orders", "kinds", "nowhere"):
        for name in (
            "get_columns", "get_pk_constraint", "get_foreign_keys", "get_indexes",
            "get_unique_constraints", "get_check_constraints", "get_table_comment",
            "get_table_options", "has_table",
        ):
            found = seen.attempt(getattr(inspector, name), table, schema="customer")
            if name == "get_columns" and isinstance(found, list):
                found = [reflected(column) for column in found]
            answers[f"{table} {name}"] = found
    definition = seen.attempt(inspector.get_view_definition, "orders", schema="customer")
    answers["definition"] = type(definition).__name__
    answers["has_schema"] = [inspector.has_schema("customer"), inspector.has_schema("nowhere")]
    answers["has_index"] = inspector.has_index("orders", "nothing", schema="customer")
    answers["has_sequence"] = inspector.has_sequence("nothing", schema="customer")
    answers["by_path"] = [reflected(column) for column in inspector.get_columns("orders")]
    return answers


@seen.check
def of_all_tables(connection):
    inspector = sa.inspect(connection)
    kind = ObjectKind.ANY
    answers = {}
    for name in ("get_multi_columns", "get_multi_pk_constraint", "get_multi_indexes",
                 "get_multi_foreign_keys", "get_multi_unique_constraints"):
        found = getattr(inspector, name)(schema="customer", kind=kind)
        answers[name] = {
            table[1]: [reflected(column) for column in told] if name == "get_multi_columns" else told
            for table, told in sorted(found.items())
        }
    return answers


@seen.check
def autoloaded(connection):
    table = sa.Table("orders", sa.MetaData(), schema="customer", autoload_with=connection)
    return [repr(column) for column in table.columns]


@seen.check
def whole_schema(connection):
    metadata = sa.MetaData()
    metadata.reflect(connection, schema="customer", views=True)
    return sorted(metadata.tables)


@seen.check
def mapped(connection):
    metadata = sa.MetaData()
    metadata.reflect(connection, schema="customer", views=True)
    table = metadata.tables["customer.orders"]
    base = automap_base(metadata=metadata)

    class Order(base):
        __table__ = table
        __mapper_args__ = {"primary_key": [table.c.order_id]}

    base.prepare()
    with Session(connection) as session:
        found = session.scalars(sa.select(Order).order_by(Order.order_id).limit(2)).all()
        again = session.get(Order, found[0].order_id) if found else None
        return [[seen.typed(order.order_id), seen.typed(order.amount)] for order in found] + [
            again is (found[0] if found else None)
        ]


def orders_table(connection):
    return sa.Table("orders", sa.MetaData(), schema="customer", autoload_with=connection)


@seen.check
def selected(connection):
    orders = orders_table(connection)
    of = orders.c
    sql = (
        sa.select(of.store, sa.func.count().label("n"), sa.func.sum(of.amount).label("total"))
        .where(
            of.amount >= decimal.Decimal("1.00"),
            of.ordered_at < datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc),
            of.channel.in_(["store", "web"]),
            sa.or_(of.category == "toys", of.category.like("b%"), of.category.is_(None)),
        )
        .group_by(of.store)
        .having(sa.func.count() > 0)
        .order_by(of.store.nulls_last())
        .limit(10)
    )
    return seen.rows(connection.execute(sql))


@seen.check
def expressions(connection):
    orders = orders_table(connection)
    of = orders.c
    ranked = sa.select(
        of.order_id,
        sa.func.row_number().over(partition_by=of.channel, order_by=of.order_id).label("place"),
        sa.func.date_trunc("month", of.ordered_at).label("month"),
        sa.extract("dow", of.ordered_at).label("weekday"),
        sa.cast(of.amount, sa.Float).label("ratio"),
        sa.case((of.quantity > 1, "many"), else_="one").label("size"),
        (of.store + "-" + of.channel).label("joined"),
    ).cte("ranked")
    sql = sa.select(ranked).where(ranked.c.place <= 2).order_by(ranked.c.order_id)
    other = orders.alias()
    pairs = (
        sa.select(sa.func.count())
        .select_from(orders.join(other, of.order_id == other.c.order_id))
        .where(sa.exists().where(other.c.quantity > 0))
    )
    return {
        "ranked": seen.rows(connection.execute(sql)),
        "pairs": seen.typed(connection.scalar(pairs)),
        "distinct": seen.rows(connection.execute(sa.select(of.channel).distinct().order_by(of.channel))),
    }


@seen.check
def text(connection):
    sql = sa.text("SELECT :number + 1 AS sum, :word AS word, CAST(:moment AS timestamptz) AS moment")
    return seen.rows(connection.execute(
        sql, {"number": 1, "word": "it's", "moment": datetime.datetime(2026, 3, 29, 2, 30)}
    ))


@seen.check
def kinds(connection):
    table = sa.Table("kinds", sa.MetaData(), schema="customer", autoload_with=connection)
    sql = sa.select(table).order_by(table.c.whole.nulls_last())
    return [seen.typed(dict(row)) for row in connection.execute(sql).mappings()]


@seen.check
def streamed(connection):
    result = connection.execution_options(stream_results=True, max_row_buffer=2).execute(
        sa.text("SELECT n FROM generate_series(1, 5) AS n ORDER BY n")
    )
    return [list(part) for part in result.scalars().partitions(2)]


@seen.check
def nested(connection):
    with connection.begin():
        inner = seen.attempt(fail_inside, connection)
        return {"inner": inner, "alive": connection.scalar(sa.text("SELECT 1"))}


def fail_inside(connection):
    with connection.begin_nested():
        connection.execute(sa.text("SELECT 1 / 0"))


@seen.check
def isolations():
    answers = {}
    for level in ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "AUTOCOMMIT"):
        with engine(isolation_level=level).connect() as connection:
            answers[level] = [connection.get_isolation_level(),
                              connection.scalar(sa.text("SHOW transaction_isolation"))]
    with engine().connect() as connection:
        connection = connection.execution_options(postgresql_readonly=True)
        answers["read_only"] = connection.scalar(sa.text("SHOW transaction_read_only"))
    return answers


@seen.check
def pooled():
    pool = engine(pool_size=1, pool_pre_ping=True)
    found = []
    for _ in range(3):
        with pool.connect() as connection:
            found.append(connection.scalar(sa.text("SELECT 1")))
    pool.dispose()
    return found


@seen.check
def explained(connection):
    orders = orders_table(connection)
    compiled = sa.select(orders).compile(connection, compile_kwargs={"literal_binds": True})
    return bool(connection.execute(sa.text(f"EXPLAIN {compiled}")).all())


@seen.check
def refused(connection):
    orders = orders_table(connection)
    return [
        seen.attempt(in_savepoint, connection, orders.insert().values(order_id="x")),
        seen.attempt(in_savepoint, connection, sa.text("SELECT nothing FROM customer.orders")),
        seen.attempt(in_savepoint, connection, sa.text("SELECT 1 FROM nowhere")),
        seen.attempt(in_savepoint, connection, sa.text("CREATE TABLE mine (x int)")),
    ]


def in_savepoint(connection, statement):
    with connection.begin_nested():
        connection.execute(statement)


@seen.check
def frames(connection):
    """pandas reads a statement, with parameters, by parts, and a table by its name."""
    answers = {
        "orders": frame(pandas.read_sql(sa.text(seen.ORDERS), connection)),
        "dated": frame(pandas.read_sql(
            sa.text("SELECT order_id, ordered_at, amount FROM customer.orders WHERE amount > :floor "
                    "ORDER BY order_id LIMIT 2"),
            connection, params={"floor": 1}, index_col="order_id", parse_dates=["ordered_at"],
        )),
        "parts": [len(part) for part in pandas.read_sql(
            sa.text("SELECT n FROM generate_series(1, 5) AS n"), connection, chunksize=2)],
    }
    table = pandas.read_sql_table("orders", connection, schema="customer", columns=["order_id", "amount"])
    answers["table"] = {name: str(kind) for name, kind in table.dtypes.items()}
    return answers


def frame(found):
    return {
        "types": {name: str(kind) for name, kind in found.dtypes.items()},
        "rows": [[str(value) for value in row] for row in found.itertuples(index=True)],
    }


if __name__ == "__main__":
    seen.tell(connect)
