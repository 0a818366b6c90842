"""Apache Superset: a server of its own, driven over its REST API as its pages drive it."""

import atexit
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import uuid

import seen

# Superset loads slowly, and is asked for many things in one check.
seen.CHECK_SECONDS = 120
seen.SCRIPT_SECONDS = 600

# How long Superset may take until it answers.
START_SECONDS = 120

CONFIGURATION = """
SECRET_KEY = {secret!r}
SQLALCHEMY_DATABASE_URI = "sqlite:///{folder}/superset.db"
WTF_CSRF_ENABLED = False
TALISMAN_ENABLED = False
RATELIMIT_ENABLED = False
"""

NAME, PASSWORD = "admin", uuid.uuid4().hex

# Statements as people type them into SQL Lab.
STATEMENTS = {
    "orders": "SELECT order_id, store, amount, ordered_at FROM customer.orders ORDER BY order_id",
    "kinds": seen.KINDS,
    "several": "SELECT 1 AS one; SELECT 'two' AS word;",
    "with": "WITH big AS (SELECT * FROM orders WHERE amount > 5) SELECT store, count(*) AS n FROM big GROUP BY store ORDER BY 1",
    "searched": "SELECT order_id FROM orders WHERE store ILIKE 'BER%' AND category ~ '^t' ORDER BY 1",
    "function": "SELECT no_such_function(order_id) FROM orders",
    "comment": "-- what is sold\nSELECT DISTINCT category FROM orders ORDER BY 1",
    "show": "SHOW search_path",
    "missing": "SELECT * FROM customer.nowhere",
    "syntax": "SELEC 1",
    "changed": "DELETE FROM customer.orders",
    "empty": "SELECT order_id, amount FROM customer.orders WHERE false",
}

COUNT = {"expressionType": "SQL", "sqlExpression": "COUNT(*)", "label": "count"}
SUM = {
    "expressionType": "SIMPLE", "aggregate": "SUM", "column": {"column_name": "amount"}, "label": "SUM(amount)",
}
SHARE = {
    "expressionType": "SQL", "label": "share",
    "sqlExpression": "100.0 * SUM(CASE WHEN channel = 'web' THEN 1 ELSE 0 END) / COUNT(*)",
}


def metric(aggregate, column):
    return {
        "expressionType": "SIMPLE", "aggregate": aggregate, "column": {"column_name": column},
        "label": f"{aggregate}({column})",
    }


def grain(name):
    """The column of times, in steps."""
    return {
        "timeGrain": name, "columnType": "BASE_AXIS", "sqlExpression": "ordered_at", "label": "ordered_at",
        "expressionType": "SQL",
    }


def query(**more):
    return {"columns": [], "metrics": [COUNT], "filters": [], "orderby": [], "row_limit": 100, **more}


def where(column, operator, value=None):
    return {"col": column, "op": operator, **({} if value is None else {"val": value})}


# What charts ask for.
CHARTS = {
    "by_store": query(columns=["store"], metrics=[COUNT, SUM, SHARE], orderby=[["store", True]]),
    "big_number": query(metrics=[metric(name, "amount") for name in ("SUM", "AVG", "MIN", "MAX", "COUNT")]),
    "distinct": query(metrics=[metric("COUNT_DISTINCT", "store")]),
    "table": query(
        columns=["order_id", "store", "amount", "ordered_at"], metrics=None, orderby=[["order_id", True]]
    ),
    "top": query(columns=["category"], metrics=[SUM], orderby=[[SUM, False]], series_limit=1, row_limit=1),
    "series": query(
        columns=[grain("P1D"), "store"], metrics=[SUM], series_columns=["store"], series_limit=5,
        series_limit_metric=SUM, orderby=[[SUM, False]],
    ),
    "filtered": query(
        columns=["order_id"], metrics=[SUM], orderby=[["order_id", True]],
        filters=[
            where("store", "IN", ["berlin", "上海"]), where("amount", ">=", 5), where("category", "NOT IN", ["none"]),
            where("order_id", "LIKE", "o%"), where("store", "ILIKE", "BER%"), where("person_id", "IS NOT NULL"),
        ],
    ),
    "apostrophe": query(filters=[where("store", "==", "it's")]),
    "custom": query(
        columns=[{"expressionType": "SQL", "sqlExpression": "upper(store)", "label": "upper"}], metrics=[COUNT],
        extras={"where": "(amount > 1)", "having": "(COUNT(*) > 1)"}, orderby=[[COUNT, False]],
    ),
    "totals": query(metrics=[SUM], is_rowcount=True),
    "row_count": query(columns=["order_id"], metrics=None, is_rowcount=True),
    "samples": query(columns=[], metrics=None, result_type="samples"),
    **{
        f"by_{name}": query(columns=[grain(name)], metrics=[COUNT], orderby=[[COUNT, False]])
        for name in ("PT1S", "PT1M", "PT1H", "P1D", "P1W", "P1M", "P3M", "P1Y")
    },
}

