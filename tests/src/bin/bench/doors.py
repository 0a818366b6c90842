"""Times one client that takes a million rows: prints the seconds of each run, connecting included."""

import asyncio
import os
import random
import subprocess
import sys
import time

COLUMNS = (
    "person_id, subject_id, order_id, store, channel, category, quantity, amount, currency, ordered_at"
)
QUERY = f"SELECT {COLUMNS} FROM {os.environ['BENCH_TABLE']}"


def address():
    names = ("PGUSER", "PGPASSWORD", "PGHOST", "PGPORT", "PGDATABASE")
    return "postgresql://{}:{}@{}:{}/{}".format(*(os.environ[name] for name in names))


def psql():
    arguments = ["psql", "-X", "-q", "-A", "-t", "-c", QUERY]
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)


def psql_copy():
    arguments = ["psql", "-X", "-q", "-c", f"COPY ({QUERY}) TO STDOUT"]
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)


def psycopg_text():
    import psycopg

    with psycopg.connect() as connection:
        assert len(connection.execute(QUERY).fetchall()) > 0


def psycopg_binary():
    import psycopg

    with psycopg.connect() as connection:
        assert len(connection.execute(QUERY, binary=True).fetchall()) > 0


def adbc():
    import adbc_driver_postgresql.dbapi

    with adbc_driver_postgresql.dbapi.connect(address()) as connection:
        with connection.cursor() as cursor:
            cursor.execute(QUERY)
            assert cursor.fetch_arrow_table().num_rows > 0


def flight():
    import adbc_driver_flightsql.dbapi

    options = {
        "username": os.environ["PGUSER"],
        "password": os.environ["PGPASSWORD"],
        "adbc.flight.sql.rpc.call_header.x-custos-purpose": os.environ["PGDATABASE"],
    }
    with adbc_driver_flightsql.dbapi.connect(os.environ["FLIGHT"], db_kwargs=options) as connection:
        with connection.cursor() as cursor:
            cursor.execute(QUERY)
            assert cursor.fetch_arrow_table().num_rows > 0


def small():
    """A small query over one connection, a hundred times."""
    import psycopg

    with psycopg.connect(autocommit=True) as connection:
        for _ in range(100):
            connection.execute(small_query()).fetchall()


def small_query():
    """One that was not asked before, so that no answer is given again."""
    least = random.randrange(1_000_000_000) / 1_000_000_000
    return (
        f"SELECT channel, count(*) FROM {os.environ['BENCH_TABLE']} "
        f"WHERE amount > {least:.9f} GROUP BY channel"
    )


def latency(connections):
    """Small queries by so many connections at a time: prints the median and the 99th percentile."""
    import asyncpg

    async def one(taken):
        connection = await asyncpg.connect(address())
        for _ in range(max(4, 256 // connections)):
            began = time.perf_counter()
            await connection.fetch(small_query())
            taken.append(time.perf_counter() - began)
        await connection.close()

    async def everybody():
        taken = []
        await asyncio.gather(*(one(taken) for _ in range(connections)))
        return sorted(taken)

    taken = asyncio.run(everybody())
    for share in (50, 99):
        print(taken[min(len(taken) - 1, len(taken) * share // 100)])


if sys.argv[1] == "latency":
    latency(int(sys.argv[2]))
    sys.exit()

for _ in range(int(sys.argv[2])):
    began = time.perf_counter()
    globals()[sys.argv[1]]()
    print(time.perf_counter() - began, flush=True)
