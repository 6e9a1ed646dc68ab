"""A web server on 127.0.0.1 that gives files, and misbehaves as it is told."""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

os.environ |= dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1")  # whatever proxy there is, it is not for this server


@dataclass
class Server:
    """What to answer, and what was asked. ``faults`` are used up, one a request, before it behaves."""

    base: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    faults: list[dict] = field(default_factory=list)  # the fields below, for one request each
    always: dict = field(default_factory=dict)  # the same, for all requests
    asked: list[tuple[str, str | None]] = field(default_factory=list)  # path and Range

    @property
    def ranges(self) -> list[str | None]:
        return [asked[1] for asked in self.asked]


class Handler(BaseHTTPRequestHandler):
    """Faults: status, body, headers, partial (headers); ranges=False; until (bytes); drip (seconds a piece); silent."""

    def do_GET(self):
        server = self.server.described
        server.asked.append((self.path, self.headers["Range"]))
        fault = server.always | (server.faults.pop(0) if server.faults else {})
        if fault.get("silent"):
            return self.server.over.wait(600)
        body, status, headers = fault.get("body", server.body), fault.get("status", 200), {}
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        if self.headers["If-Range"] not in (None, *server.headers.values()):
            wanted = None  # another version is asked for: all of this one
        if wanted and status == 200 and fault.get("ranges", True):
            first, total = int(wanted[1]), len(body)
            status, body = (206, body[first:]) if first < total else (416, b"<html>no such range</html>")
            told = f"{first}-{total - 1}" if status == 206 else "*"
            headers = {"Content-Range": f"bytes {told}/{total}"} | fault.get("partial", {})
        self.send_response(status)
        headers |= {"Content-Length": str(len(body))} | server.headers | fault.get("headers", {})
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()
        self.send_body(body[: fault.get("until", len(body))], fault.get("drip"), fault.get("piece", 1))

    def send_body(self, body: bytes, pause: float | None, piece: int) -> None:
        if pause is None:
            self.wfile.write(body)
        else:
            for first in range(0, len(body), piece):
                if self.server.over.is_set():
                    return
                self.wfile.write(body[first : first + piece])
                self.server.over.wait(pause)

    def log_message(self, *_):
        pass


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):  # a client that leaves early is what many tests are about
        pass


@contextmanager
def serving(body: bytes = b"", **fields) -> Iterator[Server]:
    with Quiet(("127.0.0.1", 0), Handler) as httpd:
        httpd.described = Server(f"http://127.0.0.1:{httpd.server_port}", body, **fields)
        httpd.over = threading.Event()
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield httpd.described
        finally:
            httpd.over.set()
            httpd.shutdown()
            thread.join()


def closed_address() -> str:
    """Where nobody listens."""
    with serving() as server:
        return server.base
