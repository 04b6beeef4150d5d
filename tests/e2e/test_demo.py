"""`make demo` as a person runs it beside a running service: every command must succeed and every refusal be a refusal."""
import subprocess

from atelier import BUILD, PATIENCE, private, ROOT


def test_the_demo_walks_through():
    house = private()
    try:
        house.up(timeout_s=60)
        done = subprocess.run([ROOT / "scripts" / "demo.sh"], env={**house.env, "ATELIER_BUILD": str(BUILD), "DEMO_SUFFIX": "t"},
                              capture_output=True, text=True, timeout=420 * PATIENCE, stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:] + house.log_tail()
        assert "accuracy: 0.9" in done.stdout and '"digit":' in done.stdout, done.stdout[-4000:]
        assert done.stdout.rstrip().endswith("Done.\x1b[0m"), done.stdout[-300:]
        assert "atl_…" in done.stdout and not any(token in done.stdout for token in house.tokens.values())
    finally:
        house.remove()
