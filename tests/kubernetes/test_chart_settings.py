"""The chart and atelierd agree on which settings there are."""
import json
import re
import subprocess

import chart


def settings_of_atelierd():
    docs = subprocess.run([chart.root / "build/atelierd", "--print-config-docs"], check=True, capture_output=True,
                          text=True).stdout
    return dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", docs, re.MULTILINE))


def test_every_variable_is_a_setting():
    known = set(settings_of_atelierd().values())
    for name in chart.value_sets:
        deployment = chart.find(chart.objects(name), "Deployment", "atelier")
        variables = [one["name"] for one in deployment["spec"]["template"]["spec"]["containers"][0]["env"]]
        assert set(variables) <= known, set(variables) - known
        assert len(variables) == len(set(variables))


def test_settings_that_may_be_given_exist():
    schema = json.loads((chart.folder / "values.schema.json").read_text())
    given = schema["properties"]["settings"]["propertyNames"]["enum"]
    known = settings_of_atelierd()
    deployment = chart.find(chart.objects("loadbalancer"), "Deployment", "atelier")
    ours = {one["name"] for one in deployment["spec"]["template"]["spec"]["containers"][0]["env"]}
    for key in given:
        assert known.get(key) == f"ATELIER_{key.upper()}", key
    assert not {f"ATELIER_{key.upper()}" for key in set(given) - {"profiles_per_user", "log_level", "drain_s"}} & ours