# Steps that Superset computes from the beginning of an hour or minute.
FINE = {
    name: query(columns=[grain(name)], metrics=[COUNT], orderby=[[COUNT, False]])
    for name in ("PT5S", "PT30S", "PT5M", "PT10M", "PT15M", "PT30M")
}

# The times of one, as the filter of nearly every chart and dashboard has them.
RANGES = {
    name: query(columns=["order_id"], metrics=[SUM], orderby=[["order_id", True]], filters=[
        where("ordered_at", "TEMPORAL_RANGE", value)
    ])
    for name, value in {
        "days": "2026-03-01 : 2026-03-03", "no_end": "2026-03-02 : ", "no_begin": " : 2026-03-02T12:00:00",
        "none": "No filter", "old": "2020-01-01 : 2020-02-01",
    }.items()
}


class Superset:
    """A server in a temporary folder, which ends with this program."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="superset-")
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        configuration = pathlib.Path(self.folder, "superset_config.py")
        configuration.write_text(CONFIGURATION.format(secret=uuid.uuid4().hex * 2, folder=self.folder))
        own = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        self.environment = {
            **own, "SUPERSET_CONFIG_PATH": str(configuration), "SUPERSET_HOME": self.folder,
            "FLASK_APP": "superset.app:create_app()", "HOME": self.folder,
        }
        self.program = str(pathlib.Path(sys.executable).with_name("superset"))
        self.run("db", "upgrade")
        self.run(
            "fab", "create-admin", "--username", NAME, "--password", PASSWORD, "--firstname", "A",
            "--lastname", "B", "--email", "admin@example.test",
        )
        self.run("init")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        arguments = [self.program, "run", "--host", "127.0.0.1", "--port", str(self.port), "--with-threads"]
        self.log = open(pathlib.Path(self.folder, "log"), "w+b")
        self.server = subprocess.Popen(
            arguments, env=self.environment, stdout=self.log, stderr=self.log, start_new_session=True
        )
        atexit.register(self.end)
        self.headers = {}
        self.await_answer()
        told = self.call("POST", "/api/v1/security/login", {
            "username": NAME, "password": PASSWORD, "provider": "db", "refresh": False,
        })
        self.headers = {"Authorization": f"Bearer {told[1]['access_token']}"}

    def run(self, *arguments):
        subprocess.run(
            [self.program, *arguments], env=self.environment, check=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=None if os.environ.get("CLIENTS_VERBOSE") else subprocess.DEVNULL,
        )

    def end(self):
        os.killpg(self.server.pid, signal.SIGKILL)
        self.server.wait()

    def await_answer(self):
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self.server.poll() is None:
            try:
                if self.call("GET", "/health")[0] == 200:
                    return
            except OSError:
                time.sleep(0.2)
        raise TimeoutError("Superset does not answer")

    def call(self, method, path, body=None):
        """The status, and the body as JSON or text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seen.CHECK_SECONDS)
        headers = {"Accept": "application/json", **self.headers}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        try:
            told = json.loads(text)
        except ValueError:
            told = text
        if answer.status >= 400 and os.environ.get("CLIENTS_VERBOSE"):
            print(f"{method} {path}: {answer.status} {text[:2000]}", file=sys.stderr)
        return answer.status, told

    def get(self, path, **arguments):
        """Arguments are in Rison, of which these need no more than this."""
        parts = ",".join(f"{name}:{value}" for name, value in arguments.items())
        return self.call("GET", path + (f"?q=({urllib.parse.quote(parts)})" if parts else ""))


SUPERSET = None
NUMBERS = {}


def parameters():
    return {
        "database_name": "shop",
        "sqlalchemy_uri": seen.url("postgresql+psycopg2"),
        "configuration_method": "sqlalchemy_form",
    }


def told(answer, *fields):
    """The status, and of its body these fields or, of a failure, what kind it is."""
    status, body = answer
    if status >= 400 or not isinstance(body, dict):
        errors = body.get("errors", []) if isinstance(body, dict) else []
        return [status, [error.get("error_type") for error in errors]]
    return [status, *(body.get(field) for field in fields)]


def of_columns(columns):
    kept = ("column_name", "name", "type", "type_generic", "is_dttm", "nullable", "groupby", "filterable", "keys")
    return [{name: column[name] for name in kept if name in column} for column in columns]


