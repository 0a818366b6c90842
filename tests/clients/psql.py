"""psql: its backslash commands, variables, transactions, fetching by parts, files."""

import os
import pty
import re
import subprocess
import tempfile

import seen

PSQL = ["psql", "--no-psqlrc", "--quiet", "--no-readline"]

# What is told of an error is its code.
PRELUDE = "\\set VERBOSITY sqlstate\n\\pset pager off\n"

SCRIPTS = {
    "relations": "\\d",
    "tables": "\\dt",
    "views": "\\dv",
    "views_more": "\\dv customer.*",
    "indexes": "\\di",
    "sequences": "\\ds",
    "materialised": "\\dm",
    "schemas": "\\dn",
    "functions": "\\df",
    "functions_of_schema": "\\df customer.*",
    "types": "\\dT",
    "domains": "\\dD",
    "privileges": "\\dp nowhere",
    "orders": "\\d customer.orders",
    "orders_by_path": "\\d orders",
    "kinds": "\\d customer.kinds",
    "pattern": "\\d customer.o*",
    "missing": "\\d customer.nowhere",
    "built_in_function": "\\df pg_catalog.length",
    "built_in_type": "\\dT int8",
    "settings": "\\dconfig search_path",
    "encoding": "\\encoding",
    "gdesc_orders": "SELECT * FROM customer.orders \\gdesc",
    "gdesc_kinds": "SELECT * FROM customer.kinds \\gdesc",
    "gdesc_literals": f"{seen.LITERALS} \\gdesc",
    "gdesc_expressions": "SELECT count(*), sum(amount), avg(quantity), min(ordered_at), "
    "max(store), 1 + 1, 'a' || 'b', now() IS NULL FROM customer.orders \\gdesc",
    "gset": "SELECT 7 AS seven, 'x y' AS words, NULL AS nothing \\gset got_\n"
    "\\echo :got_seven :'got_words' :{?got_nothing}",
    "gx": "SELECT 1 AS one, 'two' AS two \\gx",
    "gexec": "SELECT 'SELECT ' || n FROM generate_series(1, 3) AS n ORDER BY n \\gexec",
    "crosstab": "SELECT * FROM (VALUES ('a', 'x', 1), ('a', 'y', 2), ('b', 'x', 3)) "
    "AS cells(row_name, column_name, cell) ORDER BY 1, 2 \\crosstabview",
    "rows": seen.ORDERS,
    "kinds_rows": "\\pset null (null)\n" + seen.KINDS,
    "kinds_expanded": "\\x\n\\pset null (null)\n" + seen.KINDS,
    "literals": "\\x\n\\pset null (null)\n" + seen.LITERALS,
    "unaligned": "\\a\n\\t\n\\f |\n" + seen.ORDERS,
    "csv": "\\pset format csv\n" + seen.KINDS,
    "totals": seen.TOTALS,
    "fetch_count": "\\set FETCH_COUNT 2\nSELECT order_id, amount FROM customer.orders "
    "ORDER BY order_id LIMIT 5;\n\\echo :ROW_COUNT\nSELECT 1 / 0;\n\\echo :SQLSTATE",
    "variables": "\\set floor 10.5\n\\set shop 'a''b'\n\\set name order_id\n"
    "SELECT :floor + 1 AS sum, :'shop' AS text;\n"
    "SELECT count(:\"name\") > 0 AS some FROM customer.orders;\n"
    "\\if :{?floor}\n\\echo set\n\\else\n\\echo unset\n\\endif",
    "result_variables": "SELECT 1 WHERE false;\n\\echo :ERROR :SQLSTATE :ROW_COUNT\n"
    "SELECT nothing_like_this;\n\\echo :ERROR :SQLSTATE :ROW_COUNT :LAST_ERROR_SQLSTATE",
    "several_statements": "SELECT 1 AS one\\; SELECT 2 AS two\\; SELECT 3 AS three;",
    "several_and_an_error": "SELECT 1 AS one\\; SELECT 1 / 0\\; SELECT 3 AS three;",
    "comments": "-- nothing\n/* nothing /* within */ */ SELECT 1; ;\n;",
    "on_error_stop": "\\set ON_ERROR_STOP on\nSELECT 1 / 0;\n\\echo not reached",
    "error_rollback": "\\set ON_ERROR_ROLLBACK on\nBEGIN;\nSELECT 1 / 0;\nSELECT 1 AS alive;\nCOMMIT;",
    "autocommit_off": "\\set AUTOCOMMIT off\nSELECT 1 AS one;\nSELECT 1 / 0;\nSELECT 2;\n"
    "ROLLBACK;\nSELECT 3 AS three;\nCOMMIT;",
    "savepoints": "BEGIN;\nSAVEPOINT a;\nSELECT 1 / 0;\nSELECT 1;\nROLLBACK TO a;\n"
    "SELECT 2 AS two;\nRELEASE a;\nCOMMIT;",
    "prepared": "PREPARE cheap(numeric) AS SELECT count(*) FROM customer.orders WHERE amount < $1;\n"
    "EXECUTE cheap(20);\nEXECUTE cheap(40);\nDEALLOCATE cheap;\nEXECUTE cheap(1);",
    "pipe": "SELECT 1 AS one \\g | cat",
    "cursors": "BEGIN;\nDECLARE c CURSOR FOR SELECT n FROM generate_series(1, 5) AS n ORDER BY n;\n"
    "FETCH 2 FROM c;\nFETCH c;\nMOVE 1 IN c;\nFETCH ALL FROM c;\nCLOSE c;\nFETCH c;\nROLLBACK;",
    "shows": "SHOW search_path;\nSET search_path = pg_catalog;\nSHOW search_path;\n"
    "RESET search_path;\nSHOW search_path;\nSHOW transaction_read_only;\nSHOW nothing_like_this;",
    "timezone": "SET timezone = 'Asia/Shanghai';\n"
    "SELECT TIMESTAMPTZ '2026-03-29 02:30:00+02' AS instant;\n"
    "SELECT instant FROM customer.kinds ORDER BY whole NULLS LAST;",
    "timing": "\\timing off\nSELECT 1 AS one;",
    "refused": "INSERT INTO customer.orders (order_id) VALUES ('x');\nUPDATE customer.orders SET store = 'x';\n"
    "DELETE FROM customer.orders;\nCREATE TABLE customer.mine (x int);\nDROP VIEW customer.orders;\n"
    "TRUNCATE customer.orders;\nGRANT SELECT ON customer.orders TO PUBLIC;",
    "copy_out": "COPY (SELECT order_id, amount, store FROM customer.orders ORDER BY order_id LIMIT 3) "
    "TO STDOUT;\nCOPY (SELECT NULL, '', 'a,b', E'a\\tb\\n') TO STDOUT WITH (FORMAT csv, HEADER);\n"
    "COPY (SELECT 1) TO '/tmp/refused';",
}

