"""The people API is what /openapi.json says: schemathesis asks the running service, as a person and as an admin."""
import json
import re
import subprocess
import sys

import pytest
from atelier import PATIENCE, running

ALICE, ADMIN = "alice@example.com", "admin@localhost"
HELD = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
        "response_schema_conformance", "negative_data_rejection", "missing_required_header", "unsupported_method",
        "ignored_auth")
# What would end what the test stands on, or counts tries against the address that it comes from (429).
LEFT_OUT = "^/auth/|/password$"
EXAMPLES = 12  # made up for each operation, besides those at the bounds of each field


@pytest.fixture(scope="module")
def own():
    with running(ALICE) as instance:
        instance.tokens[ADMIN] = instance.cli("token", "create", "--user", ADMIN).stdout.strip()
        yield instance


@pytest.fixture(scope="module")
def document(own, tmp_path_factory):
    answer = own.get("/openapi.json")
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    described = json.loads(answer.body)
    assert described["openapi"] == "3.1.0"
    # What a path names is there, so that requests reach what lies behind it; the token that it asks with stays.
    described["components"]["parameters"]["Profile"]["schema"] = {"enum": ["alice"]}
    described["components"]["parameters"]["Id"]["schema"]["minimum"] = 1000
    path = tmp_path_factory.mktemp("openapi") / "openapi.json"
    path.write_text(json.dumps(described))
    return path


@pytest.mark.parametrize("user", [ALICE, ADMIN])
def test_every_operation_answers_as_described(own, document, tmp_path, user):
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "--no-color", "run", document, "--url", own.url, "--header",
         f"Authorization: Bearer {own.tokens[user]}", "--checks", ",".join(HELD), "--exclude-path-regex", LEFT_OUT,
         "--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--seed", "1",
         "--generation-database", "none", "--suppress-health-check", "all", "--continue-on-failure",
         "--request-timeout", "60", "--warnings", "off"],
        cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600 * PATIENCE, check=False)
    report = done.stdout.replace(own.tokens[user], "TOKEN")
    assert done.returncode == 0, report
    passed = re.search(r"(\d+) generated, (\d+) passed", report)
    assert passed and int(passed[2]) >= 500, report
    assert own.get("/readyz").status == 200
