"""Load on an HTTP service by wrk, what a process used of the processor meanwhile, and what the machine was like."""
import os
import pathlib
import re
import subprocess
import tempfile
import urllib.parse

SECONDS = float(os.environ.get("BENCH_SECONDS", "10"))
CONNECTIONS = int(os.environ.get("BENCH_CONNECTIONS", "32"))
SPREAD = 64  # objects that are written in turn: two writers of one would wait for each other
UNITS = {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) >> 20
    return (f"{os.cpu_count()} cores, {model[1] if model else 'x86_64'}, {memory} GiB; load before the run "
            f"{os.getloadavg()[0]:.1f} (figures of a machine that others use are low, and say little but their ratio)")


def wrk(url, headers, method="GET", body=None, seconds=SECONDS, connections=CONNECTIONS, prefix=()):
    """{"rate", "p50_ms", "p99_ms", "requests"}; in <url>, %d becomes one of SPREAD numbers in turn, in <body> one that is never the same."""
    lines = [f"wrk.method = {method!r}"] + [f"wrk.headers[{name!r}] = {value!r}" for name, value in headers.items()]
    if body:
        path = urllib.parse.urlsplit(url).path
        lines += ["local n = 0", f"function request() n = n + 1; return wrk.format(nil, (string.gsub({path!r}, '%%d', tostring(n % {SPREAD}))), nil, "
                  f"(string.gsub({body!r}, '%%d', tostring(n)))) end"]
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write("\n".join(lines))
        script.flush()
        said = subprocess.run([*prefix, "wrk", "--latency", "-t", "1", "-c", str(connections), "-d", f"{seconds:g}s", "--timeout", "30s",
                               "-s", script.name, url.replace("%d", "0")], text=True, capture_output=True, check=True).stdout
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)", said)
    if bad:
        raise AssertionError(f"{method} {url}: {bad[0]}")

    def time_ms(label):
        value, unit = re.search(rf"^\s+{label}%\s+([\d.]+)([a-z]+)\s*$", said, re.MULTILINE).groups()
        return float(value) * UNITS[unit]

    return {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]), "p50_ms": time_ms(50), "p99_ms": time_ms(99),
            "requests": int(re.search(r"(\d+) requests in", said)[1])}


def processor_s(pids):
    """Seconds on a processor of all threads of these processes (/proc/PID/task/TID/schedstat, in nanoseconds)."""
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9
