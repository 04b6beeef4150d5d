"""`atelier login` with a real browser: allow, refuse, and a code carried by hand; what is made, and what ends with it."""
import json
import os
import pathlib
import pty
import re
import subprocess
import tempfile

import pytest
from playwright.sync_api import expect

from atelier import BUILD, PATIENCE, private, wait_for
from console import browser, sign_in  # noqa: F401 (browser is a fixture)

ALICE = "alice@example.com"


@pytest.fixture(scope="module")
def own():
    instance = private()
    try:
        instance.up()
        instance.cookie = instance.add_user(ALICE)
        with tempfile.TemporaryDirectory(prefix="atelier-login-") as home:
            instance.home = pathlib.Path(home)
            yield instance
    finally:
        instance.remove()


class Login:
    """One `atelier login` on a terminal, whose browser is a script that notes the address."""

    def __init__(self, own, *words):
        self.own, self.noted = own, own.home / "address"
        self.noted.unlink(missing_ok=True)
        script = own.home / "browser"
        script.write_text(f'#!/bin/sh\nprintf %s "$1" > {self.noted}.new && mv {self.noted}.new {self.noted}\n')
        script.chmod(0o755)
        self.terminal, inner = pty.openpty()
        self.process = subprocess.Popen([BUILD / "atelier", "login", f"http://localhost:{own.port}", *words],
                                        stdin=inner, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env=environment(own, BROWSER=str(script)))
        os.close(inner)

    def address(self):
        return wait_for("the browser's address", lambda: self.noted.exists() and self.noted.read_text(), 60)

    def finish(self):
        out, err = self.process.communicate(timeout=60 * PATIENCE)
        os.close(self.terminal)
        return self.process.returncode, out, err


def environment(own, **more):
    base = {k: v for k, v in own.env.items() if not k.startswith("ATELIER_")}
    return {**base, "HOME": str(own.home), "XDG_CONFIG_HOME": "", **more}


def person(own, *words, check=True):
    done = subprocess.run([BUILD / "atelier", *words], env=environment(own), text=True, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=60 * PATIENCE, check=False)
    assert not check or done.returncode == 0, done
    return done


def tokens(own):
    return [t["name"] for t in own.get("/api/atelier/v1/tokens", ALICE).json["items"]]


def test_a_click_in_the_browser_signs_in(own, browser):  # noqa: F811
    login = Login(own, "--name", "box", "--ttl", "12h")
    page = sign_in(own, browser, own.cookie)
    page.goto(login.address())
    expect(page.get_by_text("asks to act as")).to_contain_text(ALICE)
    expect(page.get_by_text("asks to act as")).to_contain_text("12 hours")
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_role("heading")).to_contain_text("You are signed in")
    code, out, err = login.finish()
    assert (code, out) == (0, "") and ALICE in err, err
    assert not page.errors
    assert ALICE in person(own, "whoami").stdout
    host = os.uname().nodename
    assert f"atelier CLI on {host}" in tokens(own)
    kept = own.home / ".config/atelier/contexts.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    # The code was spent: the address that came back opens nothing again, and what was made ends with the context.
    stale = json.loads(kept.read_text())["contexts"]["box"]["token"]
    person(own, "logout", "box")
    assert f"atelier CLI on {host}" not in tokens(own)
    assert own.get("/api/atelier/v1/whoami", token=stale).status == 401
    page.context.close()


def test_refusing_in_the_browser_is_heard(own, browser):  # noqa: F811
    login = Login(own)
    page = sign_in(own, browser, own.cookie)
    page.goto(login.address())
    page.get_by_role("button", name="Refuse").click()
    expect(page.get_by_role("heading")).to_contain_text("Nothing was allowed")
    code, out, err = login.finish()
    assert code == 1 and out == "" and "refused in the browser" in err
    assert person(own, "whoami", "--context", "localhost", check=False).returncode == 1
    page.context.close()


def test_a_stranger_on_the_loopback_changes_nothing(own, browser):  # noqa: F811
    import http.client
    login = Login(own)
    address = login.address()
    port = int(re.search(r"[?&]port=(\d+)", address).group(1))
    for path in ("/", "/?code=stolen", "/?error=denied&state=guessed", "/favicon.ico"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10 * PATIENCE)
        connection.request("GET", path)
        assert connection.getresponse().status == 404
        connection.close()
    assert login.process.poll() is None
    page = sign_in(own, browser, own.cookie)
    page.goto(address)
    page.get_by_role("button", name="Allow").click()
    code, _, err = login.finish()
    assert code == 0, err
    page.context.close()


def by_hand(own):
    return subprocess.Popen([BUILD / "atelier", "login", f"http://localhost:{own.port}", "--no-browser", "--name", "far"],
                            env=environment(own), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def code_for(own, browser, process):  # noqa: F811
    shown = ""
    while "/cli-login?" not in shown:
        shown = process.stderr.readline()
        assert shown, "no address was printed"
    assert "port=" not in shown
    page = sign_in(own, browser, own.cookie)
    page.goto(shown.strip())
    page.get_by_role("button", name="Allow").click()
    code = page.get_by_role("textbox").input_value()
    page.context.close()
    return code


def test_a_code_is_carried_by_hand(own, browser):  # noqa: F811
    far = by_hand(own)
    out, err = far.communicate(code_for(own, browser, far) + "\n", timeout=60 * PATIENCE)
    assert far.returncode == 0 and out == "" and ALICE in err, err
    assert ALICE in person(own, "whoami", "--context", "far").stdout


def test_a_code_is_worth_nothing_elsewhere_and_is_spent_by_the_try(own, browser):  # noqa: F811
    mine, thief = by_hand(own), by_hand(own)
    code = code_for(own, browser, mine)
    for process in (thief, mine):
        _, err = process.communicate(code + "\n", timeout=60 * PATIENCE)
        assert process.returncode == 1 and "code" in err


def test_an_incomplete_link_asks_nothing(own, browser):  # noqa: F811
    page = sign_in(own, browser, own.cookie)
    for query in ("", "?challenge=x&host=box", "?challenge=" + "A" * 43):
        page.goto(f"http://localhost:{own.port}/cli-login{query}")
        expect(page.get_by_text("incomplete")).to_be_visible()
        assert page.get_by_role("button", name="Allow").count() == 0
    page.context.close()
