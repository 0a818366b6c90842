"""HTTP by Python's own client: every form of an answer, statements for later, figures and traces."""

import csv
import gzip
import io
import json
import subprocess
import time
import urllib.error
import urllib.request

import pyarrow
import pyarrow.ipc
import pyarrow.parquet

import seen

KINDS = (
    "SELECT order_id, amount, ordered_at, amount > 50 AS large, CAST(NULL AS VARCHAR) AS nothing "
    "FROM orders ORDER BY order_id"
)

PARAMETERS = (
    "SELECT order_id FROM orders WHERE amount >= $1 AND ordered_at < $2 AND order_id <> $3 "
    "ORDER BY order_id"
)


def ask(method, path, body=None, token="ANALYST2_SECRET", **headers):
    """Status, headers and body of an answer."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers.setdefault("x-custos-purpose", "analytics")
    if token:
        headers["authorization"] = "Bearer " + seen.setting(token)
    data = None if body is None else json.dumps(body).encode()
    url = f"http://{seen.setting('HTTP')}{path}"
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    try:
        answer = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        answer = error
    return answer.status, dict(answer.headers), answer.read()


def sql(text, parameters=(), accept="application/json", **headers):
    body = {"sql": text, "parameters": list(parameters)}
    return ask("POST", "/v1/sql", body, accept=accept, **headers)


def problem(answer):
    status, headers, body = answer
    told = json.loads(body)
    return [status, headers["content-type"], told["code"], told["detail"]]


def plain(rows):
    """Rows of Arrow as JSON has them."""
    return [{name: seen.typed(value) for name, value in row.items()} for row in rows]


def orders(times):
    """All combinations of so many orders."""
    return ", ".join(f"orders AS t{number}" for number in range(times))


def formats():
    told = {}
    for name, accept in {
        "json": "application/json",
        "ndjson": "application/x-ndjson",
        "csv": "text/csv",
        "arrow": "application/vnd.apache.arrow.stream",
        "parquet": "application/vnd.apache.parquet",
    }.items():
        status, headers, body = sql(KINDS, accept=accept)
        assert (status, headers["content-type"]) == (200, accept), (status, headers)
        if name == "json":
            told[name] = json.loads(body)
        elif name == "ndjson":
            told[name] = [json.loads(line) for line in body.splitlines()]
        elif name == "csv":
            told[name] = list(csv.DictReader(io.StringIO(body.decode())))
        else:
            table = (
                pyarrow.ipc.open_stream(body).read_all()
                if name == "arrow"
                else pyarrow.parquet.read_table(io.BytesIO(body))
            )
            told[name] = plain(table.to_pylist())
            told[name + "_types"] = [str(field.type) for field in table.schema]
    status, _, body = sql("SELECT order_id FROM orders WHERE amount < 0", accept="text/csv")
    told["csv_of_nothing"] = [status, body.decode()]
    return told


def parameters():
    values = ["0.01", "2027-01-01T00:00:00Z", "o3"]
    told = {"rows": json.loads(sql(PARAMETERS, values)[2])}
    told["null"] = json.loads(sql("SELECT CAST($1 AS BIGINT) AS n", [None])[2])
    told["list"] = json.loads(sql("SELECT array_length(CAST($1 AS BIGINT[])) AS n", [[1, 2]])[2])
    told["too_few"] = problem(sql(PARAMETERS, values[:2]))
    told["wrong_type"] = problem(sql(PARAMETERS, ["canary-7f3a", *values[1:]]))
    return told


def alike(one, other):
    """Whether two answers have the same rows, in any order."""
    return sorted(map(str, json.loads(one))) == sorted(map(str, json.loads(other)))


def compressed():
    told = {}
    many = f"SELECT t0.order_id, t6.amount FROM {orders(7)}"
    whole = sql(many)[2]
    _, headers, body = sql(many, accept_encoding="gzip")
    told["gzip"] = [headers.get("content-encoding"), alike(gzip.decompress(body), whole)]
    _, headers, body = sql(many, accept_encoding="zstd")
    # The frame does not say how long its content is.
    stream = pyarrow.CompressedInputStream(pyarrow.BufferReader(body), "zstd")
    told["zstd"] = [headers.get("content-encoding"), alike(stream.read(), whole)]
    told["smaller"] = 0 < len(body) * 4 < len(whole)
    parquet = "application/vnd.apache.parquet"
    _, headers, _ = sql(many, accept=parquet, accept_encoding="gzip")
    told["parquet"] = headers.get("content-encoding")
    return told


def later():
    """Statements whose rows are fetched later."""
    told = {}
    body = {"sql": "SELECT order_id FROM orders ORDER BY order_id"}
    status, headers, text = ask("POST", "/v1/statements", body, idempotency_key="k-1")
    address, begun = headers["location"], json.loads(text)
    told["submitted"] = [status, begun["state"] in ("running", "ready")]
    _, _, text = ask("POST", "/v1/statements", body, idempotency_key="k-1")
    told["again"] = json.loads(text)["id"] == begun["id"]
    other = {"sql": "SELECT 1"}
    told["other"] = problem(ask("POST", "/v1/statements", other, idempotency_key="k-1"))
    status, _, text = ask("GET", address + "?wait=20")
    told["ready"] = [status, json.loads(text)["state"]]
    told["of_others"] = problem(ask("GET", address, token="ANALYST3_SECRET"))
    told["rows_of_others"] = problem(ask("GET", address + "/rows", token="ANALYST3_SECRET"))
    status, headers, text = ask("GET", address + "/rows", accept="application/x-ndjson")
    told["rows"] = [status, headers["content-type"], text.decode().splitlines()]
    told["rows_again"] = problem(ask("GET", address + "/rows"))
    told["listed"] = [known["state"] for known in json.loads(ask("GET", "/v1/statements")[2])]

    failing = {"sql": "SELECT 1 / (count(*) - count(*)) FROM orders"}
    address = ask("POST", "/v1/statements", failing)[1]["location"]
    status, _, text = ask("GET", address + "?wait=20")
    failed = json.loads(text)
    told["failed"] = [status, failed["state"], failed["problem"]["code"]]
    told["rows_of_failed"] = problem(ask("GET", address + "/rows"))

    slow = {"sql": f"SELECT count(*) FROM {orders(24)} WHERE t0.amount + t23.amount > 1"}
    address = ask("POST", "/v1/statements", slow)[1]["location"]
    status, _, text = ask("DELETE", address)
    told["cancelled"] = [status, json.loads(text)["state"]]
    told["rows_of_cancelled"] = problem(ask("GET", address + "/rows"))

    address = ask("POST", "/v1/statements", body)[1]["location"]
    ask("GET", address + "?wait=20")
    subprocess.run(json.loads(seen.setting("WITHDRAW")), check=True, capture_output=True)
    told["after_withdrawal"] = problem(ask("GET", address + "/rows"))
    return told


def requests():
    """Requests for erasure, of which one is sent again after it is done."""
    body = {
        "type": "erasure", "subject": "customer_id@pos:M-ANA", "regime": "gdpr",
        "verified_by": "J. Weber", "wait": "L2",
    }

    def sent(key, **other):
        headers = {"token": "OFFICER2_SECRET", "idempotency_key": key}
        return ask("POST", "/v1/privacy/requests", body | other, **headers)

    told = []
    for key in ["r-1", "r-1", "r-2"]:
        status, _, text = sent(key)
        told.append([status, json.loads(text)["id"]])
    other = problem(sent("r-1", subject="customer_id@pos:M-BO"))
    return {"sent": told, "other": other}


def operation():
    for _ in range(100):
        told = {"metrics": ask("GET", "/metrics", token=None)[2].decode()}
        # What was stopped takes a moment to end.
        if "custos_statements_running 0" in told["metrics"]:
            break
        time.sleep(0.1)
    told["described"] = sorted(json.loads(ask("GET", "/openapi.json", token=None)[2])["paths"])
    status, headers, body = ask("DELETE", "/v1/sql")
    told["method"] = [status, headers["allow"], json.loads(body)["code"]]
    return told


def traced():
    """A statement that is part of a trace of ours; what the collector is sent is told by it."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    status, _, _ = sql("SELECT count(*) AS n FROM orders", traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    return status


if __name__ == "__main__":
    told = {
        "formats": formats(),
        "parameters": parameters(),
        "compressed": compressed(),
        "later": later(),
        "requests": requests(),
        "operation": operation(),
        "traced": traced(),
    }
    print(json.dumps(told))
