"""Flight SQL by its own clients: ADBC, whose driver is Go, and pyarrow, which is C++."""

import concurrent.futures
import datetime
import decimal
import json
import os
import subprocess

import adbc_driver_flightsql
import adbc_driver_flightsql.dbapi
import pyarrow
import pyarrow.flight

import seen

ORDERS = "SELECT order_id FROM orders ORDER BY order_id"

# Many rows in no order: each order eleven times over.
LARGE = (
    f"SELECT concat({', '.join(f'o{number}.order_id' for number in range(11))}) AS path "
    f"FROM {' CROSS JOIN '.join(f'orders AS o{number}' for number in range(11))}"
)

CANARY = "canary-7f3a"

HEADER = adbc_driver_flightsql.DatabaseOptions.RPC_CALL_HEADER_PREFIX.value


def secret(name):
    return seen.setting(name.upper() + "_SECRET")


def adbc(name="analyst2", purpose="analytics", **options):
    """A connection that logs in by name and secret."""
    options = options or {"username": name, "password": secret(name)}
    if purpose:
        options[HEADER + "x-custos-purpose"] = purpose
    return adbc_driver_flightsql.dbapi.connect(
        f"grpc://{seen.setting('FLIGHT')}", db_kwargs=options, autocommit=True
    )


def flight(token, purpose="analytics"):
    """A client of Flight and the headers of its calls."""
    headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
    if purpose:
        headers.append((b"x-custos-purpose", purpose.encode()))
    client = pyarrow.flight.connect(f"grpc://{seen.setting('FLIGHT')}")
    return client, pyarrow.flight.FlightCallOptions(headers=headers, timeout=20)


def varint(number):
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)


def field(number, value):
    """A field of a protobuf message that holds bytes."""
    return varint(number << 3 | 2) + varint(len(value)) + value


def command(name, *fields):
    """A command of Flight SQL."""
    url = f"type.googleapis.com/arrow.flight.protocol.sql.{name}".encode()
    return field(1, url) + field(2, b"".join(fields))


def announced(sql, token, purpose="analytics"):
    client, options = flight(token, purpose)
    asked = command("CommandStatementQuery", field(1, sql.encode()))
    return client.get_flight_info(pyarrow.flight.FlightDescriptor.for_command(asked), options)


def fetched(ticket, token, purpose="analytics"):
    client, options = flight(token, purpose)
    return client.do_get(ticket, options).read_all()


def told(function, *arguments, **named):
    """What a call returns, or the class and the text of its error."""
    try:
        return function(*arguments, **named)
    except Exception as error:
        return {"error": type(error).__name__, "text": str(error)}


def table(found):
    return {
        "types": {column.name: str(column.type) for column in found.schema},
        "rows": [{name: seen.typed(value) for name, value in row.items()} for row in found.to_pylist()],
    }


def select(connection, sql, parameters=None):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return table(cursor.fetch_arrow_table())


@seen.check
def logged_in():
    with adbc() as connection:
        return select(connection, ORDERS)["rows"]


