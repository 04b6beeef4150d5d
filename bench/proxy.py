#!/usr/bin/env python3
"""What a small request to a notebook costs the processor, through Atelier and through nginx's proxy_pass, in turns."""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "e2e"))
import load  # noqa: E402
from atelier import BUILD, Atelier, wait_for  # noqa: E402

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
ALICE = "alice@example.com"
PORT = 9000  # in the pod's own network namespace
CONFIG = """
daemon off; worker_processes 1; error_log {home}/error.log; pid {home}/pid; user root;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {home}/a; proxy_temp_path {home}/b; fastcgi_temp_path {home}/c; uwsgi_temp_path {home}/d; scgi_temp_path {home}/e;
    upstream notebook {{ server 127.0.0.1:{upstream}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://notebook; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; }}
    }}
}}
"""
# A small answer, and no time spent on it: what is measured is what stands before it.
UPSTREAM = """
import asyncio
ANSWER = b"HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\nContent-Length: 3\\r\\n\\r\\nok\\n"
async def serve(reader, writer):
    try:
        while True:
            await reader.readuntil(b"\\r\\n\\r\\n")
            writer.write(ANSWER)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
async def main():
    await (await asyncio.start_server(serve, "0.0.0.0", 8888)).serve_forever()
asyncio.run(main())
"""


def pid_in(house, profile, name):
    """A process of the notebook's pod: its network namespace is where nginx and the client stand."""
    mark = f"NB_PREFIX=/notebook/{profile}/{name}".encode()
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    return int(entry.name)
            except OSError:
                continue
    raise AssertionError(f"no process of {profile}/{name}:\n{house.log_tail()}")


def main():
    results = {"machine": load.machine(), "ours_us": [], "nginx_us": []}
    print(results["machine"])
    house = Atelier()
    profile = f"bench{os.getpid()}"
    nginx = None
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as home:
        try:
            house.up(60)
            house.add_user(ALICE)
            house.cli("profile", "create", profile, "--wait", user=ALICE)
            house.cli("apply", "-n", profile, "-f", "-", user=ALICE, input=json.dumps({
                "apiVersion": "kubeflow.org/v1", "kind": "Notebook", "metadata": {"name": "nb"},
                "spec": {"template": {"spec": {"containers": [{"name": "nb", "image": "ray-2.60", "command": ["python3", "-c", UPSTREAM],
                                                               "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]}}}}))
            path = f"/notebook/{profile}/nb/api"
            wait_for("the upstream", lambda: house.get(path, ALICE).status == 200, 120, 0.5)
            inside = ["nsenter", f"--net=/proc/{pid_in(house, profile, 'nb')}/ns/net"]
            (pathlib.Path(home) / "nginx.conf").write_text(CONFIG.format(home=home, port=PORT, upstream=8888))
            nginx = subprocess.Popen([*inside, "/usr/sbin/nginx", "-c", f"{home}/nginx.conf"], stderr=subprocess.DEVNULL)
            wait_for("nginx", lambda: (pathlib.Path(home) / "pid").exists() and nginx.poll() is None, 10)
            workers = pathlib.Path(f"/proc/{nginx.pid}/task/{nginx.pid}/children").read_text().split()
            atelierd = [house.pid_of("atelierd")]
            headers = {"Authorization": f"Bearer {house.tokens[ALICE]}"}
            for _ in range(ROUNDS):
                for key, url, pids, prefix in (("ours_us", f"{house.url}{path}", atelierd, ()),
                                               ("nginx_us", f"http://127.0.0.1:{PORT}{path}", workers, inside)):
                    before = load.processor_s(pids)
                    done = load.wrk(url, headers, seconds=load.SECONDS / 2, connections=16, prefix=prefix)
                    results[key].append(1e6 * (load.processor_s(pids) - before) / done["requests"])
        finally:
            if nginx:
                nginx.terminate()
                nginx.wait(10)
            house.remove()
    for key, name in {"ours_us": "Atelier, with authorization", "nginx_us": "nginx proxy_pass"}.items():
        values = results[key]
        print(f"{name:28} {statistics.median(values):7.1f} us of a processor a request (least {min(values):.1f}, most {max(values):.1f})")
    ratio = statistics.median(ours / theirs for ours, theirs in zip(results["ours_us"], results["nginx_us"]))
    print(f"ratio {ratio:.2f}; goal <= 1.15: {'met' if ratio <= 1.15 else 'missed'}")
    (BUILD / "bench-proxy.json").write_text(json.dumps(results, indent=1))


main()
