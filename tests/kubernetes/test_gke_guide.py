"""docs/gke.md as far as a machine without Google can tell: its shell parses, its manifests are YAML, the chart takes its values."""
import re
import subprocess

import chart
import pytest
import yaml

text = (chart.root / "docs/gke.md").read_text()
shell = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
names = {"DOMAIN": "atelier.example.com", "ADMIN": "alice@example.com", "IMAGE": "europe-docker.pkg.dev/p/atelier/atelierd"}
heredocs = re.findall(r"<<'?EOF'?\n(.*?)^EOF", text, re.DOTALL | re.MULTILINE)


def filled(document):
    return re.sub(r"\$(\w+)", lambda match: names[match.group(1)], document)


def test_shell_parses():
    assert len(shell) > 12
    for block in shell:
        done = subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True)
        assert done.returncode == 0 and not done.stderr, (block, done.stderr)


def test_variables_are_set_before_they_are_used():
    known = set()
    for line in "".join(shell).splitlines():
        used = set(re.findall(r"\$\{?([A-Z]+)\b", line))
        known |= set(re.findall(r"\b([A-Z]+)=", line)) if line.startswith("export") else set()
        assert used <= known, (line, used - known)


def test_manifests_are_yaml():
    assert len(heredocs) == 4
    for document in heredocs:
        assert all(isinstance(item, dict) for item in yaml.safe_load_all(filled(document)))


@pytest.mark.parametrize("number,kind", [(0, "GCPBackendPolicy"), (2, "VirtualService")])
def test_chart_takes_the_values(number, kind, tmp_path):
    values = tmp_path / "values.yaml"
    values.write_text(filled(heredocs[number]))
    said = chart.run(chart.tool("helm"), "template", "atelier", chart.folder, "--namespace", "atelier-system",
                     "--values", values)
    items = [item for item in yaml.safe_load_all(said) if item]
    chart.find(items, kind, "atelier")
    image = chart.find(items, "Deployment", "atelier")["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == names["IMAGE"] + ":0.1.0"


def test_sidecars_ask_for_no_privileges():
    """Namespaces of profiles enforce Pod Security's baseline: who redirects a pod's traffic is there, and known to istiod, before the first."""
    steps = [line for line in "".join(shell).splitlines() if line.startswith("helm install istio")]
    names = [step.split()[3] for step in steps]
    assert names[:3] == ["istio/base", "istio/cni", "istio/istiod"] and "pilot.cni.enabled=true" in steps[2]


def test_the_chart_is_the_version_that_is_built():
    version = yaml.safe_load((chart.folder / "Chart.yaml").read_text())["appVersion"]
    assert set(re.findall(r"tag: ([\d.]+)", text)) == {version} and f"$IMAGE:{version}" in text


def test_options_of_the_chart_exist():
    """--set in the guide, against the schema."""
    for setting in re.findall(r"--set ((?:gke|gateway|istio|tls|database)\.\S+)", text):
        said = chart.run(chart.tool("helm"), "template", "atelier", chart.folder, "--namespace", "atelier-system", "--set",
                         "gateway.enabled=true,gateway.className=gke-l7-global-external-managed,gke.enabled=true,gke.iap.enabled=true",
                         "--set", setting)
        assert "kind: GCPBackendPolicy" in said
