"""Clients that mean harm or are broken, at every door; beside them, clients that behave.

After each attack, and during those that last, clients that behave have to be answered soon, and the
server may not have taken more memory than the attack is worth. Tells of each attack its figures,
and under `wrong` what should not have been.
"""

import collections
import contextlib
import http.client
import itertools
import json
import multiprocessing
import os
import random
import socket
import ssl
import struct
import threading
import time

import http2
import raw
import seen
from raw import bind, cstring, describe, execute, message, parse

# Soon: on a machine of two processors that is busy with the attack.
SOON_SECONDS = 3.0

# A server that is to hang up does so within this, or never will.
HANG_UP_SECONDS = 5.0

# Memory that an attack may cost, in MiB, where it says nothing else.
GROWTH_MIB = 200

# Connections that do nothing.
IDLE = 1000

SEED = 7

MIB = 1 << 20

# What connections are told that hold as much memory as they may.
FULL = "53400"

ATTACKS = []

# Attacks come from other addresses than clients that behave, so that being locked out is told apart.
ADDRESSES = (f"127.0.{number // 250 + 1}.{number % 250 + 1}" for number in itertools.count())

# Something with many rows, wide, that costs little to compute.
MANY_ROWS = "SELECT repeat('x', 1000) AS wide FROM orders AS o0" + "".join(
    f" CROSS JOIN orders AS o{number}" for number in range(1, 10)
)

GREETING = struct.pack("!ii", 8, raw.TLS_REQUEST)


def attack(function=None, growth=GROWTH_MIB):
    """Registers an attack, with the memory in MiB that it may cost."""
    if function is None:
        return lambda function: attack(function, growth)
    ATTACKS.append((function, growth))
    return function


# The server, seen from outside.


class Memory:
    """The server's memory while something happens, in MiB."""

    def __init__(self):
        self.path = f"/proc/{seen.setting('SERVER_PID')}/status"

    def __enter__(self):
        self.before = self.peak = self.now()
        self.done = threading.Event()
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.watcher.join()

    def watch(self):
        while not self.done.wait(0.02) and self.is_alive():
            self.peak = max(self.peak, self.now())

    def is_alive(self):
        return self.now() > 0

    def now(self):
        """0 once the server has ended."""
        with contextlib.suppress(FileNotFoundError), open(self.path, encoding="ascii") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) / 1024
        return 0


def postgres(source=None, **named):
    """A connection of the attacker, or of somebody else, that has logged in."""
    connection = raw.Connection(source)
    told = connection.start(**named)
    if told != "no error":
        raise ConnectionError(f"logging in: {told}")
    return connection


def http_answer(secret, body=b'{"sql": "SELECT 1 AS one"}'):
    connection = http.client.HTTPConnection(seen.setting("HTTP"), timeout=20)
    headers = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
    with contextlib.closing(connection):
        connection.request("POST", "/v1/sql", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def flight_answer(secret):
    with http2.Connection(seen.setting("FLIGHT")) as connection:
        info, _ = connection.call("GetFlightInfo", http2.statement("SELECT 1 AS one"), secret)
        found, _ = connection.call("DoGet", http2.tickets(info[0])[0], secret)
        return len(found)


def behave():
    """Clients that behave, at each door: what each waited, in milliseconds, and what went wrong.

    They are of another principal, since one that asks for too much waits for itself.
    """
    waited, wrong = {}, []
    secret = seen.setting("OTHER_SECRET")

    def one(name, call, expected):
        begun = time.monotonic()
        try:
            found = call()
            if found != expected:
                wrong.append(f"{name}: {found}")
        except Exception as error:
            wrong.append(f"{name}: {type(error).__name__}")
        seconds = time.monotonic() - begun
        waited[name] = round(seconds * 1000)
        if seconds > SOON_SECONDS:
            wrong.append(f"{name}: answered after {seconds:.1f} s")

    def by_postgres():
        with postgres(user="other", password=secret) as connection:
            return [part[0] for part in connection.query("SELECT count(*) FROM customer.orders")]

    one("postgres", by_postgres, ["Columns", "Row", "Complete", "Ready"])
    one("http", lambda: http_answer(secret)[0], 200)
    one("flight", lambda: flight_answer(secret), 2)
    return waited, wrong


def run(function, growth):
    """One attack."""
    told = {}
    begun = time.monotonic()
    with Memory() as memory:
        try:
            told = function() or {}
        except Exception as error:
            told = {"wrong": [f"{type(error).__name__}: {error}"]}
    if not memory.is_alive():
        told.setdefault("wrong", []).append("the server has ended")
        return told
    wrong = told.setdefault("wrong", [])
    told["seconds"] = round(time.monotonic() - begun, 1)
    told["answered_ms"], late = behave()
    wrong += [f"afterwards, {text}" for text in late]
    told["mib"] = {"before": round(memory.before), "peak": round(memory.peak), "after": round(memory.now())}
    if memory.peak - memory.before > growth:
        wrong.append(f"memory grew by {memory.peak - memory.before:.0f} MiB, more than {growth}")
    return told


# Attackers' tools.


def address():
    return next(ADDRESSES)


def plain(name):
    """A connection to a door, on which nothing was said."""
    where = {
        "postgres": lambda: f"{seen.setting('PGHOST')}:{seen.setting('PGPORT')}",
        "http": lambda: seen.setting("HTTP"), "flight": lambda: seen.setting("FLIGHT"),
    }[name]()
    host, port = where.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=HANG_UP_SECONDS, source_address=(address(), 0))


def outcome(connection, most=1 << 20, seconds=HANG_UP_SECONDS):
    """What comes until the server hangs up: bytes, and whether it did."""
    found = bytearray()
    connection.settimeout(seconds)
    try:
        while len(found) < most:
            part = connection.recv(65536)
            if not part:
                return bytes(found), True
            found += part
        return bytes(found), False
    except socket.timeout:
        return bytes(found), False
    except OSError:
        return bytes(found), True


def say(name, *parts, seconds=HANG_UP_SECONDS):
    """Says something to a door, and tells what came of it."""
    with plain(name) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except OSError:
            pass
        return outcome(connection, seconds=seconds)


def startup(body, length=None):
    return struct.pack("!i", len(body) + 4 if length is None else length) + body


def named(**given):
    pairs = b"".join(cstring(name) + cstring(value) for name, value in given.items())
    return struct.pack("!i", raw.PROTOCOL) + pairs + b"\0"


def code_of(found):
    """The SQLSTATE of the first error in what a server said."""
    at = found.find(b"\0C")
    return found[at + 2:at + 7].decode("latin-1") if at >= 0 else None


def told_all(connection, *messages):
    """What comes of messages and Sync, or that the server hung up."""
    try:
        connection.send_all(*messages, message(b"S"))
        return [part for part in connection.until_ready() if part[0] != "Status"]
    except OSError as error:
        return [["hung up", str(error)[:40]]]


def codes(answers):
    return [part[3] for part in answers if part[0] == "Error"]


def while_held(held, wrong):
    """Clients that behave while an attack lasts."""
    waited, late = behave()
    wrong += [f"meanwhile, {text}" for text in late]
    return {"held": held, "meanwhile_ms": waited}


# PostgreSQL, before anybody has logged in.


@attack
def startup_lengths():
    """Lengths that are wrong, with little or nothing behind them: the server hangs up at once."""
    wrong = []
    for length in (0, 1, 3, 4, 5, 7, -1, -(2**31), 2**31 - 1, 16385, 1 << 20):
        found, is_closed = say("postgres", struct.pack("!i", length), b"x" * 64)
        if not is_closed:
            wrong.append(f"length {length}: still open after {found[:20]!r}")
    return {"wrong": wrong}


