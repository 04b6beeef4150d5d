"""The chart under test: its programs, what it renders, and a cluster to put it on."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import yaml

here = pathlib.Path(__file__).resolve().parent
root = here.parent.parent
folder = root / "charts/atelier"
value_sets = ["default"] + sorted(file.stem for file in (here / "values").glob("*.yaml"))

# How many times as long to wait for what must come, where other work runs beside the tests (as .ci/run does).
PATIENCE = float(os.environ.get("ATELIER_PATIENCE", "1"))
_tools = None


def tool(name):
    """The path of helm or kubectl, fetched once."""
    global _tools
    if _tools is None:
        made = subprocess.run([here / "tools/build.sh", "helm", "kubectl"], check=True, stdout=subprocess.PIPE, text=True)
        _tools = pathlib.Path(made.stdout.strip())
    return _tools / name


def run(*command, fails=False, env=None, text_in=None):
    """Runs; returns stdout, or what was said if it should, or (None) may fail."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=400 * PATIENCE, input=text_in,
                          env={**os.environ, **(env or {})})
    said = done.stdout + done.stderr
    assert fails in (None, done.returncode != 0), f"{command}: exit {done.returncode}\n{said}"
    return done.stdout if fails is False else said


def values_arguments(name, settings=()):
    arguments = [] if name == "default" else ["--values", here / "values" / f"{name}.yaml"]
    for setting in settings:
        arguments += ["--set", setting]
    return arguments


def render(name="default", settings=()):
    return run(tool("helm"), "template", "atelier", folder, "--namespace", "atelier-system",
               *values_arguments(name, settings))


def objects(name="default", settings=()):
    return [item for item in yaml.safe_load_all(render(name, settings)) if item]


def find(items, kind, name):
    return next(item for item in items if item["kind"] == kind and item["metadata"]["name"] == name)


def steady(text):
    """Without what differs from one rendering to the next: the password that is drawn."""
    passwords = set(re.findall(r'^  password: "(\w{32})"$', text, re.MULTILINE))
    for password in passwords:
        text = text.replace(password, "DRAWN-WHEN-INSTALLED")
    return text


class Cluster:
    """A real API server of our own, with controllers; ends with close()."""

    def __init__(self, *options):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="atelier-chart-"))
        self.kubeconfig = self.dir / "cluster/admin.kubeconfig"
        try:
            run(here / "cluster.sh", "up", self.dir / "cluster", *options)
        except BaseException:
            self.close()
            raise

    def kubectl(self, *arguments, kubeconfig=None, **options):
        return run(tool("kubectl"), "--kubeconfig", kubeconfig or self.kubeconfig, *arguments, **options)

    def helm(self, *arguments, **options):
        home = self.dir / "helm"
        return run(tool("helm"), "--kubeconfig", self.kubeconfig, "--namespace", "atelier-system", *arguments,
                   env={"HELM_CACHE_HOME": str(home), "HELM_CONFIG_HOME": str(home), "HELM_DATA_HOME": str(home)},
                   **options)

    def get(self, *arguments):
        return yaml.safe_load(self.kubectl("get", *arguments, "-o", "yaml"))

    def audit_log(self):
        """Its lines; one that is still being written is none yet."""
        return (self.dir / "cluster/audit.log").read_text().split("\n")[:-1]

    def close(self):
        subprocess.run([here / "cluster.sh", "down", self.dir / "cluster"], check=False)
        shutil.rmtree(self.dir, ignore_errors=True)
