"""Ports for what a test starts a moment later."""
import random
import socket

# Below where the kernel takes ports for outgoing connections, which there are many of, and beside tests/kubernetes/cluster.sh's.
FIRST, LAST = 12000, 19999
claims = []  # names that no other process has while this one runs


def free_port():
    """One that nobody listens on; what else asks here does not get it as long as this process runs."""
    while True:
        port = random.randint(FIRST, LAST)
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            claim.bind(f"\0atelier-test-port-{port}")
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        claims.append(claim)
        return port
