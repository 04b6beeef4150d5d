#!/usr/bin/env python3
"""Holds the house's walls: an #include may only point to what docs/architecture.md lets its room include."""
import pathlib
import re
import sys

MAY = {
    "base": set(),
    "store": {"base"},
    "auth": {"base", "store"},
    "gateway": {"base", "auth", "engine"},
    "engine": {"base", "store"},
    "tenancy": {"base", "store", "auth", "engine"},
    "notebooks": {"base", "engine", "tenancy"},
    "ray": {"base", "engine", "tenancy"},
    "webhook": {"base", "auth", "gateway", "engine", "tenancy", "notebooks", "ray"},
    "controlplane": {"base", "store", "auth", "gateway", "engine", "tenancy", "notebooks", "ray", "webhook"},
    "cli": {"base", "supervisor"},
    "supervisor": {"base"},
}
# What outsiders may see of this room; the rest of it is private.
ENGINE_PUBLIC = {"engine/engine.h", "engine/poddefault.h", "engine/rayhead.h", "engine/raylimit.h", "engine/raymetrics.h", "engine/selector.h"}
# What the command line may know of a domain room: how to read an object, nothing that acts.
CLI_READS = {"ray/state.h", "ray/token.h"}
ENGINE_STARTERS = {"controlplane": {"engine/local/local.h", "engine/kubernetes/kubernetes.h"}}

root = pathlib.Path(__file__).resolve().parent.parent
wrong = 0
count = 0
for room, may in MAY.items():
    for path in sorted((root / room).rglob("*.[ch]")):
        name = path.relative_to(root).as_posix()
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not match:
                continue
            count += 1
            target = match.group(1)
            other = target.split("/")[0]
            ok = other == room or other in may
            if ok and other == "engine" and room != "engine":
                ok = target in ENGINE_PUBLIC | ENGINE_STARTERS.get(room, set())
            ok = ok or (room == "cli" and target in CLI_READS)
            if name.startswith("engine/local/sandboxd/") and other != "base":
                ok = target.startswith("engine/local/sandboxd/")
            if not ok:
                wrong += 1
                print(f"{name}:{number}: {room}/ may not include \"{target}\"")
print(f"layers: {count} includes checked, {wrong} wrong")
sys.exit(1 if wrong else 0)
