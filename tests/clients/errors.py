"""The codes that errors carry, in the simple and in the extended protocol."""

import threading
import time

import psycopg

import raw
import seen

STATEMENTS = {
    "syntax": "SELEC 1",
    "syntax_at_end": "SELECT 1 +",
    "unfinished_text": "SELECT 'x",
    "unknown_table": "SELECT * FROM nowhere",
    "unknown_schema": "SELECT * FROM nowhere.orders",
    "unknown_database": "SELECT * FROM nowhere.customer.orders",
    "unknown_column": "SELECT nothing FROM customer.orders",
    "unknown_column_of_alias": "SELECT o.nothing FROM customer.orders AS o",
    "unknown_alias": "SELECT p.order_id FROM customer.orders AS o",
    "ambiguous_column": "SELECT order_id FROM customer.orders AS a, customer.orders AS b",
    "unknown_function": "SELECT no_such_function(1)",
    "wrong_arguments": "SELECT lower(1, 2)",
    "unknown_operator": "SELECT true + 1",
    "unknown_type": "SELECT 'x'::no_such_type",
    "unknown_setting": "SHOW no_such_setting",
    "unknown_setting_set": "SET no_such_setting = 1",
    "bad_setting": "SET timezone = 'Nowhere/At_All'",
    "bad_number_of_setting": "SET statement_timeout = 'x'",
    "read_only_setting": "SET server_version = '1'",
    "bad_cast": "SELECT 'x'::int",
    "bad_boolean": "SELECT 'x'::bool",
    "bad_uuid": "SELECT 'x'::uuid",
    "bad_date": "SELECT 'x'::date",
    "date_out_of_range": "SELECT '2026-02-30'::date",
    "bad_json": "SELECT '{'::json",
    "bad_bytes": r"SELECT '\xzz'::bytea",
    "bad_array": "SELECT '{1'::int[]",
    "mismatched_types": "SELECT 1 UNION SELECT 'x'::text",
    "comparison": "SELECT 1 = 'x'::text",
    "division": "SELECT 1 / 0",
    "division_of_numeric": "SELECT 1.0 / 0",
    "division_of_rows": "SELECT 1 / (quantity - quantity) FROM customer.orders",
    "modulo": "SELECT 1 % 0",
    "int2_overflow": "SELECT 32767::int2 + 1::int2",
    "int4_overflow": "SELECT 2147483647 + 1",
    "int8_overflow": "SELECT 9223372036854775807 + 1",
    "int8_overflow_of_rows": "SELECT quantity + 9223372036854775807 FROM customer.orders WHERE quantity > 0",
    "narrowing": "SELECT 5000000000::int4",
    "numeric_overflow": "SELECT 1000::numeric(3, 0)",
    "text_too_large": "SELECT '99999999999'::int4",
    "square_root": "SELECT sqrt(-1)",
    "logarithm": "SELECT ln(0)",
    "substring": "SELECT substring('abc', 1, -1)",
    "negative_limit": "SELECT 1 LIMIT -1",
    "no_grouping": "SELECT store, count(*) FROM customer.orders",
    "aggregate_in_where": "SELECT 1 FROM customer.orders WHERE count(*) > 1",
    "nested_aggregates": "SELECT sum(count(*)) FROM customer.orders",
    "window_in_where": "SELECT 1 FROM customer.orders WHERE row_number() OVER () = 1",
    "many_rows": "SELECT (SELECT n FROM generate_series(1, 2) AS n)",
    "many_columns": "SELECT 1 WHERE 1 IN (SELECT 1, 2)",
    "unequal_unions": "SELECT 1 UNION SELECT 1, 2",
    "condition_type": "SELECT 1 WHERE 1",
    "ordinal": "SELECT 1 ORDER BY 2",
    "duplicate_alias": "SELECT 1 FROM customer.orders AS a, customer.orders AS a",
    "recursion": "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT * FROM no_r) SELECT * FROM r",
    "unknown_cursor": "FETCH 1 FROM no_such_cursor",
    "unknown_cursor_closed": "CLOSE no_such_cursor",
    "unknown_statement": "EXECUTE no_such_statement",
    "unknown_statement_freed": "DEALLOCATE no_such_statement",
    "savepoint_outside": "SAVEPOINT a",
    "unknown_savepoint": "BEGIN; ROLLBACK TO SAVEPOINT nowhere",
    "cursor_outside": "DECLARE c CURSOR FOR SELECT 1",
    "isolation_too_late": "BEGIN; SELECT 1; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "insert": "INSERT INTO customer.orders (order_id) VALUES ('x')",
    "update": "UPDATE customer.orders SET store = 'x'",
    "delete": "DELETE FROM customer.orders",
    "truncate": "TRUNCATE customer.orders",
    "create_table": "CREATE TABLE customer.mine (x int)",
    "create_temporary": "CREATE TEMP TABLE mine (x int)",
    "create_table_as": "CREATE TABLE customer.mine AS SELECT 1 AS x",
    "select_into": "SELECT 1 AS x INTO customer.mine",
    "create_view": "CREATE VIEW customer.mine AS SELECT 1 AS x",
    "create_schema": "CREATE SCHEMA mine",
    "create_database": "CREATE DATABASE mine",
    "create_role": "CREATE ROLE mine",
    "create_function": "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "create_extension": "CREATE EXTENSION postgres_fdw",
    "alter": "ALTER VIEW customer.orders RENAME TO others",
    "drop_view": "DROP VIEW customer.orders",
    "drop_missing": "DROP TABLE nowhere",
    "grant": "GRANT SELECT ON customer.orders TO PUBLIC",
    "set_role": "SET ROLE no_such_role",
    "for_update": "SELECT order_id FROM customer.orders FOR UPDATE",
    "do": "DO $$BEGIN NULL; END$$",
    "copy_in": "COPY customer.orders FROM STDIN",
    "copy_file": "COPY (SELECT 1) TO '/tmp/refused'",
    "copy_program": "COPY (SELECT 1) TO PROGRAM 'true'",
    "read_file": "SELECT pg_read_file('/etc/passwd')",
    "list_folder": "SELECT pg_ls_dir('.')",
    "passwords": "SELECT * FROM pg_authid",
}