@seen.check
def connected():
    """The form that makes a connection: it is tried, then kept."""
    tried = told(SUPERSET.call("POST", "/api/v1/database/test_connection/", parameters()), "message")
    # Statements that change something are for the database to refuse.
    more = {"expose_in_sqllab": True, "allow_dml": True}
    made = SUPERSET.call("POST", "/api/v1/database/", {**parameters(), **more})
    NUMBERS["database"] = made[1]["id"]
    return {"tried": tried, "made": told(made)}


@seen.check
def refused():
    """The form again, with another password."""
    wrong = dict(parameters(), sqlalchemy_uri=seen.url("postgresql+psycopg2").replace("@", "x@", 1))
    return told(SUPERSET.call("POST", "/api/v1/database/test_connection/", wrong))


def of_database(path, **arguments):
    return SUPERSET.get(f"/api/v1/database/{NUMBERS['database']}/{path}", **arguments)


@seen.check
def listed():
    """Schemas and tables, as the lists of SQL Lab and of new datasets show them."""
    tables = of_database("tables/", schema_name="customer", force="!t")
    # Other tables of the model are made in both databases, too.
    tables = [sorted((each["value"], each["type"]) for each in tables[1]["result"]), tables[1]["count"]]
    status, schemas = of_database("schemas/", force="!t")
    return {
        # In any order: nobody asks for one.
        "schemas": [status, sorted(schemas["result"])],
        "tables": tables,
        "of_nothing": told(of_database("tables/", schema_name="nowhere", force="!t"), "result", "count"),
        "functions": [status := of_database("function_names/")[0], status == 200],
        "catalogs": told(of_database("catalogs/"), "result")[:1],
    }


@seen.check
def described():
    """A table, as SQL Lab previews it."""
    answers = {}
    for table in ("orders", "kinds"):
        found = SUPERSET.call(
            "GET", f"/api/v1/database/{NUMBERS['database']}/table_metadata/?name={table}&schema=customer"
        )
        answers[table] = told(
            found, "name", "columns", "primaryKey", "foreignKeys", "indexes", "comment", "selectStar"
        )
        answers[f"{table}_more"] = told(SUPERSET.call(
            "GET", f"/api/v1/database/{NUMBERS['database']}/table_metadata/extra/?name={table}&schema=customer"
        ), "metadata")
        answers[f"{table}_starred"] = told(of_database(f"select_star/{table}/customer/"), "result")
    nowhere = f"/api/v1/database/{NUMBERS['database']}/table_metadata/?name=nowhere&schema=customer"
    answers["nowhere"] = told(SUPERSET.call("GET", nowhere))
    return answers


@seen.check
def dataset():
    """A dataset of each table, and one of a statement."""
    answers = {}
    for table in ("orders", "kinds"):
        made = SUPERSET.call("POST", "/api/v1/dataset/", {
            "database": NUMBERS["database"], "schema": "customer", "table_name": table,
        })
        answers[f"{table}_made"] = told(made)
        NUMBERS[table] = made[1]["id"]
        found = SUPERSET.call("GET", f"/api/v1/dataset/{NUMBERS[table]}")[1]["result"]
        answers[table] = [found["main_dttm_col"], found["kind"], of_columns(found["columns"])]
        answers[f"{table}_refreshed"] = told(
            SUPERSET.call("PUT", f"/api/v1/dataset/{NUMBERS[table]}/refresh"), "message"
        )
    answers["nowhere"] = told(SUPERSET.call("POST", "/api/v1/dataset/", {
        "database": NUMBERS["database"], "schema": "customer", "table_name": "nowhere",
    }))
    made = SUPERSET.call("POST", "/api/v1/dataset/", {
        "database": NUMBERS["database"], "schema": "customer", "table_name": "virtual",
        "sql": "SELECT store, sum(amount) AS total, max(ordered_at) AS newest FROM orders GROUP BY store",
    })
    NUMBERS["virtual"] = made[1]["id"]
    found = SUPERSET.call("GET", f"/api/v1/dataset/{NUMBERS['virtual']}")[1]["result"]
    answers["virtual"] = [told(made), found["kind"], of_columns(found["columns"])]
    return answers


def executed(sql, **more):
    client = uuid.uuid4().hex[:10]
    answer = SUPERSET.call("POST", "/api/v1/sqllab/execute/", {
        "client_id": client, "database_id": NUMBERS["database"], "runAsync": False, "schema": "customer",
        "sql": sql, "tab": "t", "tmp_table_name": "", "select_as_cta": False, "ctas_method": "TABLE",
        "queryLimit": 1000, "expand_data": True, "sql_editor_id": "1", **more,
    })
    if isinstance(answer[1], dict) and "columns" in answer[1]:
        columns = [[each["column_name"], each["type"], each["is_dttm"]] for each in answer[1]["columns"]]
        return client, [answer[0], answer[1]["status"], columns, answer[1]["data"]]
    return client, told(answer)


