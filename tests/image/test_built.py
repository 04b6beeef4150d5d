"""The Dockerfile, built by buildah on a base of Debian's own packages, and what is in the image. Root; some minutes; leaves nothing."""
import json
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

root = pathlib.Path(__file__).resolve().parents[2]
BASE, IMAGE = "localhost/debian:12-slim", "localhost/atelier/atelierd:test"
BUNDLE = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
NPMRC = pathlib.Path.home() / ".npmrc"
MEBIBYTE = 1 << 20


class Builder:
    """buildah with a store of its own; isolation by chroot, since the machine may be a container itself."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, *arguments, fails=False):
        done = subprocess.run(["buildah", "--root", self.folder / "root", "--runroot", self.folder / "run", "--storage-driver", "vfs",
                               *map(str, arguments)], capture_output=True, text=True, env={
                                   "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.folder), "BUILDAH_ISOLATION": "chroot"})
        assert fails in (None, done.returncode != 0), f"buildah {arguments}: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout.strip() if fails is False else done.stdout + done.stderr

    def make_base(self):
        """Debian as the machine gets its packages, under the name that a registry would know."""
        subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates", "bookworm", self.folder / "base.tar"],
                       check=True)
        container = self("from", "scratch")
        self("add", container, self.folder / "base.tar", "/")
        self("run", container, "--", "rm", "-f", "/etc/apt/sources.list")
        for pattern in ("sources.list", "sources.list.d/*", "apt.conf.d/[!d]*"):
            for file in pathlib.Path("/etc/apt").glob(pattern):
                self("add", container, file, file)
        self("commit", "--rm", container, BASE)

    def build(self):
        """What the machine knows of npm's registry is lent to the build; the image keeps none of it."""
        shutil.copy(BUNDLE, self.folder / "authorities.pem")
        lines = [line for line in NPMRC.read_text().splitlines() if not line.startswith("cafile")] if NPMRC.exists() else []
        (self.folder / "npmrc").write_text("\n".join([*lines, "cafile=/etc/ssl/authorities.pem", ""]))
        source = self.folder / "source"
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", f"file://{root}", source], check=True)
        self("build", "--build-arg", f"BASE={BASE}", "--volume", f"{self.folder}/npmrc:/root/.npmrc:ro",
             "--volume", f"{self.folder}/authorities.pem:/etc/ssl/authorities.pem:ro", "--tag", IMAGE, source)


@pytest.fixture(scope="module")
def builder():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="atelier-image-", dir="/var/tmp"))
    made = Builder(folder)
    try:
        made.make_base()
        made.build()
        yield made
    finally:
        made("rm", "--all", fails=None)
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def container(builder):
    """Runs a command as the image's user, or another; what it printed."""
    name = builder("from", IMAGE)
    return lambda *command, user="10001:10001", **options: builder("run", "--user", user, name, "--", *command, **options)


def test_the_programs_run(container):
    version = re.search(r"^appVersion: *\"?([0-9.]+)", (root / "charts/atelier/Chart.yaml").read_text(), re.MULTILINE)[1]
    assert container("/usr/local/bin/atelierd", "--version") == f"atelierd {version}"
    assert container("/usr/local/bin/atelier", "version") == f"atelier {version}"


def test_it_is_nobody_of_importance(container, builder):
    assert builder("run", builder("from", IMAGE), "--", "id", "-u") == "10001" and container("id", "-G") == "10001"
    assert json.loads(builder("inspect", "--type", "image", IMAGE))["OCIv1"]["config"]["User"] == "10001:10001"
    assert container("stat", "-c", "%U %a", "/usr/local/bin/atelierd") == "root 755"


def test_its_folder_is_its_own_and_empty(container):
    assert container("find", "/var/lib/atelier", "-mindepth", "1") == ""
    assert container("stat", "-c", "%u %a", "/var/lib/atelier") == "10001 700"


def test_nothing_of_the_build_is_left(container):
    """Of what a search as root is given, one file is there: so it finds what there is."""
    there, gone = "/usr/local/bin/atelierd", ("/src", "/root/.npmrc", "/root/.npm", "/etc/ssl/authorities.pem", "/var/lib/apt/lists")
    found = container("sh", "-c", f"find {there} {' '.join(gone)} -type f -size +0 2>&1; true", user="0").splitlines()
    missing = {re.search("'(.*)': No such file", line)[1] for line in found if "No such file" in line}
    assert missing <= set(gone) and [line for line in found if "No such file" not in line] == [there], found
    assert "not found" in container("sh", "-c", "command -v gcc cc make node npm git || echo not found")


def test_it_is_set_to_serve_a_cluster_and_says_what_it_lacks(container):
    settings = container("/usr/local/bin/atelierd", "check-config").splitlines()
    assert 'engine: "kubernetes"' in settings and 'data: "/var/lib/atelier"' in settings
    assert "DATABASE_URL" in container("/usr/local/bin/atelierd", fails=True)


def test_it_is_small(container):
    """Beside Debian: the programs and their libraries."""
    used = int(container("sh", "-c", "du -sk --exclude=/proc --exclude=/sys / 2>/dev/null | cut -f1")) * 1024
    print(f"{used / MEBIBYTE:.0f} MiB unpacked")
    assert used < 300 * MEBIBYTE