@attack
def startup_cut_off():
    """Messages that end in the middle, at every byte of them."""
    whole = startup(named(user="reader", database="analytics"))
    for end in range(len(whole)):
        with plain("postgres") as connection:
            connection.sendall(whole[:end])
    return {"cuts": len(whole)}


@attack
def startup_content():
    """Versions, parameters and requests that make no sense."""
    wrong, codes_of = [], {}
    many = b"".join(cstring(f"p{number}") + cstring("v") for number in range(1500))
    version = struct.pack("!i", raw.PROTOCOL)
    cases = {
        "old": startup(struct.pack("!i", 2 << 16) + b"user\0x\0\0"),
        "new": startup(struct.pack("!i", 4 << 16) + b"user\0x\0\0"),
        "nothing": startup(version),
        "no_end": startup(version + b"user\0reader"),
        "no_value": startup(version + b"user\0"),
        "no_user": startup(version + b"database\0analytics\0\0"),
        "empty_user": startup(named(user="", database="")),
        "not_utf8": startup(version + b"user\0\xff\xfe\0database\0\xc0\x80\0\0"),
        "many": startup(version + b"user\0x\0" + many + b"\0"),
        "long_name": startup(named(user="x" * 10000)),
        "options": startup(named(user="x", options="-c " * 3000)),
        "replication": startup(named(user="x", replication="database")),
        "message": message(b"Q", cstring("SELECT 1")),
        "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "tls": bytes.fromhex("16030100c8010000c40303") + b"\0" * 200,
        "tls_after": GREETING + startup(named(user="x")),
    }
    for name, body in cases.items():
        with plain("postgres") as connection:
            connection.sendall(body)
            connection.settimeout(1)
            try:
                codes_of[name] = code_of(connection.recv(4096))
            except OSError as error:
                codes_of[name] = type(error).__name__
    # Greetings again and again are answered, each by one byte.
    with plain("postgres") as connection:
        for _ in range(2000):
            connection.sendall(GREETING)
            if connection.recv(1) not in (b"N", b"S"):
                wrong.append("greetings were not answered")
                break
    return {"codes": codes_of, "wrong": wrong}


@attack
def startup_garbage():
    """Bytes by chance, and beginnings that are right with bytes by chance behind them."""
    chance = random.Random(SEED)
    for number in range(300):
        body = chance.randbytes(chance.randrange(1, 400))
        with plain("postgres") as connection, contextlib.suppress(OSError):
            connection.sendall(startup(struct.pack("!i", raw.PROTOCOL) + body) if number % 2 else body)
            if number % 10 == 0:
                connection.settimeout(0.2)
                connection.recv(100)
    return {"tries": 300}


@attack
def login_out_of_order():
    """Messages in place of a proof, and proofs that are none."""
    wrong, told = [], {}
    sasl = cstring("SCRAM-SHA-256")
    cases = {
        "query": [message(b"Q", cstring("SELECT 1"))],
        "parse": [parse("SELECT 1"), bind(), execute(), message(b"S")],
        "clear_text": [message(b"p", cstring("secret"))],
        "mechanism": [message(b"p", cstring("SCRAM-SHA-256-PLUS") + struct.pack("!i", -1))],
        "negative": [message(b"p", sasl + struct.pack("!i", -5) + b"n,,n=,r=x")],
        "too_long": [message(b"p", sasl + struct.pack("!i", 2**31 - 1) + b"n,,n=,r=x")],
        "empty": [message(b"p", sasl + struct.pack("!i", 0))],
        "not_utf8": [message(b"p", sasl + struct.pack("!i", 4) + b"\xff\xfe\xfd\xfc")],
        "nothing": [b"p\0\0\0\4"],
        "length": [b"p\x7f\xff\xff\xff"],
        "below": [b"p\0\0\0\1"],
        "long": [b"p" + struct.pack("!i", 16 << 20)],
        "copy": [message(b"d", b"x" * 1000)],
        "terminate": [b"X\0\0\0\4"],
        "garbage": [random.Random(SEED).randbytes(500)],
    }
    for name, messages in cases.items():
        with plain("postgres") as connection:
            connection.sendall(startup(named(user="nobody", database="analytics")))
            if connection.recv(9)[:1] != b"R":
                wrong.append(f"{name}: no login is asked for")
            with contextlib.suppress(OSError):
                connection.sendall(b"".join(messages))
            found, is_closed = outcome(connection)
            told[name] = code_of(found)
            if not is_closed:
                wrong.append(f"{name}: still open after {found[:60]!r}")
            if b"D\0" in found and b"SELECT" in found:
                wrong.append(f"{name}: was answered")
    return {"codes": told, "wrong": wrong}


@attack
def half_open():
    """Connections that say nothing, half a length, or only who they are; others find a place."""
    held, wrong = [], []
    for number in range(600):
        connection = plain("postgres")
        if number % 3 == 1:
            connection.sendall(b"\0\0")
        if number % 3 == 2:
            connection.sendall(startup(named(user="nobody", database="analytics")))
        held.append(connection)
    told = while_held(len(held), wrong)
    for connection in held:
        connection.close()
    return {**told, "wrong": wrong}


@attack
def wrong_cancels():
    """Requests to cancel with numbers and keys that are made up stop nobody."""
    wrong = []
    with postgres() as victim:
        victim.send(b"Q", cstring("SELECT count(*) FROM generate_series(1, 30000000) AS n WHERE n % 7 = 3"))
        for number in range(3000):
            with plain("postgres") as connection:
                connection.sendall(struct.pack("!iiii", 16, 80877102, number % 50, number))
        for length in (0, 4, 33, 256, 1000):
            say("postgres", struct.pack("!iii", 12 + length, 80877102, 1) + b"k" * length)
        answers = victim.until_ready()
        if [part[0] for part in answers] != ["Columns", "Row", "Complete", "Ready"]:
            wrong.append(f"the statement was stopped: {answers[-2:]}")
    return {"tries": 3005, "wrong": wrong}


@attack
def guesses():
    """Secrets that are guessed: who guesses waits, and nobody else does."""
    wrong, told = [], []
    source = address()
    for _ in range(14):
        connection = raw.Connection(source)
        told.append(connection.start(password="guess"))
        connection.close()
    if "53300" not in told or told[0] != "28P01":
        wrong.append(f"guessing goes on: {told}")
    connection = raw.Connection(address())
    if connection.start() != "no error":
        wrong.append("another address may not log in either")
    connection.close()
    return {"told": told, "wrong": wrong}


# PostgreSQL, by somebody who has logged in.


@attack
def unknown_messages():
    """Every type of message, empty and with something in it."""
    ended = 0
    for kind in range(256):
        for body in (b"", b"\0", b"\xff" * 9):
            connection = postgres(address())
            with contextlib.suppress(OSError):
                connection.send_all(message(bytes([kind]), body), message(b"X"))
                connection.socket.settimeout(HANG_UP_SECONDS)
                while connection.socket.recv(65536):
                    pass
                ended += 1
            connection.socket.close()
    return {"ended": ended}


@attack
def message_lengths():
    """Lengths that are wrong end the connection with an error; long messages do not take memory."""
    wrong, told = [], {}
    for length in (0, 1, 3, -1, -(2**31), 2**31 - 1, (16 << 20) + 1):
        connection = postgres(address())
        connection.socket.sendall(b"Q" + struct.pack("!i", length) + b"x" * 100)
        found, is_closed = outcome(connection.socket)
        told[length] = code_of(found)
        if not is_closed or told[length] != "08P01":
            wrong.append(f"length {length}: {told[length]}, closed: {is_closed}")
        connection.socket.close()
    return {"codes": told, "wrong": wrong}


