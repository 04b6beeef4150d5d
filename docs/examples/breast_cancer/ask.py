"""From a notebook of the same profile: asks the application by the name of the cluster's head."""
import csv
import json
import urllib.request

with open("/data/breast_cancer.csv") as table:
    rows = [{name: float(value) for name, value in row.items()} for _, row in zip(range(20), csv.DictReader(table))]
targets = [row.pop("target") for row in rows]
request = urllib.request.Request("http://example-cluster-head-svc:8000/cancer", json.dumps(rows).encode(), {"Content-Type": "application/json"})
benign = json.load(urllib.request.urlopen(request, timeout=60))["benign"]
right = sum((value > 0.5) == bool(target) for value, target in zip(benign, targets))
print(f"{right} of {len(rows)} right")