@seen.check
def sql_lab():
    """Statements of people, and what they take away."""
    answers = {name: executed(sql)[1] for name, sql in STATEMENTS.items()}
    answers["few"] = executed("SELECT order_id FROM orders ORDER BY 1", queryLimit=2)[1]
    client, _ = executed(STATEMENTS["orders"])
    answers["taken"] = list(SUPERSET.call("GET", f"/api/v1/sqllab/export/{client}/"))
    answers["history"] = SUPERSET.call("GET", "/api/v1/query/")[0]
    return answers


def charted(table, asked, **more):
    answer = SUPERSET.call("POST", "/api/v1/chart/data", {
        "datasource": {"id": NUMBERS[table], "type": "table"}, "force": True, "queries": [asked],
        "result_format": "json", "result_type": "full", **more,
    })
    if answer[0] != 200 or not isinstance(answer[1], dict):
        return [answer[0], answer[1] if more else told(answer)]
    result = answer[1]["result"][0]
    # Groups come in any order unless one is asked for.
    rows = result.get("data")
    rows = sorted(rows, key=json.dumps) if isinstance(rows, list) else rows
    return [result.get("status"), result.get("colnames"), result.get("coltypes"), result.get("rowcount"), rows]


@seen.check
def charts():
    """A chart is made and kept, and the data of many are fetched."""
    asked = {
        "datasource": {"id": NUMBERS["orders"], "type": "table"}, "queries": [CHARTS["by_store"]],
        "result_format": "json", "result_type": "full", "force": True,
    }
    made = SUPERSET.call("POST", "/api/v1/chart/", {
        "slice_name": "by store", "viz_type": "table", "datasource_id": NUMBERS["orders"], "datasource_type": "table",
        "params": json.dumps({"viz_type": "table", "groupby": ["store"], "metrics": [COUNT, SUM]}),
        "query_context": json.dumps(asked),
    })
    kept = SUPERSET.call("GET", f"/api/v1/chart/{made[1]['id']}/data/?force=true")
    answers = {name: charted("orders", asked) for name, asked in CHARTS.items()}
    answers["made"] = told(made)
    answers["kept"] = [kept[0], kept[1]["result"][0]["data"] if kept[0] == 200 else None]
    answers["csv"] = charted("orders", CHARTS["table"], result_format="csv")
    answers["of_statement"] = charted("virtual", query(
        columns=["store"], metrics=[metric("SUM", "total"), metric("MAX", "newest")], orderby=[["store", True]]
    ))
    answers["of_kinds"] = charted("kinds", query(
        columns=["flag", "small", "whole", "big", "exact", "words", "day", "clock", "moment", "instant"], metrics=None,
        orderby=[["whole", True]],
    ))
    answers["wrong"] = charted("orders", query(metrics=[
        {"expressionType": "SQL", "sqlExpression": "SUM(nowhere)", "label": "x"}
    ]))
    return answers


@seen.check
def ranges_of_time():
    """Charts of a part of time."""
    return {name: charted("orders", asked) for name, asked in RANGES.items()}


@seen.check
def fine_steps_of_time():
    """Charts by a few seconds or minutes."""
    return {name: charted("orders", asked) for name, asked in FINE.items()}


@seen.check
def values():
    """The values that filters offer, and the rows behind a part of a chart."""
    answers = {}
    for column in ("store", "category", "quantity", "ordered_at"):
        path = f"/api/v1/datasource/table/{NUMBERS['orders']}/column/{column}/values/"
        status, body = SUPERSET.call("GET", path)
        answers[column] = [status, sorted(body["result"], key=str) if status == 200 else told((status, body))]
    drilled = charted("orders", query(metrics=None, filters=[where("store", "==", "berlin")]), result_type="drill_detail")
    return {**answers, "drilled": drilled}


@seen.check
def plans():
    """A plan is told as rows of text."""
    _, answer = executed("EXPLAIN SELECT store FROM orders")
    rows = answer[3] if len(answer) == 4 else []
    of_text = [isinstance(value, str) for row in rows for value in row.values()]
    return [answer[:3], any(of_text), all(of_text)]


@seen.check
def windows():
    """What is computed over windows."""
    return executed(
        "SELECT order_id, sum(amount) OVER (ORDER BY order_id) AS total, "
        "row_number() OVER (PARTITION BY store ORDER BY amount DESC, order_id) AS place FROM orders ORDER BY 1"
    )[1]


@seen.check
def left():
    """What failed left nothing behind that the next statement meets."""
    return [executed("SELECT * FROM nowhere")[1], executed("SELECT 1 AS one")[1]]


if __name__ == "__main__":
    SUPERSET = Superset()
    seen.tell()
