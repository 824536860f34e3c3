"""A ClickHouse server for tests: chDB behind ClickHouse's HTTP interface, in a process of its own.

Speaks what clickhouse-connect's HTTP client asks for (ClickHouse documentation: HTTP interface): the query in the URL
or the body, bound parameters in the URL or as form fields, settings, the FORMAT clause, streamed and compressed
replies, inserts with their data in the body, authentication, and exceptions with their code in a header. Listens on
the loopback only. Run as a program it prints the port it listens on.
"""

import argparse
import base64
import binascii
import email.parser
import email.policy
import gzip
import http.server
import json
import re
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import parse_qsl, urlsplit

_FORMAT = re.compile(r"\bFORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
_INSERT = re.compile(rb"\s*(INSERT\s+INTO\s.*?)\s+FORMAT\s+(\w+)[ \t]*(?:\n|$)", re.IGNORECASE | re.DOTALL)
_CODE = re.compile(r"Code:\s*(\d+)")
#: URL parameters of the interface itself, which are no settings.
_RESERVED = frozenset(
    (
        "query",
        "database",
        "user",
        "password",
        "client_protocol_version",
        "session_id",
        "session_timeout",
        "session_check",
        "query_id",
        "quota_key",
        "compress",
        "decompress",
        "wait_end_of_query",
        "buffer_size",
        "role",
        "default_format",
        "enable_http_compression",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
    )
)
#: The HTTP status for an exception's code (`src/Server/HTTP/exceptionCodeToHTTPStatus.cpp`); 500 for all others.
_STATUS = {60: 404, 81: 404, 62: 400, 47: 404, 192: 403, 193: 403, 516: 403, 194: 401, 159: 408}


class ChdbHttp:
    """The server as a context manager: `url()` is what a client connects to."""

    def __init__(self, path: Path, user: str = "kato", password: str = "s3cret pass/word") -> None:
        self.user, self.password = user, password
        self._path = path
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def __enter__(self) -> Self:
        arguments = [sys.executable, __file__, str(self._path), "--user", self.user, "--password", self.password]
        self._process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server as if its machine had been switched off."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def url(self, database: str = "", password: str | None = None) -> str:
        """The URL with the credentials, or with another password."""
        from urllib.parse import quote

        secret = quote(self.password if password is None else password, safe="")
        return f"http://{self.user}:{secret}@127.0.0.1:{self.port}/{database}"


class _Refused(Exception):
    """An exception with a ClickHouse code that the engine itself does not raise."""


class _Engine:
    """chDB's handles: one for each request under way, kept for requests with the same settings."""

    def __init__(self, path: str) -> None:
        import chdb

        self._connect = cast(Callable[[str], Any], chdb.connect)
        self._path = path
        self._idle: dict[Any, list[Any]] = defaultdict(list)
        self._lock = threading.Lock()
        self._first = self._connect(path)  # keeps the engine alive

    def take(self, database: str, settings: Mapping[str, str]) -> tuple[Any, Any]:
        """A handle that uses `database` and `settings`, and the key to give it back with."""
        key = (database, tuple(sorted(settings.items())))
        with self._lock:
            if self._idle[key]:
                return self._idle[key].pop(), key
            handle = self._connect(self._path)
        if database:
            handle.query(f"USE `{database.replace('`', '``')}`")
        for name, value in settings.items():
            if not name.isidentifier():
                raise _Refused(f"Code: 115. DB::Exception: Unknown setting '{name}'. (UNKNOWN_SETTING)")
            escaped = value.replace("\\", "\\\\").replace("'", "\\'")
            handle.query(f"SET {name} = '{escaped}'")
        return handle, key

    def give(self, handle: Any, key: Any) -> None:
        """Take a handle back."""
        with self._lock:
            self._idle[key].append(handle)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    engine: _Engine
    credentials: tuple[str, str]

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        body = self._body()
        address = urlsplit(self.path)
        if address.path == "/ping":
            self._reply(200, b"Ok.\n", {})
            return
        url = dict(parse_qsl(address.query, keep_blank_values=True))
        started = False
        try:
            self._authenticate(url)
            kind = self.headers.get("Content-Type", "")
            if kind.startswith("multipart/form-data"):
                url |= _form(kind, body)
                body = b""
            statement = url.get("query", "").encode()
            body = statement + (b"\n" if statement and body else b"") + body
            settings = {
                name: value for name, value in url.items() if name not in _RESERVED and not name.startswith("param_")
            }
            parameters = {name[6:]: value for name, value in url.items() if name.startswith("param_")}
            handle, key = self.engine.take(url.get("database", ""), settings)
            if found := _INSERT.match(body):
                inserter = handle.send_insert(found[1].decode(), found[2].decode())
                inserter.append(body[found.end() :])
                inserter.finish()
                self.engine.give(handle, key)
                self._reply(200, b"", {})
                return
            sql = body.decode()
            form = _FORMAT.search(sql)
            name = form[1] if form else "TabSeparated"
            if name != "Native":
                data = handle.query(sql, name, params=parameters).bytes()
                self.engine.give(handle, key)
                # Statements without a result set have no format.
                reads = re.match(r"\s*(SELECT|WITH|SHOW|DESC|EXISTS)", sql, re.IGNORECASE) is not None
                self._reply(200, data, {"X-ClickHouse-Format": name} if reads or form else {})
                return
            blocks: Iterator[bytes]
            if re.match(r"\s*(SELECT|WITH)\b", sql, re.IGNORECASE):
                blocks = (block.bytes() for block in handle.send_query(sql, name, params=parameters))
            else:
                blocks = iter((handle.query(sql, name, params=parameters).bytes(),))
            first = next(blocks, b"")
            started = True
            self._stream(first, blocks, name)
            self.engine.give(handle, key)
        except Exception as error:  # the client has to get an answer, whatever went wrong
            if started:
                self.close_connection = True
                raise
            self._fail(str(error))

    def _authenticate(self, url: Mapping[str, str]) -> None:
        user, password = url.get("user", ""), url.get("password", "")
        if (basic := self.headers.get("Authorization", "")).startswith("Basic "):
            try:
                user, _, password = base64.b64decode(basic[6:], validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError) as error:
                raise _Refused("Code: 516. DB::Exception: Invalid credentials. (AUTHENTICATION_FAILED)") from error
        elif "X-ClickHouse-User" in self.headers:
            user, password = self.headers["X-ClickHouse-User"], self.headers.get("X-ClickHouse-Key", "")
        if (user, password) != self.credentials:
            raise _Refused(
                f"Code: 516. DB::Exception: {user}: Authentication failed: password is incorrect, or there is no user "
                "with such name. (AUTHENTICATION_FAILED) (version 26.9.2.1)"
            )

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            data = b"".join(parts)
        else:
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        encoding = self.headers.get("Content-Encoding", "identity")
        if encoding == "gzip":
            return gzip.decompress(data)
        if encoding == "lz4":
            import lz4.frame  # type: ignore[import-untyped]

            return bytes(lz4.frame.decompress(data))
        return data

    def _compression(self) -> str | None:
        query = dict(parse_qsl(urlsplit(self.path).query))
        if query.get("enable_http_compression") != "1":
            return None
        accepted = [part.strip().split(";")[0] for part in self.headers.get("Accept-Encoding", "").split(",")]
        return next((name for name in ("lz4", "gzip") if name in accepted), None)

    def _headers(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("X-ClickHouse-Summary", json.dumps({"read_rows": "0", "written_rows": "0"}))
        self.send_header("X-ClickHouse-Timezone", "UTC")
        for name, value in headers.items():
            self.send_header(name, value)

    def _reply(self, status: int, data: bytes, headers: Mapping[str, str]) -> None:
        self._headers(status, headers)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, first: bytes, blocks: Iterator[bytes], name: str) -> None:
        """Send the blocks as they come; an exception on the way is written behind them, as ClickHouse does."""
        compression = self._compression()
        headers = {"X-ClickHouse-Format": name, "Transfer-Encoding": "chunked"}
        if compression:
            headers["Content-Encoding"] = compression
        self._headers(200, headers)
        self.end_headers()
        compress, finish = _compressor(compression)
        try:
            for block in _chain(first, blocks):
                self._chunk(compress(block))
        except Exception as error:  # the client has to hear of it, whatever went wrong
            self._chunk(compress(f"\n{_message(str(error))}".encode()))
        self._chunk(finish())
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, data: bytes) -> None:
        if data:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _fail(self, text: str) -> None:
        message = _message(text)
        found = _CODE.search(message)
        code = int(found[1]) if found else 1002
        self._reply(_STATUS.get(code, 500), message.encode(), {"X-ClickHouse-Exception-Code": str(code)})


def _chain(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from blocks


def _compressor(name: str | None) -> tuple[Any, Any]:
    if name == "gzip":
        import zlib

        packer = zlib.compressobj(wbits=31)
        return packer.compress, packer.flush
    if name == "lz4":
        import lz4.frame

        frame = lz4.frame.LZ4FrameCompressor()
        head = [frame.begin()]
        return (lambda data: (head.pop() if head else b"") + frame.compress(data)), frame.flush
    return (lambda data: data), (lambda: b"")


def _message(text: str) -> str:
    return text[max(text.find("Code: "), 0) :]


def _form(kind: str, body: bytes) -> dict[str, str]:
    """The fields of a multipart form."""
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    message = parser.parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    fields = {}
    for part in message.iter_parts():
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        fields[str(part.get_param("name", header="content-disposition"))] = payload.decode()
    return fields


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("path")
    parser.add_argument("--user")
    parser.add_argument("--password")
    arguments = parser.parse_args()
    _Handler.engine = _Engine(arguments.path)
    _Handler.credentials = (arguments.user, arguments.password)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
