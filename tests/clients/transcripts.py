"""What tools send that cannot be run here: replayed from `transcripts`, statement by statement.

Blocks of a transcript are parted by empty lines, and each is sent at once. Lines of it that begin
with `-- ` and one of these words are not sent:

- `name`: what the block is called; each is a check of its own.
- `protocol`: `simple`, `extended` or `binary` (extended, with results in binary), from here on.
- `parameters`: values, parted by ` | `; `types`: numbers of their types.
- `rows`: `none` are told, or they are `sorted`, or only those `with` one of these values.
- `hide`: columns whose values are not told.
- `empty`: a text without a statement in it.
"""

import faulthandler
import json
import pathlib
import re
import sys

import raw
import seen
from raw import bind, describe, execute, parse

FOLDER = pathlib.Path(__file__).with_name("transcripts")

DIRECTIVE = re.compile(r"-- (name|protocol|parameters|types|rows|hide|empty): (.*)")


def blocks(text):
    """The statements of a transcript, each with what is said of it."""
    protocol = "simple"
    for block in text.strip().split("\n\n"):
        said, lines = {}, []
        for line in block.splitlines():
            directive = None if lines else DIRECTIVE.fullmatch(line)
            if directive:
                said[directive[1]] = directive[2]
            elif lines or not line.startswith("--") or "name" in said:
                lines.append(line)
        protocol = said.get("protocol", protocol)
        sql = said.get("empty") or "\n".join(lines)
        if sql:
            yield said["name"], sql, {**said, "protocol": protocol}


def asked(connection, sql, said):
    """All messages of the answer."""
    if said["protocol"] == "simple":
        return connection.query(sql)
    values = [value for value in said.get("parameters", "").split(" | ") if value]
    types = [int(number) for number in said.get("types", "").split()]
    results = (raw.BINARY,) if said["protocol"] == "binary" else ()
    return connection.extended(
        parse(sql.removesuffix(";"), types=types), bind(*values, results=results), describe("P"), execute()
    )


def told(answers, said):
    """The answer without what differs by nature, and without rows that are not wanted."""
    way, _, wanted = said.get("rows", "all").partition(" ")
    wanted, hidden = set(wanted.split()), set(said.get("hide", "").split(", "))
    answer, rows, names = [], [], []

    def end_of_rows():
        kept = rows if way != "with" else [row for row in rows if wanted & {text(value) for value in row}]
        if way in ("with", "sorted"):
            kept = sorted(kept, key=json.dumps)
        if way != "none":
            answer.extend(["Row", *row] for row in kept)
        rows.clear()

    for kind, *parts in answers:
        if kind == "Row":
            rows.append([None if name in hidden else value for name, value in zip(names, parts)])
            continue
        end_of_rows()
        if kind == "Columns":
            names = [column[0] for column in parts]
        # Where in the statement a mistake is, is left to each server.
        parts = parts[:3] if kind == "Error" else parts
        if kind == "Complete" and way in ("with", "none"):
            parts = [parts[0].split()[0]]
        answer.append([kind, *parts])
    return json.loads(json.dumps(answer).replace(f'"{seen.setting("PGDATABASE")}"', '"DATABASE"'))


def text(value):
    """A value as text, which the binary form of a name is, too."""
    return value if isinstance(value, str) else ""


def replay(name, answers):
    """One transcript, in one session for as long as that lasts."""
    connection = raw.Connection()
    connection.start()
    for label, sql, said in blocks((FOLDER / name).read_text(encoding="utf-8")):
        check = f"{name.removesuffix('.sql')} {label}"
        if check in answers:
            sys.exit(f"two blocks are called {check}")
        try:
            answers[check] = told(asked(connection, sql, said), said)
        except OSError as error:
            answers[check] = seen.complained(error)
            connection = raw.Connection()
            connection.start()
    connection.close()


def main():
    faulthandler.dump_traceback_later(seen.SCRIPT_SECONDS, exit=True)
    answers = {}
    for path in sorted(FOLDER.glob("*.sql")):
        replay(path.name, answers)
    seen.print_json(answers)


if __name__ == "__main__":
    main()
