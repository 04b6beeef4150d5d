"""docs/ray-air.md says of names whether Ray has them: asked of the Ray that the examples run on."""
import json
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from atelier import IMAGES, ROOT  # noqa: E402

LOOK = """
import importlib, json, sys
def there(name):
    parts = name.split(".")
    for split in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:split]))
        except ImportError:
            continue
        for part in parts[split:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False
print(json.dumps({name: there(name) for name in sys.argv[1:]}))
"""


def test_every_name_is_there_or_gone_as_the_page_says():
    rows = re.findall(r"^\| `(ray\.[\w.]+)` \| (gone|old) \| (.+) \|$", (ROOT / "docs" / "ray-air.md").read_text(), re.M)
    expected = {}
    for old, state, instead in rows:
        expected[old] = state == "old"
        names = re.findall(r"`(ray\.[\w.]+)`", instead)
        assert names, old
        expected.update({name: True for name in names})
    assert len(rows) >= 10
    python = IMAGES / "ray-2.60-ml" / "venv" / "bin" / "python"
    done = subprocess.run([python, "-W", "ignore", "-c", LOOK, *expected], capture_output=True, text=True, timeout=300, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == expected
