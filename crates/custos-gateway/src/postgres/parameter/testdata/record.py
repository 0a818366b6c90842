"""Asks a PostgreSQL 15 what literals.txt means: python3 record.py HOST PORT; writes meanings.txt.

A line of literals.txt is a type and texts, between bars; a line of meanings.txt is a type, a text, and
what PostgreSQL writes for it or `error`, between bars.
"""

import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent


def meaning(type_name, text):
    quoted = text.replace("'", "''")
    sql = f"set timezone = 'America/New_York'; select '{quoted}'::{type_name}::text"
    command = ["psql", "-h", sys.argv[1], "-p", sys.argv[2], "-U", "postgres", "-qAt", "-c", sql]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.removesuffix("\n") if done.returncode == 0 else "error"


def main():
    lines = []
    for line in (HERE / "literals.txt").read_text().splitlines():
        type_name, *texts = line.split("|")
        lines += [f"{type_name}|{text}|{meaning(type_name, text)}" for text in texts]
    (HERE / "meanings.txt").write_text("\n".join(lines) + "\n")


main()