@attack
def garbage_after_login():
    """Bytes by chance, and known types with bytes by chance in them."""
    chance = random.Random(SEED)
    for number in range(300):
        connection = postgres(address())
        body = chance.randbytes(chance.randrange(1, 300))
        kind = bytes([chance.choice(b"QPBDECSHXFpdcf")])
        with contextlib.suppress(OSError):
            connection.socket.sendall(message(kind, body) * 3 if number % 2 else body)
            connection.socket.settimeout(0.05)
            connection.socket.recv(4096)
        connection.socket.close()
    return {"tries": 300}


@attack
def wrong_binds():
    """Counts, formats and values that do not fit."""
    wrong, told = [], {}
    sql = "SELECT $1::int4 AS n, $2::text AS word"
    head = cstring("") + cstring("")
    numbers = struct.pack

    def value(body):
        return numbers("!i", len(body)) + body

    cases = {
        "too_many": bind("1", "a", "b"),
        "none": bind(),
        "formats": bind("1", "a", formats=(0, 0, 0)),
        "format": bind("1", "a", formats=(7, 7)),
        "negative_format": bind("1", "a", formats=(-1, -1)),
        "results": bind("1", "a", results=(0, 1, 1)),
        "result": bind("1", "a", results=(9,)),
        "no_statement": bind("1", "a", name="nowhere"),
        "short_number": bind(b"\1", "a", formats=(1, 0)),
        "long_number": bind(b"\1" * 100, "a", formats=(1, 0)),
        "empty_number": bind(b"", "a", formats=(1, 0)),
        "not_utf8": bind("1", b"\xff\xfe"),
        "zero": bind("1", b"a\0b"),
        "huge_text": bind("1" * 100000, "a"),
        "cut_off": message(b"B", head + numbers("!hh", 0, 2) + value(b"1")),
        "value_length": message(b"B", head + numbers("!hhi", 0, 2, 2**31 - 1) + b"1"),
        "value_negative": message(b"B", head + numbers("!hh", 0, 2) + numbers("!i", -2) + value(b"a") + b"\0\0"),
        "counts": message(b"B", head + numbers("!HH", 65535, 65535)),
        "all_counts": message(b"B", head + numbers("!hh", 0, 0) + numbers("!H", 65535)),
        "more": message(b"B", head + numbers("!hhh", 0, 0, 0) + b"more"),
        "no_names": message(b"B", b"xx"),
        "nothing": message(b"B"),
    }
    for name, body in cases.items():
        connection = postgres(address())
        answers = told_all(connection, parse(sql), body, describe("P"), execute())
        told[name] = codes(answers) or [part[0] for part in answers][-3:]
        if ["Row"] in [part[:1] for part in answers] and name not in ("negative_format",):
            wrong.append(f"{name}: was answered")
        connection.close()
    array = numbers("!iii", 1, 0, 20) + numbers("!ii", 2**31 - 1, 1)
    arrays = {
        "array_length": array, "array_dimensions": numbers("!iii", 2**31 - 1, 0, 20),
        "array_negative": numbers("!iiiii", 1, 0, 20, -1, 1), "array_of_itself": numbers("!iii", 1, 0, 1016),
    }
    for name, body in arrays.items():
        connection = postgres(address())
        answers = told_all(connection, parse("SELECT $1::int8[]", types=(1016,)), bind(body, formats=(1,)), execute())
        told[name] = codes(answers) or [part[0] for part in answers]
        connection.close()
    return {"codes": told, "wrong": wrong}


@attack
def wrong_parses():
    """Types and counts of parameters that do not fit, and names without end."""
    told = {}
    cases = {
        "types": parse("SELECT 1", types=(0,) * 30000),
        "unknown_type": parse("SELECT $1", types=(4294967 * 3,)),
        "count": message(b"P", cstring("") + cstring("SELECT 1") + struct.pack("!H", 65535)),
        "no_end": message(b"P", cstring("") + b"SELECT 1"),
        "numbers": parse("SELECT " + ", ".join(f"${number}" for number in range(1, 40001))),
        "number": parse("SELECT $99999999999999999999"),
        "zero": parse("SELECT $0"),
        "high": parse("SELECT $65536 :: int"),
        "long_name": parse("SELECT 1", name="n" * 100000),
        "not_utf8": message(b"P", cstring("") + b"SELECT '\xff\xfe'\0\0\0"),
    }
    for name, body in cases.items():
        connection = postgres(address())
        answers = told_all(connection, body, describe("S"))
        told[name] = codes(answers) or [part[0] for part in answers]
        connection.close()
    return {"codes": told}