# What \copy writes: the options by name of the check.
COPIES = {
    "text": "",
    "csv": "WITH (FORMAT csv, HEADER)",
    "csv_forced": "WITH (FORMAT csv, FORCE_QUOTE *, NULL '(null)', DELIMITER ';')",
    "old_csv": "CSV HEADER",
    "binary": "WITH (FORMAT binary)",
}


def command(*more):
    """psql against the server of the environment."""
    return [*PSQL, *more]


def run(script, *more):
    """What psql says to a script."""
    ending = "" if script.startswith("\\d") else "\n;"
    try:
        done = subprocess.run(
            command(*more),
            input=f"{PRELUDE}{script.rstrip(';')}{ending}\n",
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
            timeout=seen.CHECK_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return {"exit": "does not answer", "out": [], "err": []}
    return {
        "exit": done.returncode,
        "out": [comparable(line) for line in before_definition(done.stdout.splitlines())],
        "err": [line for line in done.stderr.splitlines() if line],
    }


def before_definition(lines):
    """Without the text of the view, which each server has its own of."""
    for number, line in enumerate(lines):
        if line.startswith("View definition:"):
            return lines[:number]
    return lines


def comparable(line):
    """Without blanks at the end, which only tell how wide the widest cell is."""
    return line.rstrip()


def column(script, number=0):
    """One column of what a command lists."""
    listed = run(script, "--tuples-only", "--no-align")["out"]
    return [line.split("|")[number] for line in listed if "|" in line]


def scripts():
    """All scripts by name."""
    answers = {name: run(script) for name, script in SCRIPTS.items()}
    answers["orders_with_more"] = run("\\d+ customer.orders")
    return answers


def own_names():
    """Databases and roles differ by server: only whether our own are listed is told."""
    return {
        "database": seen.setting("PGDATABASE") in column("\\l"),
        "role": seen.setting("PGUSER") in column("\\du"),
    }


def list_option():
    """`psql --list`, which connects to another database first."""
    done = subprocess.run(
        command("--list", "--tuples-only", "--no-align"), capture_output=True, text=True, timeout=60
    )
    return {"exit": done.returncode, "own": f"{seen.setting('PGDATABASE')}|" in done.stdout}


def copies():
    """The bytes that \\copy writes into files."""
    answers = {}
    query = {
        "orders": f"({seen.ORDERS})",
        "kinds": f"({seen.KINDS})",
        "literals": f"({seen.LITERALS.replace(', NULL AS nothing', '')})",
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, options in COPIES.items():
            for subject, select in query.items():
                path = os.path.join(folder, f"{subject}.{name}")
                said = run(f"\\copy {select} to '{path}' {options}")
                written = open(path, "rb").read() if os.path.exists(path) else None
                if name == "binary":
                    told = None if written is None else written.hex()
                else:
                    told = None if written is None else written.decode().splitlines()
                answers[f"{subject}_{name}"] = {"file": told, "exit": said["exit"], "err": said["err"]}
    return answers


def explain():
    """That plans are given; each server has its own."""
    found = run("EXPLAIN SELECT count(*) FROM customer.orders WHERE store = 'x'", "--tuples-only")
    as_json = run("EXPLAIN (FORMAT json) SELECT 1", "--tuples-only", "--no-align")
    return {
        "exit": found["exit"],
        "err": found["err"],
        "some": bool(found["out"]),
        "json": as_json["exit"] == 0 and as_json["out"][:1] == ["["],
    }


def prompts():
    """What the prompt tells of the transaction, on a terminal."""
    typed = (
        "\\set VERBOSITY sqlstate\n"
        "SELECT 1 AS one \\g /dev/null\nBEGIN;\nSELECT\n1 / 0;\nSELECT 1;\nROLLBACK;\n"
        "BEGIN;\nSELECT 1 / 0;\nCOMMIT;\n\\q\n"
    )
    ours, theirs = pty.openpty()
    import termios

    modes = termios.tcgetattr(theirs)
    modes[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, modes)
    child = subprocess.Popen(
        ["psql", "--no-psqlrc", "--no-readline", "-v", "PROMPT1=<%x%R> ", "-v", "PROMPT2=<%x%R> "],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        close_fds=True,
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    output = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:
            break
        if not part:
            break
        output += part
    child.wait(timeout=60)
    os.close(ours)
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", output.decode()).replace("\r", "").splitlines()
    start = next((at for at, line in enumerate(lines) if "<" in line), 0)
    return lines[start:]


if __name__ == "__main__":
    seen.print_json({
        "scripts": scripts(),
        "own_names": seen.attempt(own_names),
        "list_option": seen.attempt(list_option),
        "copies": seen.attempt(copies),
        "explain": seen.attempt(explain),
        "prompts": seen.attempt(prompts),
    })
