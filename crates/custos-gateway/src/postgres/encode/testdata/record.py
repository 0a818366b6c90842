"""Asks a PostgreSQL 15 for the answers to cases.sql: python3 record.py HOST PORT (user postgres, no password)."""

import pathlib
import re
import socket
import struct
import sys

HERE = pathlib.Path(__file__).parent

# As the tests name them.
COPIES = {
    "text": "format text",
    "text_odd": "format text, delimiter '-', null 'NIL'",
    "csv": "format csv, header",
    "csv_odd": "format csv, delimiter ';', quote '''', escape '\\', null 'NIL', force_quote *",
    "binary": "format binary",
}


class Connection:
    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port))
        self.file = self.socket.makefile("rb")
        body = struct.pack("!i", 196608) + b"user\0postgres\0database\0postgres\0client_encoding\0UTF8\0\0"
        self.socket.sendall(struct.pack("!i", len(body) + 4) + body)
        self.messages()

    def send(self, kind, body):
        self.socket.sendall(kind + struct.pack("!i", len(body) + 4) + body)

    def messages(self):
        """All messages until the server is ready."""
        found = []
        while True:
            kind = self.file.read(1)
            (length,) = struct.unpack("!i", self.file.read(4))
            body = self.file.read(length - 4)
            if kind == b"E":
                raise RuntimeError(body)
            if kind == b"Z":
                return found
            found.append((kind, struct.pack("!c", kind) + struct.pack("!i", length) + body))

    def simple(self, sql, keep):
        self.send(b"Q", sql.encode() + b"\0")
        return b"".join(message for kind, message in self.messages() if kind == keep)

    def binary(self, sql):
        self.send(b"P", b"\0" + sql.encode() + b"\0" + struct.pack("!h", 0))
        self.send(b"B", b"\0\0" + struct.pack("!hhhh", 0, 0, 1, 1))
        self.send(b"E", b"\0" + struct.pack("!i", 0))
        self.send(b"S", b"")
        return b"".join(message for kind, message in self.messages() if kind == b"D")


def main():
    connection = Connection(sys.argv[1], int(sys.argv[2]))
    parts = re.split(r"^-- case (\S+) (\S+)$", (HERE / "cases.sql").read_text(), flags=re.M)[1:]
    for name, zone, sql in zip(parts[::3], parts[1::3], parts[2::3]):
        connection.simple(f"set timezone = '{zone}'", b"D")
        (HERE / f"{name}.text.bin").write_bytes(connection.simple(sql, b"D"))
        (HERE / f"{name}.binary.bin").write_bytes(connection.binary(sql))
        if name.startswith("copy"):
            for copy, options in COPIES.items():
                answer = connection.simple(f"copy ({sql}) to stdout ({options})", b"d")
                (HERE / f"{name}.{copy}.copy.bin").write_bytes(answer)


main()