@seen.check
def by_bearer():
    with adbc(**{adbc_driver_flightsql.DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {secret('analyst2')}"}) as connection:
        return select(connection, ORDERS)["rows"]


@seen.check
def by_default_purpose():
    with adbc(purpose=None) as connection:
        return select(connection, ORDERS)["rows"]


@seen.check
def handshake():
    client, _ = flight(None)
    name, value = client.authenticate_basic_token("analyst2", secret("analyst2"))
    return [name.decode(), value.decode() == f"Bearer {secret('analyst2')}"]


@seen.check
def not_logged_in():
    """Names and secrets that do not belong together, and none."""
    def handshake(name, password):
        flight(None)[0].authenticate_basic_token(name, password)

    return {
        "wrong secret": told(handshake, "analyst2", "custos_analyst2_" + CANARY),
        "unknown name": told(handshake, CANARY, "custos_analyst2_" + CANARY),
        "secret of another": told(handshake, "analyst2", secret("analyst3")),
        "unknown name with a secret": told(handshake, CANARY, secret("analyst2")),
        "no secret": told(handshake, "analyst2", ""),
    }


@seen.check
def not_known():
    """Tokens that nobody has, and none, at each kind of call."""
    answers = {}
    for name, token in (("wrong", "custos_analyst2_" + CANARY), ("none", None)):
        client, options = flight(token)
        answers[name] = [
            told(announced, ORDERS, token),
            told(fetched, pyarrow.flight.Ticket(CANARY.encode()), token),
            told(lambda: list(client.list_actions(options))),
            told(lambda: list(client.do_action(("CloseSession", b""), options))),
        ]
    return answers


@seen.check
def kinds():
    with adbc() as connection:
        return select(
            connection,
            "SELECT order_id, amount, ordered_at, quantity, note, '茶 🍵' AS tea, "
            "cast(1.5 as double) AS ratio, true AS flag, DATE '2026-03-29' AS day "
            "FROM orders ORDER BY order_id LIMIT 1",
        )


@seen.check
def empty():
    with adbc() as connection:
        return select(connection, "SELECT order_id, amount FROM orders WHERE false")


@seen.check
def schema_of_statement():
    with adbc() as connection, connection.cursor() as cursor:
        return {column.name: str(column.type) for column in cursor.adbc_execute_schema(ORDERS)}


@seen.check
def parameters():
    with adbc() as connection:
        filtered = select(
            connection,
            "SELECT order_id FROM orders WHERE quantity >= $1 AND store = $2 AND amount < $3 "
            "ORDER BY order_id",
            (2, "berlin", decimal.Decimal("20.01")),
        )
        values = {
            "int": 7, "text": "it's 茶", "float": 1.5, "bool": True,
            "date": datetime.date(2026, 3, 29), "none": None,
        }
        echoed = {
            name: told(select, connection, "SELECT $1 AS it", (value,))
            for name, value in values.items()
        }
        with connection.cursor() as cursor:
            cursor.adbc_prepare("SELECT order_id FROM orders WHERE quantity >= $1")
            missing = told(cursor.execute, "SELECT order_id FROM orders WHERE quantity >= $1")
            several = told(
                cursor.execute,
                "SELECT order_id FROM orders WHERE quantity >= $1",
                pyarrow.table({"0": [1, 2]}),
            )
        return {
            "filtered": filtered["rows"], "echoed": echoed, "missing": missing, "several": several,
        }


@seen.check
def objects():
    with adbc() as connection:
        found = connection.adbc_get_objects(depth="all").read_all().to_pylist()
        catalogs = {
            catalog["catalog_name"]: {
                schema["db_schema_name"]: {
                    table["table_name"]: [
                        column["column_name"] for column in table["table_columns"]
                    ]
                    for table in schema["db_schema_tables"]
                }
                for schema in catalog["catalog_db_schemas"]
            }
            for catalog in found
        }
        named = connection.adbc_get_objects(
            depth="tables", table_name_filter="order%", table_types_filter=["TABLE"]
        ).read_all().to_pylist()
        names = [
            table["table_name"]
            for catalog in named
            for schema in catalog["catalog_db_schemas"]
            for table in schema["db_schema_tables"]
        ]
        schema = connection.adbc_get_table_schema("orders", db_schema_filter="customer")
        info = connection.adbc_get_info()
        return {
            "catalogs": catalogs,
            "named": names,
            "types": connection.adbc_get_table_types(),
            "orders": {column.name: str(column.type) for column in schema},
            "vendor": [info["vendor_name"], info["vendor_arrow_version"]],
            "hidden": told(connection.adbc_get_table_schema, "identifiers", db_schema_filter="vault"),
        }


@seen.check
def told_by_commands():
    client, options = flight(secret("analyst2"))
    names = ["CommandGetSqlInfo", "CommandGetXdbcTypeInfo", "CommandGetPrimaryKeys",
             "CommandGetExportedKeys", "CommandGetImportedKeys", "CommandGetCrossReference",
             "CommandGetCatalogs", "CommandGetDbSchemas", "CommandGetTableTypes", "CommandGetTables"]
    answers = {}
    for name in names:
        descriptor = pyarrow.flight.FlightDescriptor.for_command(command(name))
        info = client.get_flight_info(descriptor, options)
        found = client.do_get(info.endpoints[0].ticket, options).read_all()
        assert found.schema.equals(info.schema), name
        answers[name] = found.num_rows
    return answers


@seen.check
def tickets():
    """A ticket is of use to the principal, for the purpose, that it was given to."""
    analyst, other = secret("analyst2"), secret("analyst3")
    info = announced(ORDERS, analyst)
    ticket = info.endpoints[0].ticket
    altered = bytearray(ticket.ticket)
    altered[-1] ^= 1
    rows = fetched(ticket, analyst).num_rows
    return {
        "announced": [info.total_records, info.total_bytes, len(info.endpoints)],
        "schema": info.schema.names,
        "holds the statement": b"order" in ticket.ticket,
        "rows": rows,
        "by another": told(fetched, ticket, other),
        "for another purpose": told(fetched, ticket, analyst, "legal_claims"),
        "altered": told(fetched, pyarrow.flight.Ticket(bytes(altered)), analyst),
        "again": fetched(ticket, analyst).num_rows,
    }


@seen.check
def parts():
    """A large answer without an order, which several may fetch at once, each a part of it."""
    token = secret("analyst2")
    client, options = flight(token)
    def tickets():
        return [endpoint.ticket for endpoint in announced(LARGE, token).endpoints]

    def complete(tables):
        paths = pyarrow.concat_tables(tables)["path"].to_pylist()
        return len(paths) == len(set(paths)) == 3**11

    asked = tickets()
    with concurrent.futures.ThreadPoolExecutor(len(asked)) as pool:
        at_once = list(pool.map(lambda ticket: fetched(ticket, token), asked))
    # All are open while one after the other is read: none may wait for another to be read.
    opened = [client.do_get(ticket, options) for ticket in tickets()]
    in_turn = [reader.read_all() for reader in opened]
    one, other = tickets()[:2]
    alone = [fetched(one, token), fetched(other, token), fetched(one, token)]
    with adbc() as connection, connection.cursor() as cursor:
        cursor.execute(LARGE)
        by_adbc = cursor.fetch_arrow_table()
    beyond = bytearray(one.ticket)
    beyond[-1] = len(asked)
    return {
        "tickets": len(asked),
        "at once": complete(at_once),
        "in turn": complete(in_turn),
        "alone": [complete([alone[0]]), alone[1].num_rows, complete([alone[2]])],
        "by adbc": complete([by_adbc]),
        "beyond": told(fetched, pyarrow.flight.Ticket(bytes(beyond)), token),
        "few": len(announced(LARGE + " LIMIT 10", token).endpoints),
        "in order": len(announced(LARGE + " ORDER BY path", token).endpoints),
    }


@seen.check
def cancelled():
    token = secret("analyst2")
    client, options = flight(token)
    info = announced(ORDERS, token)
    other, others = flight(secret("analyst3"))
    body = field(1, info.serialize())
    by_another = told(lambda: list(other.do_action(("CancelFlightInfo", body), others)))
    answer = b"".join(part.body.to_pybytes() for part in client.do_action(("CancelFlightInfo", body), options))
    return {
        "by another": by_another,
        "answer": answer.hex(),
        "fetched": told(fetched, info.endpoints[0].ticket, token),
        "closed": len(list(client.do_action(("CloseSession", b""), options))),
    }


@seen.check
def refused():
    token = secret("analyst2")
    client, options = flight(token)

    def put(asked):
        schema = pyarrow.schema([("order_id", "utf8")])
        writer, _ = client.do_put(pyarrow.flight.FlightDescriptor.for_command(asked), schema, options)
        writer.write_batch(pyarrow.record_batch({"order_id": [CANARY]}, schema=schema))
        writer.close()

    update = f"DELETE FROM orders WHERE note = '{CANARY}'".encode()
    answers = {
        "purpose": told(announced, ORDERS, token, "legal_claims"),
        "no such purpose": told(announced, ORDERS, token, "no.such"),
        "no purpose": told(announced, ORDERS, token, CANARY + " x"),
        "table": told(announced, f"SELECT * FROM vault.identifiers WHERE email = '{CANARY}'", token),
        "syntax": told(announced, f"SELEC '{CANARY}'", token),
        "cast": told(lambda: fetched(announced(f"SELECT cast('{CANARY}' || order_id AS int) AS n FROM orders", token).endpoints[0].ticket, token)),
        "delete": told(announced, update.decode(), token),
        "long": told(announced, f"SELECT '{CANARY * 30000}'", token),
        "longer": told(announced, f"SELECT '{CANARY * 300000}'", token),
        "update": told(put, command("CommandStatementUpdate", field(1, update))),
        "ingest": told(put, command("CommandStatementIngest", field(2, b"orders"))),
        "garbage": told(client.get_flight_info, pyarrow.flight.FlightDescriptor.for_command(CANARY.encode()), options),
        "path": told(client.get_flight_info, pyarrow.flight.FlightDescriptor.for_path(CANARY), options),
        "transaction": told(lambda: list(client.do_action(("BeginTransaction", command("ActionBeginTransactionRequest")), options))),
        "action": told(lambda: list(client.do_action((CANARY, b""), options))),
        "exchange": told(lambda: client.do_exchange(pyarrow.flight.FlightDescriptor.for_path(CANARY), options)[1].read_all()),
        "flights": told(lambda: list(client.list_flights(options=options))),
    }
    with adbc() as connection, connection.cursor() as cursor:
        given = pyarrow.table({"order_id": [CANARY]})
        answers["adbc ingest"] = told(cursor.adbc_ingest, "orders", given, mode="append")
    return answers


@seen.check
def withdrawn():
    """Consent that is withdrawn between two runs of one prepared statement."""
    with adbc() as connection, connection.cursor() as cursor:
        sql = "SELECT order_id FROM orders WHERE quantity >= $1 ORDER BY order_id"
        first, other = [it.ticket for it in announced(LARGE, secret("analyst2")).endpoints][:2]
        fetched(first, secret("analyst2"))
        answers = []
        for before in (None, json.loads(seen.setting("WITHDRAW"))):
            if before:
                subprocess.run(before, check=True, capture_output=True)
            cursor.execute(sql, (1,))
            answers.append([row[0] for row in cursor.fetchall()])
        ticket = announced(ORDERS, secret("analyst2")).endpoints[0].ticket
        left = told(fetched, other, secret("analyst2"))
        return answers + [fetched(ticket, secret("analyst2")).num_rows, left]


@seen.check
def revoked():
    """A secret that is revoked while a connection is open."""
    token = secret("analyst3")
    ticket = announced(ORDERS, token).endpoints[0].ticket
    subprocess.run(json.loads(seen.setting("REVOKE")), check=True, capture_output=True)
    return [told(fetched, ticket, token), told(announced, ORDERS, token)]


if __name__ == "__main__":
    seen.tell()
