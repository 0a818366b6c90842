"""pgcli: what it asks the catalog for to complete words, and the program itself."""

import contextlib
import io
import os
import subprocess
import sys
import tempfile

from pgcli.pgexecute import PGExecute
from pgspecial.main import PGSpecial

import seen


def connect():
    return Executor()


class Executor(PGExecute):
    """The part of pgcli that talks to servers, against the server of the environment."""

    def __init__(self):
        super().__init__(
            database=seen.setting("PGDATABASE"),
            user=seen.setting("PGUSER"),
            password=seen.setting("PGPASSWORD"),
            host=seen.setting("PGHOST"),
            port=seen.setting("PGPORT", "5432"),
        )

    def close(self):
        self.conn.close()


def of_ours(found):
    """Without the server's own, of which each has others."""
    def own(row):
        schema = row[0] if isinstance(row, (tuple, list)) else getattr(row, "schema_name", row)
        return str(schema).startswith("pg_") or schema == "information_schema"

    return sorted(str(seen.typed(list(row) if isinstance(row, tuple) else row))
                  for row in found if not own(row))


@seen.check
def schemata(executor):
    return of_ours(executor.schemata())


@seen.check
def search_path(executor):
    return executor.search_path()


@seen.check
def tables(executor):
    return of_ours(executor.tables())


@seen.check
def views(executor):
    return of_ours(executor.views())


@seen.check
def table_columns(executor):
    return of_ours(executor.table_columns())


@seen.check
def view_columns(executor):
    return of_ours(executor.view_columns())


@seen.check
def databases(executor):
    return seen.setting("PGDATABASE") in executor.databases()


@seen.check
def full_databases(executor):
    rows, headers, *_ = executor.full_databases()
    return headers, seen.setting("PGDATABASE") in [row[0] for row in rows]


@seen.check
def foreign_keys(executor):
    return of_ours(executor.foreignkeys())


@seen.check
def functions(executor):
    return of_ours(executor.functions())


@seen.check
def built_in_functions(executor):
    """Whether those that everybody completes are there."""
    known = {function.func_name for function in executor.functions()}
    return {name: name in known for name in ("lower", "date_trunc", "count", "generate_series", "now")}


@seen.check
def datatypes(executor):
    return of_ours(executor.datatypes())


@seen.check
def view_definition(executor):
    return "customer.orders" in executor.view_definition("customer.orders").replace('"', "")


@seen.check
def statements(executor):
    return {
        sql: seen.attempt(answered, executor, sql)
        for sql in (
            "SELECT 1 AS one; SELECT 'two' AS two", "SHOW search_path", "\\d customer.orders",
            "\\d customer.kinds", "\\dv customer.*", "\\dn", "\\dT customer.*", "\\df customer.*",
            "\\dt", "\\di", "\\d nowhere", "SELECT 1 / 0", "SELECT * FROM nowhere",
            "BEGIN; SELECT 1; COMMIT",
        )
    }


def answered(executor, sql):
    """What is shown to whoever types this."""
    # The program says aloud what failed.
    with contextlib.redirect_stderr(io.StringIO()):
        return [
            [title, list(headers) if headers else None, None if rows is None else seen.rows(rows), status]
            for title, rows, headers, status, *_ in executor.run(sql, pgspecial=PGSpecial())
        ]


@seen.check
def program():
    """As one that is started for one statement."""
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "config")
        with open(config, "w", encoding="utf-8") as file:
            file.write("[main]\nuse_local_timezone = False\ntiming = False\n")
        environment = dict(os.environ, XDG_CONFIG_HOME=folder, HOME=folder, PAGER="cat", LC_ALL="C.UTF-8")
        answers = {}
        for name, arguments in {
            "list": ["--list"],
            "statement": ["-c", "SELECT order_id, amount FROM customer.orders ORDER BY order_id LIMIT 2"],
            "error": ["-c", "SELECT 1 / 0"],
        }.items():
            done = subprocess.run(
                [os.path.join(os.path.dirname(sys.executable), "pgcli"), "--pgclirc", config,
                 "--no-password", *arguments],
                env=environment, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
            )
            lines = [line.rstrip() for line in done.stdout.splitlines()]
            if name == "list":
                lines = any(seen.setting("PGDATABASE") in line for line in lines)
            elif name == "error":
                lines = "division" in done.stdout + done.stderr
            answers[name] = [done.returncode, lines]
        return answers


if __name__ == "__main__":
    seen.tell(connect)