def connect(**more):
    return psycopg.connect("", autocommit=True, **more)


def code(function, *arguments, **named):
    """The code of the error, or that there was none."""
    try:
        function(*arguments, **named)
    except psycopg.Error as error:
        return error.sqlstate or type(error).__name__
    return "no error"


def position(connection, sql):
    """Where the error is said to be, if anywhere, and how severe it is."""
    try:
        connection.execute(sql)
    except psycopg.Error as error:
        return [error.diag.severity, error.diag.severity_nonlocalized, error.diag.statement_position]
    return None


def again(connection, sql, simple):
    """The code, in a connection that is then as before."""
    try:
        return simple_code(connection, sql) if simple else code(connection.execute, sql, prepare=True)
    finally:
        if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            connection.execute("ROLLBACK")


def simple_code(connection, sql):
    result = connection.pgconn.exec_(sql.encode())
    found = result.error_field(psycopg.pq.DiagnosticField.SQLSTATE)
    if result.status == psycopg.pq.ExecStatus.COPY_IN:
        connection.pgconn.put_copy_end(b"refused")
        while (last := connection.pgconn.get_result()) is not None:
            found = last.error_field(psycopg.pq.DiagnosticField.SQLSTATE) or found
    return found.decode() if found else "no error"


@seen.check
def simple(connection):
    return {name: again(connection, sql, True) for name, sql in STATEMENTS.items()}


@seen.check
def extended(connection):
    """But for those that are several statements, or would begin a COPY."""
    return {
        name: again(connection, sql, False)
        for name, sql in STATEMENTS.items()
        if ";" not in sql and not name.startswith("copy_in")
    }


@seen.check
def positions(connection):
    """Where the server points at."""
    names = ("syntax", "syntax_at_end", "unknown_table", "unknown_column", "unknown_function", "division")
    return {name: position(connection, STATEMENTS[name]) for name in names}


@seen.check
def aborted(connection):
    connection.execute("BEGIN")
    first = code(connection.execute, "SELECT 1 / 0")
    found = {
        sql: code(connection.execute, sql)
        for sql in ("SELECT 1", "SHOW search_path", "SELEC 1", "SAVEPOINT a", "BEGIN", "SET timezone = 'UTC'")
    }
    parameters = code(connection.execute, "SELECT %s", (1,))
    connection.execute("ROLLBACK")
    return {"first": first, "then": found, "parameters": parameters,
            "alive": connection.execute("SELECT 1").fetchall()}


@seen.check
def bad_parameters(connection):
    cases = {
        "text_for_number": ("SELECT %s::int", ("x",)),
        "too_many": ("SELECT $1::int", (1, 2)),
        "too_few": ("SELECT $1::int, $2::int", (1,)),
        "comparison": ("SELECT count(*) FROM customer.orders WHERE quantity = %s", ("x",)),
        "division": ("SELECT 1 / %s", (0,)),
        "date": ("SELECT %s::date", ("2026-02-30",)),
    }
    answers = {}
    for name, (sql, values) in cases.items():
        cursor = psycopg.RawCursor(connection) if "$" in sql else connection.cursor()
        answers[name] = code(cursor.execute, sql, values)
    return answers


@seen.check
def logins():
    return {
        "wrong_password": login(password="wrong"),
        "empty_password": login(password=""),
        "unknown_user": login(user="nobody_at_all"),
        "unknown_database": login(dbname="nowhere_at_all"),
        "wrong_setting": login(options="-c no_such_setting=1"),
    }


def login(**more):
    """The code with which the server refuses: no connection is made that could hold it."""
    with raw.Connection() as connection:
        return connection.start(**more)


@seen.check
def statement_timeout(connection):
    connection.execute("SET statement_timeout = '300ms'")
    late = code(connection.execute, seen.ENDLESS)
    connection.execute("BEGIN")
    in_transaction = code(connection.execute, seen.ENDLESS)
    then = code(connection.execute, "SELECT 1")
    connection.execute("ROLLBACK")
    connection.execute("SET statement_timeout = 0")
    return {"late": late, "in_transaction": in_transaction, "then": then,
            "alive": connection.execute("SELECT 1").fetchall()}


@seen.check
def sleep_timeout(connection):
    connection.execute("SET statement_timeout = '300ms'")
    return code(connection.execute, "SELECT pg_sleep(30)")


@seen.check
def cancelled(connection):
    def cancel():
        time.sleep(0.5)
        connection.cancel()

    answers = {}
    for name, sql in {
        "rows": seen.ENDLESS,
        "sleep": "SELECT pg_sleep(30)",
        "copy": f"COPY ({seen.ENDLESS}) TO STDOUT",
    }.items():
        thread = threading.Thread(target=cancel)
        thread.start()
        if name == "copy":
            answers[name] = code(copied, connection, sql)
        else:
            answers[name] = code(connection.execute, sql)
        thread.join()
    # A request that comes when nothing runs does nothing.
    connection.cancel()
    time.sleep(0.2)
    answers["alive"] = connection.execute("SELECT 1").fetchall()
    return answers


def copied(connection, sql):
    with connection.cursor().copy(sql) as copy:
        for _ in copy:
            pass


if __name__ == "__main__":
    seen.tell(connect)