def statements_of(size):
    """Statements of about so many bytes that are long in one way each."""
    return {
        "literal": "SELECT '" + "x" * size + "'",
        "comment": "SELECT 1 /*" + "x" * size + "*/",
        "blank": "SELECT 1" + " " * size,
        "terms": "SELECT 1" + "+1" * (size // 2),
        "columns": "SELECT " + ",".join(["1"] * (size // 2)),
        "semicolons": ";" * size,
        "statements": "SELECT 1;" * (size // 9),
        "list": "SELECT 1 WHERE 1 IN (" + ",".join(str(number) for number in range(size // 8)) + ")",
        "names": "SELECT " + "a." * (size // 2) + "b",
        "lines": "SELECT 1\n" + "\n" * size,
        "quotes": "SELECT " + "''" * (size // 2),
        "unions": "SELECT 1" + " UNION ALL SELECT 1" * (size // 19),
        "joins": "SELECT 1 FROM orders" + " CROSS JOIN orders AS o" * (size // 23),
        "open": "SELECT '" + "x" * size,
        "dollars": "SELECT $" + "a" * size + "$x",
    }


def nested(depth):
    """Statements within which something is nested so deep."""
    return {
        "parentheses": "SELECT " + "(" * depth + "1" + ")" * depth,
        "open": "SELECT " + "(" * depth,
        "not": "SELECT " + "NOT " * depth + "true",
        "minus": "SELECT " + "- " * depth + "1",
        "functions": "SELECT " + "abs(" * depth + "1" + ")" * depth,
        "subqueries": "SELECT " + "(SELECT " * depth + "1" + ")" * depth,
        "from": "SELECT * FROM " + "(SELECT * FROM " * depth + "orders" + ") AS t" * depth,
        "cases": "SELECT " + "CASE WHEN true THEN " * depth + "1" + " END" * depth,
        "arrays": "SELECT " + "ARRAY[" * depth + "1" + "]" * depth,
        "casts": "SELECT 1" + "::int" * depth,
        "indexes": "SELECT ARRAY[1]" + "[1]" * depth,
        "terms": "SELECT 1" + "+1" * depth,
        "texts": "SELECT 'a'" + "||'a'" * depth,
        "replaced": "SELECT " + "replace(" * depth + "'a'" + ", 'b', 'c')" * depth,
        "ands": "SELECT true" + " AND true" * depth,
        "withs": "".join(f"WITH a{at} AS (" for at in range(depth)) + "SELECT 1" + ") SELECT 1" * depth,
        "comments": "/*" * depth + "*/" * depth + " SELECT 1",
        "betweens": "SELECT 1" + " BETWEEN 1 AND 2" * depth,
        "intervals": "SELECT " + "interval " * depth + "'1'",
        "exists": "SELECT " + "EXISTS (SELECT " * depth + "1" + ")" * depth,
        "explain": "EXPLAIN " * depth + "SELECT 1",
        "prepare": "PREPARE a AS " * depth + "SELECT 1",
        "declare": "DECLARE c CURSOR FOR " * depth + "SELECT 1",
        "copy": "COPY (" * depth + "SELECT 1" + ") TO STDOUT" * depth,
    }


def sent_all(statements, wrong):
    """Sends statements one by one, each on a connection of its own; how they ended, and when."""
    told, slowest = {}, (0, None)
    for name, sql in statements.items():
        connection = postgres(address())
        connection.socket.settimeout(20)
        begun = time.monotonic()
        try:
            answers = connection.query(sql)
            found = codes(answers) or [len(answers)]
        except OSError as error:
            found = [type(error).__name__]
        seconds = time.monotonic() - begun
        told[name] = [*found[:2], round(seconds, 2)]
        slowest = max(slowest, (seconds, name), key=lambda pair: pair[0])
        connection.close()
        if found[:1] in (["TimeoutError"], ["ConnectionError"], ["ConnectionResetError"]):
            wrong.append(f"{name}: {found}")
    if slowest[0] > 10:
        wrong.append(f"{slowest[1]} took {slowest[0]:.0f} s")
    return told


@attack
def long_statements():
    """Statements of a quarter of a megabyte, which is what may be asked, by the simple protocol."""
    wrong = []
    return {"told": sent_all(statements_of(250_000), wrong), "wrong": wrong}


@attack(growth=400)
def longer_statements():
    """Statements of fifteen megabytes: refused before anything is done with them."""
    wrong = []
    return {"told": sent_all(statements_of(15 * MIB), wrong), "wrong": wrong}


@attack
def long_statements_at_once():
    """Several of them at once leave the server answering others."""
    wrong, threads = [], []
    sql = statements_of(250_000)["terms"]

    def send():
        with contextlib.suppress(OSError):
            connection = postgres(address())
            connection.socket.settimeout(60)
            for _ in range(3):
                connection.query(sql)
            connection.close()

    for _ in range(8):
        threads.append(threading.Thread(target=send, daemon=True))
        threads[-1].start()
    time.sleep(0.3)
    told = while_held(len(threads), wrong)
    for thread in threads:
        thread.join(60)
    return {**told, "wrong": wrong}


@attack
def deep_statements():
    """Statements nested twenty deep, as tools write them, and then deeper than anybody reads."""
    wrong, told = [], {}
    for depth in (20, 100, 5000):
        told[depth] = sent_all(nested(depth), wrong)
    return {"told": told, "wrong": wrong}


@attack
def deep_statements_elsewhere():
    """The same over HTTP and Flight."""
    wrong, told = [], {"http": {}, "flight": {}}
    for name, sql in nested(5000).items():
        status, _ = http_answer(seen.setting("PGPASSWORD"), json.dumps({"sql": sql}).encode())
        told["http"][name] = status
        try:
            with http2.Connection(seen.setting("FLIGHT"), address()) as connection:
                found, _ = connection.call("GetFlightInfo", http2.statement(sql), seen.setting("PGPASSWORD"))
                told["flight"][name] = len(found)
        except OSError as error:
            wrong.append(f"{name}: {error}")
    return {"told": told, "wrong": wrong}


@attack(growth=4096)
def costly_statements():
    """Statements that would take more memory or time than there is: one may have two gigabytes, and
    all together four."""
    wrong = []
    statements = {
        "wide": "SELECT repeat('x', 2000000000)",
        "wider": "SELECT repeat(repeat('x', 100000), 100000)",
        "padded": "SELECT lpad('x', 2000000000, 'y')",
        "series": "SELECT array_agg(n) FROM generate_series(1, 9000000000000000000) AS n",
        "crossed": "SELECT array_agg(a.n) FROM generate_series(1, 100000) AS a(n), generate_series(1, 100000) AS b(n)",
        "texts": "SELECT string_agg(repeat('x', 10000), '') FROM generate_series(1, 400000) AS n",
        "recursive": "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n FROM t) SELECT count(*) FROM t",
        "doubling": "WITH RECURSIVE t(s) AS (SELECT 'x' UNION ALL SELECT s || s FROM t) SELECT max(length(s)) FROM t",
        "pattern": "SELECT 'aaaa' ~ '" + "(" * 12 + "a{20}" + "){20}" * 12 + "'",
        "backtracking": "SELECT repeat('a', 100000) ~ '(a|aa)+$b'",
        "like": "SELECT repeat('a', 100000) LIKE '" + "%a" * 5000 + "b'",
        "numbers": "SELECT 1e131071::numeric * 1e131071::numeric",
        "sorted": "SELECT n FROM generate_series(1, 20000000) AS n ORDER BY n % 1000003, n LIMIT 1",
        "array": "SELECT array_repeat(1, 400000000)",
        "range": "SELECT range(0, 9000000000)",
        "dates": "SELECT generate_series(DATE '0001-01-01', DATE '9999-12-31', INTERVAL '1 day')",
    }
    told = {}
    for name, sql in statements.items():
        connection = postgres(address())
        connection.query("SET statement_timeout = '2s'")
        connection.socket.settimeout(30)
        begun = time.monotonic()
        with Memory() as memory:
            try:
                found = codes(connection.query(sql))[:1]
            except OSError as error:
                found = [type(error).__name__]
                wrong.append(f"{name}: {type(error).__name__}")
        told[name] = [*found, round(time.monotonic() - begun, 1), round(memory.peak - memory.before)]
        if memory.peak - memory.before > 2600:
            wrong.append(f"{name}: memory grew by {memory.peak - memory.before:.0f} MiB")
        if time.monotonic() - begun > 6:
            wrong.append(f"{name}: not stopped after {time.monotonic() - begun:.0f} s")
        connection.socket.close()
    return {"told": told, "wrong": wrong}


def flood(connection, messages, seconds=4.0):
    """Sends messages without reading an answer until nothing more is taken; how many MiB were."""
    sent, until = 0, time.monotonic() + seconds
    connection.socket.settimeout(0.5)
    pack = b"".join(messages)
    pack *= max(1, 65536 // len(pack))
    while time.monotonic() < until:
        try:
            sent += connection.socket.send(pack)
        except OSError:
            break
    return round(sent / MIB, 1)


def flooded(messages, connections=8):
    """Several connections flood at once, from programs of their own, or they would flood this one."""
    wrong, fork = [], multiprocessing.get_context("fork")
    sent, done = fork.Queue(), fork.Event()
    sources = [address() for _ in range(connections)]

    def one(source):
        with contextlib.suppress(OSError):
            connection = postgres(source)
            sent.put(flood(connection, messages))
            done.wait(60)
            connection.socket.close()

    programs = [fork.Process(target=one, args=(source,), daemon=True) for source in sources]
    for program in programs:
        program.start()
    time.sleep(1)
    told = while_held(connections, wrong)
    done.set()
    for program in programs:
        program.join(30)
    return {**told, "sent_mib": [sent.get() for _ in range(sent.qsize())], "wrong": wrong}


@attack
def flood_of_statements():
    """Parse, Bind and Execute without Sync, and nobody reads."""
    return flooded([parse("SELECT 1"), bind(), execute()])


@attack
def flood_of_queries():
    """Simple queries, and nobody reads."""
    return flooded([message(b"Q", cstring("SELECT repeat('x', 1000)"))])


@attack
def flood_of_mistakes():
    """Messages after an error, which are passed over until a Sync that never comes."""
    return flooded([parse("SELEC"), bind(), execute()])


@attack
def flood_of_syncs():
    """The shortest messages there are."""
    return flooded([message(b"S"), message(b"H")])


@attack
def flood_ahead():
    """Messages that come while a statement runs: some are taken in, not all."""
    wrong, held, sent = [], [], []
    for _ in range(8):
        connection = postgres(address())
        connection.send(b"Q", cstring(seen.ENDLESS))
        sent.append(flood(connection, [message(b"Q", cstring("SELECT 1"))], 1.0))
        held.append(connection)
    told = while_held(len(held), wrong)
    for connection in held:
        # Otherwise what was sent would have to be taken in before the server could hear of the end.
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.socket.close()
    return {**told, "sent_mib": sent, "wrong": wrong}


@attack(growth=600)
def messages_unfinished():
    """Messages of sixteen megabytes whose last byte does not come."""
    wrong, held = [], []
    head = b"Q" + struct.pack("!i", 16 << 20)
    for _ in range(30):
        connection = postgres(address())
        connection.socket.sendall(head + b"x" * ((16 << 20) - 5))
        held.append(connection)
    told = while_held(len(held), wrong)
    for connection in held:
        connection.socket.close()
    return {**told, "wrong": wrong}


@attack(growth=1000)
def messages_unfinished_in_number():
    """More of them than there is memory for: those beyond it are told so once they are whole."""
    wrong, held = [], []
    unfinished = b"Q" + struct.pack("!i", 16 << 20) + b"x" * ((16 << 20) - 5)
    for _ in range(60):
        connection = postgres(address())
        connection.socket.sendall(unfinished)
        held.append(connection)
    told = while_held(len(held), wrong)
    found = collections.Counter()
    for connection in held:
        connection.socket.sendall(b"x")
        found[code_of(outcome(connection.socket)[0])] += 1
        connection.socket.close()
    # Three quarters of a gigabyte, by seventeen million bytes; the text of no statement ends so.
    if found != {"08P01": 47, FULL: 13}:
        wrong.append(f"told {dict(found)}")
    return {**told, "wrong": wrong}


@attack
def slow_readers():
    """A gigabyte each is asked for, and read a little at a time."""
    wrong, held = [], []
    for number in range(7):
        connection = postgres(address())
        sql = MANY_ROWS if number % 2 else f"COPY ({MANY_ROWS}) TO STDOUT"
        connection.send(b"Q", cstring(sql))
        held.append(connection)
    for _ in range(20):
        for connection in held:
            connection.socket.recv(1000)
        time.sleep(0.1)
    told = while_held(len(held), wrong)
    for connection in held:
        connection.socket.close()
    return {**told, "wrong": wrong}


@attack
def slow_readers_in_number():
    """More slow readers than a principal may have statements."""
    wrong, held = [], []
    for _ in range(20):
        connection = postgres(address())
        connection.send(b"Q", cstring(MANY_ROWS))
        held.append(connection)
    time.sleep(1)
    told = while_held(len(held), wrong)
    for connection in held:
        connection.socket.close()
    return {**told, "wrong": wrong}


@attack
def busy():
    """As many statements as a principal may have, which compute and never wait."""
    wrong, held = [], []
    for _ in range(8):
        connection = postgres(address())
        connection.send(b"Q", cstring(seen.ENDLESS))
        held.append(connection)
    time.sleep(1)
    told = while_held(len(held), wrong)
    for connection in held:
        connection.socket.close()
    return {**told, "wrong": wrong}


@attack
def leaving_early():
    """Clients that leave in the middle of an answer, of a copy and of a message."""
    chance = random.Random(SEED)
    for number in range(60):
        connection = postgres(address())
        sql = f"COPY ({MANY_ROWS}) TO STDOUT" if number % 2 else MANY_ROWS
        connection.send(b"Q", cstring(sql))
        connection.socket.recv(chance.randrange(1, 100000))
        if number % 3 == 0:
            # With a reset in place of an end.
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if number % 5 == 0:
            with contextlib.suppress(OSError):
                connection.socket.sendall(b"Q\0\0\1\0SELECT")
        connection.socket.close()
    return {"tries": 60}


@attack
def much_kept():
    """Statements, portals, cursors, settings and savepoints without end in one session."""
    wrong, told = [], {}
    long = "SELECT '" + "x" * 200_000 + "'"

    def kept(name, messages):
        connection = postgres(address())
        connection.socket.settimeout(30)
        try:
            found = codes(told_all(connection, *messages))
            told[name] = [len(messages), found[:1]]
        except OSError as error:
            wrong.append(f"{name}: {type(error).__name__}")
        connection.close()

    kept("statements", [parse("SELECT 1", name=f"s{number}") for number in range(20000)])
    kept("long_statements", [parse(long, name=f"s{number}") for number in range(300)])
    kept("portals", [parse("SELECT 1", name="s"), *(bind(portal=f"p{at}", name="s") for at in range(20000))])
    kept("long_parameters", [
        parse("SELECT $1::text", name="s"), *(bind("x" * 1_000_000, portal=f"p{at}", name="s") for at in range(100))
    ])
    for name, sql in {
        "settings": "; ".join(f"SET custom.s{number} = '{'x' * 100}'" for number in range(1500)),
        "savepoints": "BEGIN; " + "; ".join("SAVEPOINT a" for _ in range(3000)),
        "both": "BEGIN; " + "; ".join(
            [f"SET custom.s{number} = '{'x' * 100}'" for number in range(500)] + ["SAVEPOINT a"] * 3000
        ),
        "cursors": "BEGIN; " + "; ".join(f"DECLARE c{at} CURSOR FOR SELECT 1" for at in range(1100)),
        "prepared": "; ".join(f"PREPARE p{at} AS SELECT 1" for at in range(1100)),
        "long_setting": f"SET application_name = '{'x' * 200_000}'",
    }.items():
        connection = postgres(address())
        connection.socket.settimeout(60)
        try:
            told[name] = codes(connection.query(sql))[:1]
        except OSError as error:
            wrong.append(f"{name}: {type(error).__name__}")
        connection.close()
    return {"told": told, "wrong": wrong}


@attack(growth=1000)
def much_kept_in_number():
    """Sessions that keep as much as one may, and are more than there is memory for."""
    wrong, held, found = [], [], collections.Counter()
    for _ in range(40):
        connection = postgres(address())
        portals = [bind("x" * 1_000_000, portal=f"p{at}", name="s") for at in range(30)]
        connection.query("BEGIN")
        answers = told_all(connection, parse("SELECT $1::text", name="s", types=[25]), *portals)
        found[(codes(answers) or ["kept"])[0]] += 1
        held.append(connection)
    told = while_held(len(held), wrong)
    if not (found["kept"] > 20 and found[FULL] > 10 and found.total() == found["kept"] + found[FULL]):
        wrong.append(f"told {dict(found)}")
    held[-1].query("ROLLBACK")
    for expected in (FULL, None):
        # None of them is so long that there has to be memory to read it.
        more = [bind("x" * 50_000, portal=f"q{at}") for at in range(40)]
        answers = told_all(held[-1], parse("SELECT $1::text", types=[25]), *more)
        if (codes(answers) or [None])[0] != expected:
            wrong.append(f"more portals: {answers}, not {expected}")
        held[0].query("ROLLBACK")
    for connection in held:
        connection.close()
    return {**told, "found": dict(found), "wrong": wrong}


@attack
def idle_strangers():
    """A thousand connections to each door of people who did not say who they are."""
    return idle({name: lambda name=name: plain(name) for name in ("postgres", "http", "flight")})


@attack
def no_descriptors():
    """More connections than the server may have files open, at a door that need not be logged in to."""
    with open(f"/proc/{seen.setting('SERVER_PID')}/limits", encoding="ascii") as limits:
        most = next(int(line.split()[3]) for line in limits if line.startswith("Max open files"))
    if most > 1024:
        return {"skipped": f"it may have {most} files open"}
    wrong, held = [], []
    for name in ("http", "flight", "postgres"):
        for _ in range(most):
            try:
                held.append(plain(name))
            except OSError:
                break
        time.sleep(1)
        told = while_held(len(held), wrong)
        for connection in held:
            connection.close()
        held.clear()
        time.sleep(1)
    return {**told, "wrong": wrong}


@attack
def idle_clients():
    """A thousand connections of people who have logged in and do nothing."""
    def asked():
        connection = postgres()
        connection.query("SELECT 1")
        return connection.socket

    def over_http():
        connection = http.client.HTTPConnection(seen.setting("HTTP"), timeout=20)
        headers = {"authorization": f"Bearer {seen.setting('PGPASSWORD')}"}
        connection.request("POST", "/v1/sql", b'{"sql": "SELECT 1 AS one"}', headers)
        connection.getresponse().read()
        return connection

    return idle({"postgres": asked, "http": over_http})


def idle(doors):
    wrong, told, memory = [], {}, Memory()
    for name, connect in doors.items():
        before, begun, held = memory.now(), time.monotonic(), []
        for _ in range(IDLE):
            try:
                held.append(connect())
            except OSError as error:
                wrong.append(f"{name}: after {len(held)}, {type(error).__name__}")
                break
        time.sleep(0.5)
        told[name] = {
            **while_held(len(held), wrong),
            "kib_each": round((memory.now() - before) * 1024 / max(1, len(held)), 1),
            "seconds": round(time.monotonic() - begun, 1),
        }
        for connection in held:
            connection.close()
        time.sleep(0.5)
    return {**told, "wrong": wrong}


# HTTP.


def request(*lines, body=b""):
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def bearer():
    return f"Authorization: Bearer {seen.setting('PGPASSWORD')}"


def status_of(found):
    """The status of each answer in what a server said."""
    return [int(part[:3]) for part in found.split(b"HTTP/1.1 ")[1:] if part[:3].isdigit()]


@attack
def http_requests():
    """Requests that are malformed, or that two servers could understand in two ways."""
    wrong, told = [], {}
    sql = b'{"sql": "SELECT 1 AS one"}'
    head = ("POST /v1/sql HTTP/1.1", "Host: x", bearer())
    smuggled = b"GET /healthz HTTP/1.1\r\nHost: smuggled\r\n\r\n"
    cases = {
        "both_lengths": request(*head, f"Content-Length: {len(sql)}", "Transfer-Encoding: chunked", body=sql),
        "chunked_and_length": request(
            *head, "Transfer-Encoding: chunked", "Content-Length: 4", body=b"0\r\n\r\n" + smuggled
        ),
        "two_lengths": request(*head, "Content-Length: 5", f"Content-Length: {len(sql)}", body=sql),
        "two_in_one": request(*head, f"Content-Length: {len(sql)}, {len(sql)}", body=sql),
        "negative": request(*head, "Content-Length: -1", body=sql),
        "plus": request(*head, f"Content-Length: +{len(sql)}", body=sql),
        "hexadecimal": request(*head, "Content-Length: 0x1a", body=sql),
        "huge_length": request(*head, "Content-Length: 99999999999999999999", body=sql),
        "obscured": request(*head, "Transfer-Encoding: xchunked", body=sql + smuggled),
        "spaced": request(*head, "Transfer-Encoding : chunked", f"Content-Length: {len(sql)}", body=sql),
        "not_last": request(*head, "Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n" + smuggled),
        "twice": request(*head, "Transfer-Encoding: chunked", "Transfer-Encoding: identity", body=b"0\r\n\r\n"),
        "chunk_size": request(*head, "Transfer-Encoding: chunked", body=b"ffffffffffffffffff\r\nx"),
        "chunk_sign": request(*head, "Transfer-Encoding: chunked", body=b"-1\r\nx\r\n0\r\n\r\n"),
        "chunk_text": request(*head, "Transfer-Encoding: chunked", body=b"zz\r\n"),
        "chunk_end": request(*head, "Transfer-Encoding: chunked", body=b"1\r\nab\r\n0\r\n\r\n"),
        "chunk_extension": request(*head, "Transfer-Encoding: chunked", body=b"1;" + b"x" * 100000 + b"\r\na\r\n"),
        "trailers": request(
            *head, "Transfer-Encoding: chunked", body=b"0\r\n" + b"x: y\r\n" * 100000 + b"\r\n"
        ),
        "line_feeds": b"GET /healthz HTTP/1.1\nHost: x\n\n" + b"G" * 10,
        "folded": request("GET /healthz HTTP/1.1", "Host: x", "X-A: b", " c: d"),
        "no_colon": request("GET /healthz HTTP/1.1", "Host x"),
        "zero": request("GET /healthz HTTP/1.1", "Host: x", "X-A: b\0c"),
        "carriage": request("GET /healthz HTTP/1.1", "Host: x", "X-A: b\rX-B: c"),
        "version": request("GET /healthz HTTP/9.9", "Host: x"),
        "old": b"GET /healthz\r\n\r\n",
        "method": request("G\x80T /healthz HTTP/1.1", "Host: x"),
        "path": request("GET /\xff\xfe\0 HTTP/1.1", "Host: x"),
        "long_path": request("GET /" + "x" * 200_000 + " HTTP/1.1", "Host: x"),
        "absolute": request("GET http://elsewhere/healthz HTTP/1.1", "Host: x"),
        "connect": request("CONNECT elsewhere:443 HTTP/1.1", "Host: x"),
        "upgrade": request("GET /healthz HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: h2c"),
        "parents": request("GET /v1/../../../etc/passwd HTTP/1.1", "Host: x"),
        "many_headers": request("GET /healthz HTTP/1.1", "Host: x", *(f"X-{at}: y" for at in range(10_000))),
        "long_header": request("GET /healthz HTTP/1.1", "Host: x", "X-A: " + "y" * 1_000_000),
        "long_token": request("POST /v1/sql HTTP/1.1", "Host: x", "Authorization: Bearer " + "y" * 100_000),
        "not_utf8": request(*head, "Content-Length: 13", body=b'{"sql": "\xff\xfe"}'),
        "deep": request(*head, "Content-Length: 200000", body=b"[" * 200_000),
        "long_body": request(*head, "Content-Length: 10000000", body=b"x" * 1_000_000),
        "tls": bytes.fromhex("16030100c8010000c40303") + b"\0" * 200,
        "garbage": random.Random(SEED).randbytes(2000),
        "postgres": startup(named(user="x")),
    }
    for name, body in cases.items():
        # Those that are answered well are not hung up on.
        found, is_closed = say("http", body, seconds=1.0)
        told[name] = [status_of(found), is_closed]
        if len(told[name][0]) > 1 and name != "absolute":
            wrong.append(f"{name}: was answered {len(told[name][0])} times")
        if name in ("obscured", "both_lengths", "chunked_and_length") and 200 in told[name][0]:
            wrong.append(f"{name}: was answered")
        if b"elsewhere" in found or b"y" * 50 in found:
            wrong.append(f"{name}: an answer repeats the request")
    return {"told": told, "wrong": wrong}


@attack
def http_bodies():
    """Bodies that are too long or never end, with their length and without."""
    wrong, told = [], {}
    head = ("POST /v1/sql HTTP/1.1", "Host: x", bearer())
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    for name, line, part, times in (
        ("length", "Content-Length: 1000000000", b"x" * 65536, 2000),
        ("chunked", "Transfer-Encoding: chunked", chunk, 2000),
        ("small_chunks", "Transfer-Encoding: chunked", b"1\r\nx\r\n" * 10000, 200),
    ):
        sent = 0
        with plain("http") as connection:
            connection.sendall(request(*head, line))
            with contextlib.suppress(OSError):
                for _ in range(times):
                    connection.sendall(part)
                    sent += len(part)
            found, is_closed = outcome(connection)
        told[name] = [status_of(found), is_closed, round(sent / MIB, 1)]
        if sent > 64 * MIB:
            wrong.append(f"{name}: {sent // MIB} MiB were taken")
    status, _ = http_answer(seen.setting("PGPASSWORD"), json.dumps({"sql": "SELECT '" + "x" * 600_000 + "'"}).encode())
    told["over_limit"] = status
    if status != 413:
        wrong.append(f"a body over the limit: {status}")
    return {"told": told, "wrong": wrong}


@attack
def http_slow():
    """Headers and bodies that come byte by byte: the connection does not stay for ever."""
    wrong, told = [], {}
    cases = {
        "header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ",
        "line": b"GET /heal",
        "body": request("POST /v1/sql HTTP/1.1", "Host: x", bearer(), "Content-Length: 100000"),
        "nothing": b"",
    }
    begun, held = time.monotonic(), {}
    for name, beginning in cases.items():
        held[name] = plain("http")
        held[name].sendall(beginning)
        held[name].settimeout(0.01)
    # Longer than a header may take anywhere that has a limit at all.
    while held and time.monotonic() - begun < 40:
        for name, connection in list(held.items()):
            try:
                if name != "nothing":
                    connection.sendall(b"x")
                if connection.recv(1000) == b"":
                    raise ConnectionError
            except socket.timeout:
                continue
            except OSError:
                told[name] = round(time.monotonic() - begun)
                connection.close()
                del held[name]
        time.sleep(1)
    for name, connection in held.items():
        wrong.append(f"{name}: still open after {time.monotonic() - begun:.0f} s")
        connection.close()
    return {"closed_after_seconds": told, "wrong": wrong}


@attack
def http_pipelines():
    """Requests without end on one connection, and nobody reads."""
    wrong, held = [], []
    body = b'{"sql": "SELECT repeat(\'x\', 10000) AS x FROM orders AS a, orders AS b, orders AS c"}'
    one = request("POST /v1/sql HTTP/1.1", "Host: x", bearer(), f"Content-Length: {len(body)}", body=body)
    for _ in range(8):
        connection = plain("http")
        connection.settimeout(0.3)
        with contextlib.suppress(OSError):
            for _ in range(2000):
                connection.sendall(one * 20)
        held.append(connection)
    told = while_held(len(held), wrong)
    for connection in held:
        connection.close()
    return {**told, "wrong": wrong}


@attack
def http_slow_readers():
    """Large answers that nobody reads."""
    wrong, held = [], []
    body = json.dumps({"sql": MANY_ROWS}).encode()
    for _ in range(6):
        connection = plain("http")
        connection.sendall(
            request("POST /v1/sql HTTP/1.1", "Host: x", bearer(), f"Content-Length: {len(body)}", body=body)
        )
        held.append(connection)
    time.sleep(1)
    told = while_held(len(held), wrong)
    for connection in held:
        connection.close()
    return {**told, "wrong": wrong}


# Flight.


@attack
def flight_frames():
    """HTTP/2 that is none, and frames that break its rules: the server hangs up."""
    wrong, told = [], {}
    frame, calls = http2.frame, http2.of_call("GetFlightInfo", seen.setting("PGPASSWORD"))
    begin = http2.PREFACE + frame(http2.SETTINGS, 0, 0)
    block = http2.block(calls)
    cases = {
        "garbage": random.Random(SEED).randbytes(5000),
        "preface": http2.PREFACE[:-1] + b"x" + b"\0" * 100,
        "http1": request("GET / HTTP/1.1", "Host: x"),
        "postgres": startup(named(user="x")),
        "tls": bytes.fromhex("16030100c8010000c40303") + b"\0" * 200,
        "frame_length": begin + b"\xff\xff\xff\0\0\0\0\0\1" + b"x" * 1000,
        "settings_length": begin + frame(http2.SETTINGS, 0, 0, b"12345"),
        "settings_stream": begin + frame(http2.SETTINGS, 0, 1),
        "window": begin + frame(http2.SETTINGS, 0, 0, struct.pack("!HI", 4, 2**32 - 1)),
        "frame_size": begin + frame(http2.SETTINGS, 0, 0, struct.pack("!HI", 5, 1)),
        "ping_length": begin + frame(http2.PING, 0, 0, b"1234"),
        "data_first": begin + frame(http2.DATA, 0, 1, b"x"),
        "even_stream": begin + frame(http2.HEADERS, 5, 2, block),
        "stream_zero": begin + frame(http2.HEADERS, 5, 0, block),
        "push": begin + frame(http2.PUSH, 4, 1, b"\0\0\0\2"),
        "continuation": begin + frame(http2.CONTINUATION, 4, 1, block),
        "window_zero": begin + frame(http2.WINDOW, 0, 0, b"\0\0\0\0"),
        "window_over": begin + frame(http2.WINDOW, 0, 0, b"\x7f\xff\xff\xff") * 2,
        "bad_table": begin + frame(http2.HEADERS, 5, 1, b"\xff\xff\xff\xff\xff\xff"),
        "bad_code": begin + frame(http2.HEADERS, 5, 1, b"\0\x85\xff\xff\xff\xff\xff\x01a"),
        "bad_length": begin + frame(http2.HEADERS, 5, 1, b"\0\x7f\xff\xff\xff\xff\x0fa"),
        "padding": begin + frame(http2.HEADERS, 13, 1, b"\xff" + block[:20]),
        "interleaved": begin + frame(http2.HEADERS, 0, 1, block[:20]) + frame(http2.PING, 0, 0, b"12345678"),
    }
    for name, body in cases.items():
        found, is_closed = say("flight", body)
        told[name] = is_closed
        if not is_closed:
            wrong.append(f"{name}: still open after {found[:40]!r}")
    return {"closed": told, "wrong": wrong}


def http2_flood(make, seconds=3.0, connections=4, first=b""):
    """Connections that send frames without end."""
    wrong, held, sent = [], [], []
    until = time.monotonic() + seconds

    def one():
        connection = plain("flight")
        connection.settimeout(0.5)
        held.append(connection)
        taken = 0
        with contextlib.suppress(OSError):
            connection.sendall(http2.PREFACE + http2.frame(http2.SETTINGS, 0, 0) + first)
            for number in itertools.count():
                if time.monotonic() > until:
                    break
                part = make(number)
                connection.sendall(part)
                taken += len(part)
        sent.append(round(taken / MIB, 1))

    threads = [threading.Thread(target=one, daemon=True) for _ in range(connections)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    told = while_held(connections, wrong)
    for thread in threads:
        thread.join()
    for connection in held:
        connection.close()
    return {**told, "sent_mib": sent, "wrong": wrong}


@attack
def flight_resets():
    """Calls that are begun and taken back at once, again and again."""
    block = http2.block(http2.of_call("GetFlightInfo", seen.setting("PGPASSWORD")))

    def make(number):
        parts = []
        for at in range(100):
            stream = (number * 100 + at) * 2 + 1
            parts.append(http2.frame(http2.HEADERS, 4, stream, block))
            parts.append(http2.frame(http2.RESET, 0, stream, b"\0\0\0\x08"))
        return b"".join(parts)

    return http2_flood(make)


@attack
def flight_pings():
    """Pings and settings whose answers nobody reads."""
    ping = http2.frame(http2.PING, 0, 0, b"12345678") * 500
    settings = http2.frame(http2.SETTINGS, 0, 0) * 500
    return http2_flood(lambda number: settings if number % 2 else ping)


@attack
def flight_continuations():
    """Headers that never end."""
    first = http2.frame(http2.HEADERS, 0, 1, http2.block([("x-a", "b")]))
    part = http2.frame(http2.CONTINUATION, 0, 1, http2.block([("x-a", "b" * 100)]) * 100)
    return http2_flood(lambda _: part, first=first)


@attack
def flight_headers():
    """Headers that are small on the wire and large in memory."""
    entry = b"\x40" + http2.length_of(b"x-a") + b"x-a" + http2.length_of(b"b" * 4000) + b"b" * 4000
    again = b"\xbe" * 16000

    def make(number):
        return http2.frame(http2.HEADERS, 5, number * 2 + 1, (entry if number == 0 else b"") + again[:8000])

    return http2_flood(make)


@attack
def flight_empty_data():
    """Bodies of nothing, without end."""
    first = http2.headers(1, http2.of_call("DoPut", seen.setting("PGPASSWORD")))
    part = http2.frame(http2.DATA, 0, 1) * 1000
    return http2_flood(lambda _: part, first=first)


@attack
def flight_messages():
    """Messages that are too long, cut off, compressed without leave, or no message at all."""
    wrong, told = [], {}
    secret = seen.setting("PGPASSWORD")
    chance = random.Random(SEED)
    whole = http2.statement("SELECT 1")
    cases = {
        "length": http2.grpc(b"x" * 10, length=2**32 - 1),
        "length_over": http2.grpc(b"x" * 10, length=2 << 20),
        "cut_off": http2.grpc(whole)[:-3],
        "compressed": http2.grpc(whole, is_compressed=1),
        "flag": http2.grpc(whole, is_compressed=200),
        "nothing": b"",
        "empty": http2.grpc(b""),
        "two": http2.grpc(whole) * 2,
        "not_protobuf": http2.grpc(b"\xff" * 100),
        "deep": http2.grpc(http2.field(1, 2) + http2.field(2, b"\x0a\x80\x80\x80\x80\x08")),
        "wrong_kind": http2.grpc(http2.field(1, 2) + http2.field(2, http2.any_of("Nowhere", b"x"))),
        "not_utf8": http2.grpc(http2.statement(b"SELECT '\xff'")),
        "path": http2.grpc(http2.field(1, 1) + http2.field(3, "x") * 10000),
        **{f"chance_{number}": http2.grpc(chance.randbytes(200)) for number in range(20)},
    }
    for method in ("GetFlightInfo", "DoGet", "GetSchema", "DoAction", "DoPut", "Handshake", "ListActions", "Nowhere"):
        for name, body in cases.items():
            try:
                with http2.Connection(seen.setting("FLIGHT"), address(), timeout=HANG_UP_SECONDS) as connection:
                    stream = connection.begin(method, secret)
                    connection.send(http2.frame(http2.DATA, http2.END_STREAM, stream, body))
                    found, _ = connection.answer(stream)
                told[f"{method} {name}"] = len(found)
            except socket.timeout:
                wrong.append(f"{method} {name}: no answer")
            except OSError as error:
                told[f"{method} {name}"] = str(error)[:30]
    return {"tries": len(told), "wrong": wrong}


@attack(growth=1200)
def flight_messages_unfinished():
    """Parameters of sixteen megabytes whose last byte does not come, more than there is memory for."""
    wrong, held, refused = [], [], 0
    body = http2.grpc(b"x" * 10, length=(16 << 20) - 10)[:5] + b"x" * ((16 << 20) - 100)
    for _ in range(52):
        connection = http2.Connection(seen.setting("FLIGHT"), address())
        stream = connection.begin("DoPut", seen.setting("PGPASSWORD"))
        meanwhile = connection.send_body(stream, body, end=0)
        refused += any(kind == http2.HEADERS and flags & http2.END_STREAM for kind, flags, _, _ in meanwhile)
        held.append(connection)
    told = while_held(len(held), wrong)
    if refused != 4:
        wrong.append(f"{refused} were refused")
    for connection in held:
        connection.close()
    return {**told, "refused": refused, "wrong": wrong}


@attack
def flight_tickets():
    """Tickets of another, altered ones, and calls by nobody."""
    wrong = []
    own, other = seen.setting("PGPASSWORD"), seen.setting("OTHER_SECRET")
    with http2.Connection(seen.setting("FLIGHT"), address()) as connection:
        info, _ = connection.call("GetFlightInfo", http2.statement("SELECT order_id FROM orders"), own)
        ticket = http2.tickets(info[0])[0]
        altered = bytearray(ticket)
        altered[-2] ^= 1
        tries = {
            "other": (ticket, other, None), "no secret": (ticket, None, "analytics"),
            "wrong secret": (ticket, own + "x", "analytics"), "altered": (bytes(altered), own, "analytics"),
            "other purpose": (ticket, own, "marketing"), "empty": (b"", own, "analytics"),
        }
        for name, (given, secret, purpose) in tries.items():
            found, _ = connection.call("DoGet", given, secret, purpose)
            if found:
                wrong.append(f"{name}: was answered")
        found, _ = connection.call("DoGet", ticket, own)
        if len(found) != 2:
            wrong.append(f"its own: {len(found)} messages")
    return {"wrong": wrong}


@attack
def flight_slow_readers():
    """Large answers that nobody reads, with windows of nothing and of all."""
    wrong, held = [], []
    secret = seen.setting("PGPASSWORD")
    for number in range(6):
        window = 0 if number % 2 else 2**31 - 1
        connection = http2.Connection(seen.setting("FLIGHT"), address(), [(http2.INITIAL_WINDOW, 65535)])
        info, _ = connection.call("GetFlightInfo", http2.statement(MANY_ROWS), secret)
        connection.send(http2.frame(http2.SETTINGS, 0, 0, struct.pack("!HI", http2.INITIAL_WINDOW, window)))
        connection.send(http2.frame(http2.WINDOW, 0, 0, struct.pack("!I", 2**30)))
        stream = connection.begin("DoGet", secret)
        message = http2.grpc(http2.tickets(info[0])[0])
        connection.send(http2.frame(http2.DATA, http2.END_STREAM, stream, message))
        held.append(connection)
    time.sleep(1)
    told = while_held(len(held), wrong)
    for connection in held:
        connection.close()
    return {**told, "wrong": wrong}


@attack
def tls_everywhere():
    """Greetings of TLS to doors that have none, and TLS after a greeting of PostgreSQL."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    told = {}
    for name in ("postgres", "http", "flight"):
        with plain(name) as connection:
            try:
                context.wrap_socket(connection).close()
                told[name] = "TLS"
            except OSError as error:
                told[name] = type(error).__name__
    return {"told": told}


def main():
    wanted = os.environ.get("ATTACKS", "").split()
    answers = {}
    behave()
    for function, growth in ATTACKS:
        if wanted and function.__name__ not in wanted:
            continue
        answers[function.__name__] = run(function, growth)
        if os.environ.get("CLIENTS_VERBOSE"):
            print(function.__name__, json.dumps(answers[function.__name__]), flush=True)
        if "the server has ended" in answers[function.__name__]["wrong"]:
            break
    if not os.environ.get("CLIENTS_VERBOSE"):
        seen.print_json(answers)


if __name__ == "__main__":
    main()
