"""asyncpg: binary throughout, prepared statements, cursors, COPY, timeouts, types it asks for."""

import asyncio
import datetime
import decimal
import io
import json
import uuid

import asyncpg

import seen

PARAMETERS = {
    "bool": True,
    "int2": -32768,
    "int4": 7,
    "int8": 2**40,
    "float4": 1.5,
    "float8": 0.1,
    "numeric": decimal.Decimal("12.340"),
    "text": "it's 茶 🍵",
    "varchar": "abc",
    "bpchar": "ab",
    "bytea": b"\x00\xff",
    "date": datetime.date(2026, 3, 29),
    "time": datetime.time(8, 9, 10, 500000),
    "timestamp": datetime.datetime(2026, 3, 29, 2, 30),
    "timestamptz": datetime.datetime(2026, 3, 29, 2, 30, tzinfo=datetime.timezone.utc),
    "interval": datetime.timedelta(days=-1, seconds=5),
    "uuid": uuid.UUID("7f3a0000-0000-4000-8000-000000000001"),
    "int4[]": [1, 2, None],
    "text[]": ["a", None, "b c"],
    "numeric[]": [decimal.Decimal("1.50")],
    "json": '{"a": [1, null]}',
    "jsonb": '{"a": [1, null]}',
}


async def connect():
    return await asyncpg.connect(timeout=30)


async def attempt(coroutine):
    """What it returns, or how it failed."""
    try:
        return await coroutine
    except Exception as error:
        return seen.complained(error)


def records(found):
    return [{name: seen.typed(value) for name, value in row.items()} for row in found]


async def described(connection, sql):
    """What a prepared statement says of itself."""
    statement = await connection.prepare(sql)
    return {
        "parameters": [part.name for part in statement.get_parameters()],
        "columns": [[part.name, part.type.name, part.type.kind] for part in statement.get_attributes()],
        "tag": statement.get_statusmsg(),
    }


@seen.check
async def kinds(connection):
    return records(await connection.fetch(seen.KINDS))


@seen.check
async def kinds_columns(connection):
    sql = "SELECT {} FROM customer.kinds ORDER BY whole NULLS LAST"
    return {
        name: await attempt(fetched(connection, sql.format(name))) for name in seen.KINDS_COLUMNS
    }


async def fetched(connection, sql, *parameters):
    return records(await connection.fetch(sql, *parameters))


@seen.check
async def literals(connection):
    return await fetched(connection, seen.LITERALS)


@seen.check
async def orders(connection):
    return await fetched(connection, seen.ORDERS)


@seen.check
async def totals(connection):
    return await fetched(connection, seen.TOTALS)


@seen.check
async def parameters(connection):
    answers = {}
    for name, value in PARAMETERS.items():
        for case, given in {"value": value, "null": None}.items():
            sql = f"SELECT $1::{name} AS it, $1 IS NULL AS nothing"
            answers[f"{name} {case}"] = await attempt(fetched(connection, sql, given))
    return answers


@seen.check
async def filters(connection):
    instant = datetime.datetime(2100, 1, 1, tzinfo=datetime.timezone.utc)
    where = {
        "amount > $1 AND store = $2": [decimal.Decimal("1.50"), "berlin"],
        "quantity = ANY($1)": [[1, 2, 3]],
        "store = ANY($1::text[])": [["berlin"]],
        "ordered_at < $1 AND quantity >= $2": [instant, 1],
        "order_id LIKE $1 || '%'": ["o"],
        "person_id IN ($1, $2)": [1, 2],
        "$1::text IS NULL OR store = $1": [None],
        "ordered_at > $1::timestamptz - $2::interval": [instant, datetime.timedelta(days=100000)],
    }
    return {
        condition: await attempt(
            fetched(connection, f"SELECT count(*) FROM customer.orders WHERE {condition}", *values)
        )
        for condition, values in where.items()
    }


@seen.check
async def descriptions(connection):
    sqls = {
        "orders": "SELECT * FROM customer.orders WHERE amount > $1 AND store = $2 LIMIT $3",
        "kinds": "SELECT * FROM customer.kinds WHERE span > $1 AND tags @> $2 AND day = $3",
        "literals": seen.LITERALS,
        "totals": seen.TOTALS,
        "expressions": "SELECT $1 || 'x', $2 + 1, $3::date + 1, coalesce($4, 1.5), $5::text",
        "show": "SHOW search_path",
        "begin": "BEGIN",
        "no_type": "SELECT $1",
        "syntax": "SELEC 1",
    }
    return {name: await attempt(described(connection, sql)) for name, sql in sqls.items()}


@seen.check
async def prepared(connection):
    sql = "SELECT order_id, amount FROM customer.orders WHERE amount > $1 ORDER BY order_id LIMIT 2"
    statement = await connection.prepare(sql)
    found = [records(await statement.fetch(decimal.Decimal(floor))) for floor in (1, 2)]
    row = await statement.fetchrow(decimal.Decimal(3))
    value = await statement.fetchval(decimal.Decimal(3), column=1)
    plan = await attempt(explained(statement))
    return {"found": found, "row": records([row] if row else []), "value": seen.typed(value), "plan": plan}


async def explained(statement):
    return type(await statement.explain(decimal.Decimal(3))).__name__


