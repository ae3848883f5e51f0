"""A network's accidents on this machine: an https server, certificates made on the spot, and a CONNECT proxy."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM


def page(status: int, body: str, *headers: str) -> bytes:
    """An answer as bytes, for `Front.instead` and `Proxy.answer`."""
    kind = "text/html" if body.startswith("<") else "application/json"
    lines = [f"HTTP/1.1 {status} Somehow", f"Content-Type: {kind}", f"Content-Length: {len(body.encode())}"]
    return ("\r\n".join([*lines, *headers, "Connection: close"]) + "\r\n\r\n" + body).encode()


BLOCKED = page(403, "<html><head><title>Access denied</title></head><body>by your company</body></html>")
LOGIN = page(302, "", "Location: https://login.hotel.example/portal?session=private-words")


class Authority:
    """A certificate authority. `file` holds its certificate, for `REQUESTS_CA_BUNDLE`."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Company {name}")])
        self.certificate = self._sign(self._name, self._key, 30, None)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self.certificate.public_bytes(PEM))

    def issue(self, host: str, days_left: int = 30, *, signs_itself: bool = False) -> Path:
        """A server's certificate for `host` with its key, in one file. Negative days: it has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        certificate = self._sign(subject, key, days_left, host, own=key if signs_itself else None)
        file = self._folder / f"{host}-{days_left}-{signs_itself}.pem"
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file.write_bytes(certificate.public_bytes(PEM) + private)
        return file

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        days_left: int,
        host: str | None,
        own: ec.EllipticCurvePrivateKey | None = None,
    ) -> x509.Certificate:
        now = datetime.now(timezone.utc)
        signs_certificates = host is None
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign"), False
        )
        names = x509.SubjectAlternativeName([x509.DNSName(host or "ca.invalid")])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if own else self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=60))
            .not_valid_after(now + timedelta(days=days_left))
            .add_extension(x509.BasicConstraints(ca=signs_certificates, path_length=None), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True, key_cert_sign=signs_certificates, encipher_only=False,
                    decipher_only=False, **usage,
                ),
                critical=True,
            )
            .add_extension(names, critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key((own or self._key).public_key()), critical=False
            )
            .sign(own or self._key, hashes.SHA256())
        )  # fmt: skip


class Front:
    """An https server before a simulator.

    `instead`: what it answers in the simulator's place, None to pass requests on. `acts_first`: whether the
    simulator gets the request all the same. `paths`: of the requests that came."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.port: int = server.server_address[1]
        self.instead: bytes | None = None
        self.acts_first = False
        self.paths: list[str] = []


@contextmanager
def front(certificate: Path | None, simulator_port: int = 0) -> Iterator[Front]:
    """Serve a `Front` on this machine. Without a certificate it speaks plain http."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            served.paths.append(f"{self.command} {self.path}")
            instead = served.instead
            answer, content = None, b""
            if instead is None or served.acts_first:
                onward = http.client.HTTPConnection("127.0.0.1", simulator_port, timeout=10)
                onward.request(self.command, self.path, body or None, dict(self.headers))
                answer = onward.getresponse()
                content = answer.read()
                onward.close()
            if instead is not None or answer is None:
                self.wfile.write(instead or b"")
                self.close_connection = True
                return
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = do_PUT = pass_on  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that trusts nobody goes away: that is what is tested."""

        def finish_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
            if context is not None:
                request = context.wrap_socket(request, server_side=True)
            super().finish_request(request, client_address)  # type: ignore[arg-type]

    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    server = Quiet(("127.0.0.1", 0), Handler)
    served = Front(server)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()


class Proxy:
    """A CONNECT proxy. `answer`: its refusal, None to pass everything on to the port `onward`.

    `asked`: the requests that it got, with their headers."""

    def __init__(self, port: int, onward: int) -> None:
        self.port, self.onward = port, onward
        self.answer: bytes | None = None
        self.asked: list[str] = []


@contextmanager
def proxy(onward: int = 0) -> Iterator[Proxy]:
    """Serve a `Proxy` on this machine."""
    listening = socket.create_server(("127.0.0.1", 0))
    served = Proxy(listening.getsockname()[1], onward)

    def pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65_536):
                sink.sendall(data)
        except OSError:
            pass
        for one in (source, sink):
            one.close()

    def answer(near: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request and (data := near.recv(65_536)):
            request += data
        served.asked.append(request.decode("latin-1"))
        if served.answer is not None:
            near.sendall(served.answer)
            near.close()
            return
        far = socket.create_connection(("127.0.0.1", served.onward))
        near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        threading.Thread(target=pump, args=(near, far), daemon=True).start()
        pump(far, near)

    def serve() -> None:
        while True:
            try:
                near, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(near,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield served
    finally:
        listening.close()


def closed_port() -> int:
    """A port of this machine on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
    return port
