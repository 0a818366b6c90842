"""The wire protocol by hand: messages as they come, where libraries would hide them."""

import base64
import hashlib
import hmac
import os
import socket
import ssl
import struct

import seen

PROTOCOL = 196608
TLS_REQUEST = 80877103
BINARY = 1


class Connection:
    """A connection that tells every message; types are told by number, tables and pids are not."""

    def __init__(self, source=None):
        """From another address of this machine, if one is given."""
        self.socket = socket.create_connection(
            (seen.setting("PGHOST"), int(seen.setting("PGPORT", "5432"))), timeout=60,
            source_address=(source, 0) if source else None,
        )
        if seen.wants_tls():
            self.socket.sendall(struct.pack("!ii", 8, TLS_REQUEST))
            if self.socket.recv(1) != b"S":
                raise ConnectionError("the server knows no TLS")
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
        self.statuses = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends it as clients should."""
        try:
            self.send(b"X")
        except OSError:
            pass
        self.socket.close()

    # Sending.

    def send(self, kind, body=b""):
        self.socket.sendall(message(kind, body))

    def send_all(self, *messages):
        """Several messages at once."""
        self.socket.sendall(b"".join(messages))

    # Receiving.

    def exactly(self, count):
        parts = bytearray()
        while len(parts) < count:
            part = self.socket.recv(count - len(parts))
            if not part:
                raise ConnectionError("the server hung up")
            parts += part
        return bytes(parts)

    def receive(self):
        """One message: its kind and its body."""
        kind = self.exactly(1)
        (length,) = struct.unpack("!i", self.exactly(4))
        return kind, self.exactly(length - 4)

    def until_ready(self):
        """All messages until the server waits for more, told."""
        answers = []
        while True:
            kind, body = self.receive()
            answers.append(told(kind, body))
            if kind == b"S":
                name, value = texts(body)[:2]
                self.statuses[name] = value
            if kind in (b"Z", b"G"):
                return answers

    # Logging in.

    def start(self, **more):
        """Logs in; `no error`, or the code with which the server refuses."""
        given = {
            "user": seen.setting("PGUSER"),
            "database": seen.setting("PGDATABASE"),
            **more,
        }
        password = given.pop("password", os.environ.get("PGPASSWORD", ""))
        given["database"] = given.pop("dbname", given["database"])
        body = b"".join(cstring(name) + cstring(value) for name, value in given.items())
        body = struct.pack("!i", PROTOCOL) + body + b"\0"
        self.socket.sendall(struct.pack("!i", len(body) + 4) + body)
        scram = Scram(password)
        while True:
            kind, body = self.receive()
            if kind == b"E":
                return fields(body)["C"]
            if kind == b"S":
                name, value = texts(body)[:2]
                self.statuses[name] = value
            if kind == b"Z":
                return "no error"
            if kind == b"R":
                answer = scram.answer(body)
                if answer is not None:
                    self.send(b"p", answer)

    # Whole exchanges.

    def query(self, sql):
        """The simple protocol."""
        self.send(b"Q", cstring(sql))
        return self.until_ready()

    def extended(self, *messages):
        """These messages and Sync."""
        self.send_all(*messages, message(b"S"))
        return self.until_ready()


class Scram:
    """SCRAM-SHA-256 as the client does it."""

    def __init__(self, password):
        self.password = password.encode()
        self.nonce = base64.b64encode(os.urandom(18)).decode()
        self.first = f"n=,r={self.nonce}"

    def answer(self, body):
        (step,) = struct.unpack("!i", body[:4])
        if step == 10:
            first = f"n,,{self.first}".encode()
            return cstring("SCRAM-SHA-256") + struct.pack("!i", len(first)) + first
        if step == 11:
            return self.proof(body[4:].decode())
        return None

    def proof(self, challenge):
        parts = dict(part.split("=", 1) for part in challenge.split(","))
        salt, rounds = base64.b64decode(parts["s"]), int(parts["i"])
        salted = hashlib.pbkdf2_hmac("sha256", self.password, salt, rounds)
        key = hmac.digest(salted, b"Client Key", "sha256")
        last = f"c=biws,r={parts['r']}"
        all_of_it = f"{self.first},{challenge},{last}".encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), all_of_it, "sha256")
        proof = bytes(left ^ right for left, right in zip(key, signature))
        return f"{last},p={base64.b64encode(proof).decode()}".encode()


def message(kind, body=b""):
    return kind + struct.pack("!i", len(body) + 4) + body


def cstring(text):
    return text.encode() + b"\0"


def parse(sql, name="", types=()):
    body = cstring(name) + cstring(sql) + struct.pack(f"!h{len(types)}i", len(types), *types)
    return message(b"P", body)


def bind(*values, portal="", name="", formats=(), results=()):
    """Values are texts, bytes, or None."""
    body = cstring(portal) + cstring(name)
    body += struct.pack(f"!h{len(formats)}h", len(formats), *formats)
    body += struct.pack("!h", len(values))
    for value in values:
        if value is None:
            body += struct.pack("!i", -1)
        else:
            value = value.encode() if isinstance(value, str) else value
            body += struct.pack("!i", len(value)) + value
    return message(b"B", body + struct.pack(f"!h{len(results)}h", len(results), *results))


def describe(what, name=""):
    """`what` is S for a statement and P for a portal."""
    return message(b"D", what.encode() + cstring(name))


def execute(portal="", rows=0):
    return message(b"E", cstring(portal) + struct.pack("!i", rows))


def close(what, name=""):
    return message(b"C", what.encode() + cstring(name))


FLUSH = message(b"H")


def texts(body):
    return [part.decode() for part in body.split(b"\0")]


def fields(body):
    return {part[:1].decode(): part[1:].decode() for part in body.split(b"\0") if part}


def told(kind, body):
    """A message as JSON, without what differs between servers."""
    name = NAMES.get(kind, kind.decode())
    if kind == b"Z":
        return [name, body.decode()]
    if kind == b"C":
        return [name, body.rstrip(b"\0").decode()]
    if kind in (b"E", b"N"):
        parts = fields(body)
        return [name, parts.get("S"), parts.get("V"), parts.get("C"), parts.get("P")]
    if kind == b"S":
        return [name, *texts(body)[:2]]
    if kind == b"T":
        return [name, *columns(body)]
    if kind == b"D":
        return [name, *values(body)]
    if kind == b"t":
        (count,) = struct.unpack("!h", body[:2])
        return [name, *struct.unpack(f"!{count}i", body[2:])]
    if kind in (b"H", b"G"):
        overall, count = struct.unpack("!bh", body[:3])
        return [name, overall, *struct.unpack(f"!{count}h", body[3:])]
    if kind == b"d":
        return [name, shown(body)]
    return [name]


def columns(body):
    (count,) = struct.unpack("!h", body[:2])
    at, all_of_them = 2, []
    for _ in range(count):
        end = body.index(b"\0", at)
        column = body[at:end].decode()
        _table, _number, kind, size, modifier, form = struct.unpack("!ihihih", body[end + 1:end + 19])
        all_of_them.append([column, kind, size, modifier, form])
        at = end + 19
    return all_of_them


def values(body):
    (count,) = struct.unpack("!h", body[:2])
    at, all_of_them = 2, []
    for _ in range(count):
        (length,) = struct.unpack("!i", body[at:at + 4])
        at += 4
        if length < 0:
            all_of_them.append(None)
            continue
        all_of_them.append(shown(body[at:at + length]))
        at += length
    return all_of_them


def shown(value):
    """Text, or bytes in hexadecimal where they are none."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return f"bytes {value.hex()}"
    return f"bytes {value.hex()}" if any(letter < " " and letter not in "\n\t" for letter in text) else text


NAMES = {
    b"1": "ParseComplete", b"2": "BindComplete", b"3": "CloseComplete", b"A": "Notification",
    b"C": "Complete", b"D": "Row", b"E": "Error", b"G": "CopyIn", b"H": "CopyOut", b"I": "Empty",
    b"N": "Notice", b"S": "Status", b"T": "Columns", b"Z": "Ready", b"c": "CopyDone", b"d": "CopyData",
    b"n": "NoData", b"s": "Suspended", b"t": "Parameters",
}
