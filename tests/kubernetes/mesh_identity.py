"""Identities of a mesh, for Envoys without an agent beside them: certificates, and what hands them out (SDS) on loopback."""
import pathlib
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import threading

SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
# Frames of HTTP/2 (RFC 9113, 6).
DATA, HEADERS, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 4, 6, 8
AMPLE = 1 << 30  # Envoy tells all it can do, some 60 kB, on each stream


class Authority:
    """What istiod's would be: one root, certificates by service account."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="atelier-mesh-"))
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/O=mesh",
                     "-keyout", "root.key", "-out", "root.crt")

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    def issue(self, namespace, account):
        """The files' common name."""
        name = f"{namespace}.{account}"
        (self.folder / f"{name}.ext").write_text(f"subjectAltName=critical,URI:spiffe://cluster.local/ns/{namespace}/sa/{account}\n"
                                                 "extendedKeyUsage=serverAuth,clientAuth\n")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/",
                     "-keyout", f"{name}.key", "-out", f"{name}.csr")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "root.crt", "-CAkey", "root.key", "-CAcreateserial", "-days", "2",
                     "-extfile", f"{name}.ext", "-out", f"{name}.crt")
        return name

    def context(self, namespace, account):
        """TLS as an Envoy with that identity speaks it to another of the mesh."""
        made = ssl.create_default_context(cafile=self.folder / "root.crt")
        made.check_hostname = False
        made.set_alpn_protocols(["istio"])
        name = self.folder / self.issue(namespace, account)
        made.load_cert_chain(f"{name}.crt", f"{name}.key")
        return made

    def secrets(self, namespace, account):
        """What an agent hands to its Envoy, by the names that istiod refers to."""
        name = self.issue(namespace, account)
        root, chain, key = ((self.folder / file).read_bytes() for file in ("root.crt", f"{name}.crt", f"{name}.key"))
        return {"default": field(1, b"default") + field(2, field(1, field(2, chain)) + field(2, field(2, key))),
                "ROOTCA": field(1, b"ROOTCA") + field(4, field(1, field(2, root)))}

    def close(self):
        shutil.rmtree(self.folder)


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number, value):
    return varint(number << 3 | 2) + varint(len(value)) + value


def fields(message):
    """[(number, bytes)] of a message whose fields all have a length."""
    def take():
        nonlocal at
        number = shift = 0
        while True:
            byte = message[at]
            at += 1
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number
    at, found = 0, []
    while at < len(message):
        number, size = take(), take()
        assert number & 7 == 2, message
        found.append((number >> 3, message[at:at + size]))
        at += size
    return found


class Secrets:
    """An SDS server for one Envoy: gRPC's StreamSecrets, as little of HTTP/2 as that needs."""

    def __init__(self, secrets):
        self.secrets, self.refused = secrets, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        def send(kind, flags, stream, payload):
            connection.sendall(struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload)
        with connection, connection.makefile("rb") as reader:
            reader.read(len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
            send(SETTINGS, 0, 0, struct.pack(">HI", 4, AMPLE))
            send(WINDOW_UPDATE, 0, 0, struct.pack(">I", AMPLE))
            said = {}
            while len(head := reader.read(9)) == 9:
                payload = reader.read(int.from_bytes(head[:3], "big"))
                kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
                if kind in (SETTINGS, PING) and not flags & 1:
                    send(kind, 1, 0, payload if kind == PING else b"")
                elif kind == HEADERS:
                    said[stream] = b""
                    # ":status: 200" and "content-type: application/grpc" by HPACK's static table.
                    send(HEADERS, 4, stream, b"\x88\x0f\x10\x10application/grpc")
                elif kind == DATA:
                    said[stream] += payload
                    while len(said[stream]) >= 5 and len(said[stream]) >= 5 + (size := int.from_bytes(said[stream][1:5], "big")):
                        asked, said[stream] = said[stream][5:5 + size], said[stream][5 + size:]
                        answer = self.answer(fields(asked))
                        if answer:
                            send(DATA, 0, stream, b"\0" + struct.pack(">I", len(answer)) + answer)

    def answer(self, request):
        """A DiscoveryResponse to a DiscoveryRequest; nothing to one that only says how the last was taken."""
        if any(number == 5 and value for number, value in request):
            self.refused += [value for number, value in request if number == 6]
            return None
        found = b"".join(field(2, field(1, SECRET.encode()) + field(2, self.secrets[value.decode()]))
                         for number, value in request if number == 3)
        return field(1, b"1") + found + field(4, SECRET.encode()) + field(5, b"1")

    def close(self):
        self.listener.close()
