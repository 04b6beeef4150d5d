"""The Dockerfile, read: its packages exist, the program's libraries are in the last stage, and nothing runs as root."""
import re
import subprocess

import chart

text = (chart.root / "Dockerfile").read_text()
stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
PACKAGE = re.compile(r"[a-z0-9][a-z0-9.+-]+")


def packages_of(stage):
    """The names after apt-get install."""
    lines = re.search(r"apt-get install (.*?)(?:&&|\n[A-Z#])", stage.replace("\\\n", " ") + "\n#", re.DOTALL).group(1)
    names = [word for word in re.sub(r"\$\(.*?\)", "", lines).split() if not word.startswith("-")]
    assert names and all(PACKAGE.fullmatch(name) for name in names), names
    return names


def packages_for(purposes):
    lines = (chart.root / "scripts/packages.txt").read_text().splitlines()
    return [line.split()[1] for line in lines if line.split() and line.split()[0] in purposes]


def test_two_stages():
    assert len(stages) == 2
    assert '$1 == "build" || $1 == "node"' in stages[0]


def test_every_package_exists():
    names = packages_of(stages[0]) + packages_of(stages[1]) + packages_for({"build", "node"})
    shown = chart.run("apt-cache", "show", "--no-all-versions", *names)
    assert set(names) <= set(re.findall(r"^Package: (.*)$", shown, re.MULTILINE))


def libraries_of(program):
    said = chart.run("readelf", "-d", program)
    return set(re.findall(r"\(NEEDED\)\s+Shared library: \[(.+?)\]", said))


def package_of(library):
    """The package whose file this library's name is; libc6 is everywhere."""
    for folder in ("/usr/lib", "/lib"):
        answer = subprocess.run(["dpkg-query", "--search", f"{folder}/*/{library}"], capture_output=True, text=True)
        if answer.returncode == 0:
            return answer.stdout.split(":")[0]
    raise AssertionError(f"{library} belongs to no package")


def test_last_stage_has_the_libraries_and_nothing_to_build_with():
    last = set(packages_of(stages[1]))
    needed = {package_of(library) for name in ("atelierd", "atelier")
              for library in libraries_of(chart.root / "build" / name)} - {"libc6"}
    assert needed and needed <= last, needed - last
    # ca-certificates: the API server's authority may be a public one. Nothing else is there without a reason.
    assert last - needed == {"ca-certificates"}, last - needed
    assert not last & set(packages_for({"build", "node", "test"}) ) - {"ca-certificates"}


def test_not_root():
    users = re.findall(r"^USER (.*)$", stages[1], re.MULTILINE)
    assert users == ["10001:10001"]
    deployment = chart.find(chart.objects(), "Deployment", "atelier")
    security = deployment["spec"]["template"]["spec"]["securityContext"]
    assert users[-1] == f"{security['runAsUser']}:{security['runAsGroup']}"
    assert stages[1].index("USER ") > stages[1].index("RUN ") and "sudo" not in text


def test_ports_are_the_charts():
    exposed = {int(port) for port in re.search(r"^EXPOSE (.*)$", text, re.MULTILINE).group(1).split()}
    container = chart.find(chart.objects(), "Deployment", "atelier")["spec"]["template"]["spec"]["containers"][0]
    assert exposed == {port["containerPort"] for port in container["ports"]}


def test_what_is_compiled_reaches_the_build():
    """.dockerignore starts from nothing: every room of the Makefile must be let in."""
    rooms = re.search(r"^ROOMS := (.*)$", (chart.root / "Makefile").read_text(), re.MULTILINE).group(1).split()
    let_in = {line[1:] for line in (chart.root / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {room.split("/")[0] for room in rooms} <= let_in and {"Makefile", "scripts", "console"} <= let_in
    assert all((chart.root / name).exists() for name in let_in)
