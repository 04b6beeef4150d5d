"""One platform on two engines: this machine, and a real API server with controllers and nodes that say that they run pods."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

tests = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(tests / "e2e"), str(tests / "kubernetes")]


class Local:
    def __init__(self):
        from atelier import Atelier
        self.instance = Atelier()
        self.instance.up()

    def add(self, email):
        self.instance.add_user(email)

    def cli(self, *words, user=None, check=True):
        return self.instance.cli(*words, user=user, check=check)

    def ask(self, user, method, path, body=None, content_type="application/json"):
        answer = self.instance.http(method, path, user=user, body=body, headers={"Content-Type": content_type} if body else None)
        return answer.status, answer.json

    def close(self):
        self.instance.remove()


class Kubernetes:
    def __init__(self):
        import service
        self.service = service.Service("--kwok", "--nodes", "2")
        self.people = {}

    def add(self, email):
        self.people[email] = self.service.person(email.split("@")[0])

    def cli(self, *words, user=None, check=True):
        env = dict(self.service.first.env)
        if user:
            env.update(ATELIER_URL=f"http://localhost:{self.service.first.port}", ATELIER_TOKEN=self.people[user].token)
        done = subprocess.run([os.environ["ATELIER_BUILD"] + "/atelier", *words], env=env, text=True, capture_output=True,
                              timeout=120, check=False)
        assert done.returncode == 0 or not check, done
        return done

    def ask(self, user, method, path, body=None, content_type="application/json"):
        headers = {"Content_Type": content_type} if body else {}
        text = b"" if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
        status, raw = self.people[user].ask(method, path, text, **headers)
        head, _, rest = raw.partition("\r\n\r\n")
        if "transfer-encoding: chunked" in head.lower():
            whole = ""
            while rest:
                size, _, rest = rest.partition("\r\n")
                length = int(size, 16)
                whole, rest = whole + rest.encode()[:length].decode(), rest.encode()[length + 2:].decode()
            rest = whole
        return status, json.loads(rest) if rest.startswith("{") else rest

    def close(self):
        self.service.close()


@pytest.fixture(scope="session", params=[Local, Kubernetes], ids=["local", "kubernetes"])
def platform(request):
    made = request.param()
    try:
        for name in ("alice", "bob", "carol"):
            made.add(f"{name}@example.com")
        made.cli("profile", "create", "alice", "--wait", user="alice@example.com")
        yield made
    finally:
        made.close()
