"""Who one can be over Flight SQL: each call of a list, with what it came to."""

import json

import adbc_driver_flightsql
import adbc_driver_flightsql.dbapi
import pyarrow.flight

import seen

SQL = "SELECT order_id FROM orders ORDER BY order_id"

OPTIONS = adbc_driver_flightsql.DatabaseOptions


def read(path):
    with open(path, "rb") as file:
        return file.read()


def adbc(call):
    options = {OPTIONS.RPC_CALL_HEADER_PREFIX.value + "x-custos-purpose": call.get("purpose", "analytics")}
    if "root" in call:
        options[OPTIONS.TLS_ROOT_CERTS.value] = read(call["root"]).decode()
    if "certificate" in call:
        options[OPTIONS.MTLS_CERT_CHAIN.value] = read(call["certificate"]).decode()
        options[OPTIONS.MTLS_PRIVATE_KEY.value] = read(call["key"]).decode()
    if "user" in call:
        options.update(username=call["user"], password=call["secret"])
    elif "token" in call:
        options[OPTIONS.AUTHORIZATION_HEADER.value] = f"Bearer {call['token']}"
    with adbc_driver_flightsql.dbapi.connect(call["uri"], db_kwargs=options, autocommit=True) as connection:
        with connection.cursor() as cursor:
            cursor.execute(SQL)
            return [row[0] for row in cursor.fetchall()]


def flight(call):
    files = {"tls_root_certs": "root", "cert_chain": "certificate", "private_key": "key"}
    given = {name: read(call[key]) for name, key in files.items() if key in call}
    client = pyarrow.flight.FlightClient(call["uri"].replace("grpc://", "grpc+tcp://"), **given)
    headers = [(b"x-custos-purpose", call.get("purpose", "analytics").encode())]
    if "user" in call:
        headers.append(client.authenticate_basic_token(call["user"], call["secret"]))
    elif "token" in call:
        headers.append((b"authorization", f"Bearer {call['token']}".encode()))
    options = pyarrow.flight.FlightCallOptions(headers=headers, timeout=20)
    actions = client.list_actions(options)
    return sorted(action.type for action in actions)[:1]


for call in json.loads(seen.setting("CALLS")):
    try:
        came_to = {"adbc": adbc, "flight": flight}[call["by"]](call)
    except Exception as error:
        came_to = f"{type(error).__name__}: {error}"
    print(json.dumps(came_to))