@seen.check
async def cursor(connection):
    sql = "SELECT n FROM generate_series(1, 5) AS n ORDER BY n"
    async with connection.transaction():
        every = [row["n"] async for row in connection.cursor(sql, prefetch=2)]
        some = await connection.cursor(sql)
        first = [row["n"] for row in await some.fetch(2)]
        moved = await some.forward(1)
        rest = [row["n"] for row in await some.fetch(10)]
        orders = [row["order_id"] async for row in connection.cursor(seen.ORDERS, prefetch=2)]
    outside = await attempt(outside_of_a_transaction(connection, sql))
    return {
        "every": every, "first": first, "moved": moved, "rest": rest, "orders": orders,
        "outside": outside,
    }


async def outside_of_a_transaction(connection, sql):
    return [row["n"] async for row in connection.cursor(sql)]


@seen.check
async def copies(connection):
    answers = {}
    for subject, sql in {"kinds": seen.KINDS, "orders": seen.ORDERS}.items():
        for form in ("text", "csv", "binary"):
            answers[f"{subject} {form}"] = await attempt(copied(connection, sql, form))
    sql = "SELECT count(*) FROM customer.orders WHERE quantity > $1 AND store <> $2"
    out = io.BytesIO()
    tag = await attempt(connection.copy_from_query(sql, 1, "it's", output=out, format="csv", header=True))
    answers["parameters"] = [tag, out.getvalue().decode()]
    out = io.BytesIO()
    answers["table"] = await attempt(
        connection.copy_from_table("orders", schema_name="customer", output=out, columns=["order_id"])
    )
    return answers


async def copied(connection, sql, form):
    out = io.BytesIO()
    tag = await connection.copy_from_query(sql, output=out, format=form)
    return [tag, out.getvalue().hex()]


@seen.check
async def copy_refused(connection):
    rows = [("x",)]
    return await attempt(
        connection.copy_records_to_table("orders", schema_name="customer", columns=["order_id"], records=rows)
    )


@seen.check
async def transactions(connection):
    states = [connection.is_in_transaction()]
    async with connection.transaction(isolation="serializable", readonly=True):
        states.append(connection.is_in_transaction())
        isolation = await connection.fetchval("SHOW transaction_isolation")
        inner = await attempt(fail_inside(connection))
        alive = await connection.fetchval("SELECT 1")
    states.append(connection.is_in_transaction())
    return {"states": states, "isolation": isolation, "inner": inner, "alive": alive}


async def fail_inside(connection):
    async with connection.transaction():
        await connection.fetch("SELECT 1 / 0")


@seen.check
async def timeouts(connection):
    late = await attempt(connection.fetch(seen.ENDLESS, timeout=0.5))
    alive = await connection.fetchval("SELECT 1")
    task = asyncio.ensure_future(connection.fetch(seen.ENDLESS))
    await asyncio.sleep(0.5)
    task.cancel()
    try:
        await task
        cancelled = False
    except asyncio.CancelledError:
        cancelled = True
    return {
        "late": late, "alive": alive, "cancelled": cancelled,
        "alive_again": await connection.fetchval("SELECT 2"),
    }


@seen.check
async def composite(connection):
    """A row as a value: asyncpg asks the catalog for the fields of its type."""
    found = await connection.fetch("SELECT o FROM customer.orders AS o ORDER BY o.order_id LIMIT 2")
    return records(found)


@seen.check
async def introspected(connection):
    return {
        "range": await attempt(fetched(connection, "SELECT '[1,3)'::int4range AS it")),
        "domain": await attempt(
            fetched(connection, "SELECT 1::information_schema.cardinal_number AS it")
        ),
        "record": await attempt(fetched(connection, "SELECT ROW(1, 'a', NULL) AS it")),
        "regclass": await attempt(
            fetched(connection, "SELECT 'customer.orders'::regclass::text AS it")
        ),
    }


@seen.check
async def codecs(connection):
    await connection.set_type_codec(
        "json", encoder=json.dumps, decoder=json.loads, schema="pg_catalog"
    )
    await connection.set_type_codec(
        "numeric", encoder=str, decoder=float, schema="pg_catalog", format="text"
    )
    sql = "SELECT $1::json AS document, $2::numeric AS number"
    return await fetched(connection, sql, {"a": [1, "茶"]}, decimal.Decimal("1.50"))


@seen.check
async def pool(_connection):
    async with asyncpg.create_pool(min_size=1, max_size=2) as connections:
        async with connections.acquire() as connection:
            await connection.execute("SET application_name = 'changed'")
            first = await connection.fetchval("SHOW application_name")
        async with connections.acquire() as connection:
            second = await connection.fetchval("SHOW application_name")
        both = await asyncio.gather(*(connections.fetchval("SELECT $1::int", n) for n in range(5)))
    return {"first": first, "after_reset": second, "both": both}


@seen.check
async def script(connection):
    tag = await connection.execute("SELECT 1; SELECT 2, 3; SHOW search_path")
    settings = connection.get_settings()
    return {
        "tag": tag,
        "settings": {
            name: getattr(settings, name, None)
            for name in ("client_encoding", "DateStyle", "TimeZone", "integer_datetimes")
        },
    }


@seen.check
async def many(connection):
    return await attempt(connection.executemany("SELECT $1::int", [(1,), (2,), (3,)]))


if __name__ == "__main__":
    asyncio.run(seen.tell_async(connect))
