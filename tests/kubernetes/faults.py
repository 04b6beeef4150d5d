"""What may stand between a program and its API server and go wrong. Servers on 127.0.0.1, a thread or two a connection.

Passage carries bytes, so that TLS and HTTP/2 pass untouched: connections are refused or fall silent.
Desk ends TLS with the API server's own key and sees requests: answers are replaced, and writes counted; watches may lag behind.
"""
import contextlib
import http.client
import http.server
import pathlib
import signal
import socket
import ssl
import threading
import time
import urllib.parse

import yaml

PIECE = 65536


class Server:
    """Where the API server really is, and its keys."""

    def __init__(self, cluster):
        entry = yaml.safe_load(pathlib.Path(cluster.kubeconfig).read_text())["clusters"][0]["cluster"]
        address = urllib.parse.urlparse(entry["server"])
        self.host, self.port = address.hostname, address.port
        self.keys = pathlib.Path(cluster.kubeconfig).parent / "keys"


def quietly_closed(*sockets):
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


# --- bytes --------------------------------------------------------------------------------------------------------------

class Pair:
    """One connection and its other half."""

    def __init__(self, passage, near):
        self.passage, self.near, self.silent, self.ended = passage, near, False, None
        self.far = socket.create_connection((passage.server.host, passage.server.port))
        for work in (self.carry_requests, self.carry_answers):
            threading.Thread(target=work, daemon=True).start()

    def carry_requests(self):
        with contextlib.suppress(OSError):
            while piece := self.near.recv(PIECE):
                if not self.silent:
                    self.far.sendall(piece)
        self.end()

    def carry_answers(self):
        with contextlib.suppress(OSError):
            while piece := self.far.recv(PIECE):
                if not self.silent:
                    self.near.sendall(piece)
        if not self.silent:  # who is silent does not say goodbye either
            self.end()

    def end(self):
        self.ended = self.ended or time.monotonic()
        quietly_closed(self.near, self.far)
        self.passage.pairs.discard(self)


class Passage:
    def __init__(self, cluster):
        self.server, self.away, self.pairs = Server(cluster), False, set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if self.away:
                near.close()
                continue
            try:
                pair = Pair(self, near)
            except OSError:
                near.close()
                continue
            self.pairs.add(pair)
            if self.away or pair.ended:  # meanwhile
                pair.end()

    def go_away(self):
        self.away = True
        for pair in list(self.pairs):
            pair.end()

    def come_back(self):
        self.away = False

    def fall_silent(self):
        """All that is open: bytes are taken and go nowhere. What is opened from now on works; returns which they were."""
        pairs = list(self.pairs)
        for pair in pairs:
            pair.silent = True
        return pairs

    def close(self):
        quietly_closed(self.listener)
        self.go_away()


# --- requests -----------------------------------------------------------------------------------------------------------

class Cut(Exception):
    """Raised by a judge: the connection ends here, without an answer."""


class Desk:
    """before(request) and after(request) may return (status, headers) to be answered instead, or raise Cut; after() is
    called when the API server has done it. A request has .method and .path."""

    def __init__(self, cluster):
        self.server = Server(cluster)
        self.before = self.after = lambda request: None
        self.watches_lag_s = 0  # what a watch tells is so old, and up to twice as old
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server.keys / "apiserver.crt", self.server.keys / "apiserver.key")
        self.trust = ssl.create_default_context(cafile=self.server.keys / "ca.crt")
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *those: Clerk(self, *those))
        self.http.daemon_threads, self.http.handle_error = True, lambda *those: None
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


@contextlib.contextmanager
def killed(desk, atelierd, wanted):
    """kill -9 as soon as the API server has done a write that wanted(request) picks, and before its answer; started again
    each time. Yields the list of what it was killed after."""
    after, over, killing = [], threading.Event(), threading.Lock()

    def kill(request):
        with killing:
            if is_write(request) and not over.is_set() and wanted(request):
                after.append(f"{request.method} {request.path}")
                atelierd.end(signal.SIGKILL)
                raise Cut

    def keep_alive():
        last = False
        while not last:
            last = over.is_set()  # nobody kills from here on: whoever was killed before is started below
            with killing:
                if atelierd.process.poll() is not None:
                    atelierd.launch()
            time.sleep(0.05)
    keeper = threading.Thread(target=keep_alive)
    keeper.start()
    desk.after = kill
    try:
        yield after
    finally:
        desk.after = lambda request: None
        with killing:
            over.set()
        keeper.join()
        print(f"killed {len(after)} times after:", *after, sep="\n  ")


class Clerk(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, desk, *those):
        self.desk, self.upstream = desk, None
        super().__init__(*those)

    def log_message(self, *_):
        pass

    @property
    def method(self):
        return self.command

    def serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            if self.replaced(self.desk.before(self)):
                return
            answer = self.forward(body)
            if not self.replaced(self.desk.after(self)):
                self.hand_on(answer)
        except (Cut, OSError, http.client.HTTPException):
            self.close_connection = True
            self.drop_upstream()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

    def forward(self, body):
        if not self.upstream:
            self.upstream = http.client.HTTPSConnection(self.desk.server.host, self.desk.server.port, context=self.desk.trust)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("accept-encoding", "te")}
        self.upstream.request(self.command, self.path, body=body or None, headers=headers)
        return self.upstream.getresponse()

    def hand_on(self, answer):
        """In chunks, as they come: it may be a watch."""
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(name, value)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while piece := answer.read1(PIECE):
            if self.desk.watches_lag_s and "watch=" in self.path:
                time.sleep(self.desk.watches_lag_s)
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.flush()
        answer.close()  # the connection is free again
        self.wfile.write(b"0\r\n\r\n")

    def replaced(self, verdict):
        if not verdict:
            return False
        self.drop_upstream()  # its answer is not wanted any more
        status, headers = verdict
        text = b'{"kind":"Status","apiVersion":"v1","status":"Failure","message":"a fault of the test","code":%d}' % status
        self.send_response_only(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(text))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)
        return True

    def drop_upstream(self):
        if self.upstream:
            self.upstream.close()
        self.upstream = None

    def finish(self):
        self.drop_upstream()
        with contextlib.suppress(OSError):
            super().finish()


def is_write(request):
    """Of something that stays: neither a question in the form of an object, nor a rehearsal, nor the lease."""
    return request.method in ("POST", "PUT", "PATCH", "DELETE") and not any(
        word in request.path for word in ("review", "dryRun", "/leases"))
