"""HTTP/2 and gRPC by hand, as little of them as calls of Flight need."""

import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RESET, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)

END_STREAM, ACK, END_HEADERS = 1, 1, 4

INITIAL_WINDOW = 4

# What a peer takes that did not say otherwise.
FRAME_BYTES_MAX = 16384
WINDOW_BYTES = 65535

SERVICE = "/arrow.flight.protocol.FlightService/"

OF_SQL = "type.googleapis.com/arrow.flight.protocol.sql."


class Connection:
    """A connection whose frames are told one by one."""

    def __init__(self, address, source=None, settings=(), timeout=20):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection(
            (host, int(port)), timeout=timeout, source_address=(source, 0) if source else None
        )
        pairs = b"".join(struct.pack("!HI", number, value) for number, value in settings)
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0, pairs))
        self.stream = -1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, *frames):
        self.socket.sendall(b"".join(frames))

    def exactly(self, count):
        parts = bytearray()
        while len(parts) < count:
            part = self.socket.recv(count - len(parts))
            if not part:
                raise ConnectionError("the server hung up")
            parts += part
        return bytes(parts)

    def receive(self):
        """A frame: its kind, flags, stream and body."""
        head = self.exactly(9)
        length = int.from_bytes(head[:3], "big")
        stream = int.from_bytes(head[5:], "big") & 0x7FFFFFFF
        return head[3], head[4], stream, self.exactly(length)

    def begin(self, method, secret, purpose="analytics", more=()):
        """The headers of a call; its stream."""
        self.stream += 2
        self.send(headers(self.stream, of_call(method, secret, purpose, more)))
        return self.stream

    def call(self, method, message, secret, purpose="analytics"):
        """A call of one message: the messages of its answer, whole or as far as it got."""
        stream = self.begin(method, secret, purpose)
        return self.answer(stream, self.send_body(stream, grpc(message)))

    def send_body(self, stream, body, end=END_STREAM):
        """Sends a body as the server makes room for it; what it says meanwhile."""
        rooms, meanwhile = {0: WINDOW_BYTES, stream: WINDOW_BYTES}, []
        while body:
            room = min(FRAME_BYTES_MAX, *rooms.values())
            if room > 0:
                part, body = body[:room], body[room:]
                rooms = {at: left - len(part) for at, left in rooms.items()}
                self.send(frame(DATA, 0 if body else end, stream, part))
                continue
            kind, flags, at, part = received = self.receive()
            if kind == WINDOW and at in rooms:
                rooms[at] += struct.unpack("!I", part)[0]
                continue
            if kind == SETTINGS and not flags & ACK:
                # They hold from here on.
                self.send(frame(SETTINGS, ACK, 0))
                for number, value in struct.iter_unpack("!HI", part):
                    rooms[stream] += value - WINDOW_BYTES if number == INITIAL_WINDOW else 0
                continue
            meanwhile.append(received)
            if kind in (GOAWAY, RESET) or kind == HEADERS and flags & END_STREAM:
                break
        return meanwhile

    def answer(self, stream, begun=()):
        """The messages of an answer, and what its end says, which is not decoded."""
        body, blocks, begun = bytearray(), [], list(begun)
        while True:
            kind, flags, at, part = begun.pop(0) if begun else self.receive()
            if kind == SETTINGS and not flags & ACK:
                self.send(frame(SETTINGS, ACK, 0))
            if kind == PING and not flags & ACK:
                self.send(frame(PING, ACK, 0, part))
            if kind == GOAWAY:
                raise ConnectionError("the server says goodbye")
            if at != stream:
                continue
            if kind == RESET:
                raise ConnectionError(f"the stream was reset, code {int.from_bytes(part, 'big')}")
            if kind == DATA:
                body += part
                if part:
                    more = struct.pack("!I", len(part))
                    self.send(frame(WINDOW, 0, 0, more), frame(WINDOW, 0, stream, more))
            if kind == HEADERS:
                blocks.append(part)
            if flags & END_STREAM and kind in (DATA, HEADERS):
                return messages(bytes(body)), blocks[-1] if blocks else b""


def frame(kind, flags, stream, body=b""):
    return len(body).to_bytes(3, "big") + bytes([kind, flags]) + struct.pack("!I", stream) + body


def headers(stream, pairs, flags=END_HEADERS):
    return frame(HEADERS, flags, stream, block(pairs))


def block(pairs):
    """Headers that neither are in a table nor go into one, in no code."""
    parts = []
    for name, value in pairs:
        name = name if isinstance(name, bytes) else name.encode()
        value = value if isinstance(value, bytes) else value.encode()
        parts.append(b"\0" + length_of(name) + name + length_of(value) + value)
    return b"".join(parts)


def length_of(text):
    """A length of seven bits and more."""
    length = len(text)
    if length < 127:
        return bytes([length])
    parts, length = bytearray([127]), length - 127
    while length >= 128:
        parts.append(length % 128 + 128)
        length //= 128
    parts.append(length)
    return bytes(parts)


def of_call(method, secret, purpose="analytics", more=()):
    """The headers of a call."""
    pairs = [
        (":method", "POST"), (":scheme", "http"), (":path", SERVICE + method), (":authority", "localhost"),
        ("content-type", "application/grpc"), ("te", "trailers"),
    ]
    if secret:
        pairs.append(("authorization", f"Bearer {secret}"))
    if purpose:
        pairs.append(("x-custos-purpose", purpose))
    return [*pairs, *more]


def grpc(message, is_compressed=0, length=None):
    """A message as it stands in the body."""
    return struct.pack("!BI", is_compressed, len(message) if length is None else length) + message


def messages(body):
    """The messages of a body."""
    at, found = 0, []
    while at + 5 <= len(body):
        (length,) = struct.unpack("!I", body[at + 1:at + 5])
        found.append(body[at + 5:at + 5 + length])
        at += 5 + length
    return found


# Protocol buffers.


def number(value):
    parts = bytearray()
    while value >= 128:
        parts.append(value % 128 + 128)
        value //= 128
    parts.append(value)
    return bytes(parts)


def field(at, value):
    """A field of bytes or, of a number, a number."""
    if isinstance(value, int):
        return number(at << 3) + number(value)
    value = value.encode() if isinstance(value, str) else value
    return number(at << 3 | 2) + number(len(value)) + value


def fields(message):
    """The fields of a message, by number, the last of each but for those of bytes."""
    at, found = 0, {}
    while at < len(message):
        key, at = read(message, at)
        if key & 7 == 0:
            value, at = read(message, at)
        elif key & 7 == 2:
            length, at = read(message, at)
            value, at = message[at:at + length], at + length
        else:
            raise ValueError("a kind of field that Flight has none of")
        found.setdefault(key >> 3, []).append(value)
    return found


def read(message, at):
    value, shift = 0, 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def any_of(name, message):
    """A message with the name of its kind."""
    return field(1, OF_SQL + name) + field(2, message)


def statement(sql):
    """What asks for a statement."""
    return field(1, 2) + field(2, any_of("CommandStatementQuery", field(1, sql)))


def tickets(info):
    """The tickets of an answer to that, as messages."""
    return [fields(endpoint)[1][0] for endpoint in fields(info).get(3, [])]
