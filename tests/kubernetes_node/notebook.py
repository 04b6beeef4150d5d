"""The node, with alice's notebook nb1 running on it."""
import contextlib

import platforms

ALICE = "alice@example.com"


@contextlib.contextmanager
def running(**settings):
    """platforms.Node; its .alice is a Person with kubectl."""
    node = platforms.Node()
    node.settings.update(settings)
    try:
        node.up()
        node.alice = node.service.person("alice")
        node.tokens[ALICE] = node.alice.token
        node.cli("profile", "create", "alice", user=ALICE)
        node.wait_profile("alice", ALICE)
        node.cli("notebook", "create", "nb1", "-n", "alice", "--memory", "1Gi", "--wait", "--timeout", "4m", user=ALICE, timeout=300)
        yield node
    finally:
        node.close()
