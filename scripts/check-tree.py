#!/usr/bin/env python3
"""Holds the tree's small rules: a README in every room, no file over a thousand lines, no leftovers, no stray hosts."""
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parent.parent
listing = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=root, check=True,
                         capture_output=True, text=True).stdout.split()
files = [name for name in listing if (root / name).is_file()]
wrong = []
for room in sorted({name.split("/")[0] for name in files if "/" in name and not name.startswith(".")}):
    if not (root / room / "README.md").is_file():
        wrong.append(f"{room}/ has no README.md")
for name in files:
    if not name.endswith((".c", ".h", ".py", ".ts", ".tsx", ".sh", ".sql")):
        continue
    text = (root / name).read_text()
    lines = text.count("\n")
    if lines > 1000:
        wrong.append(f"{name} has {lines} lines; look for the second idea in it")
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line) and not name.endswith("check-tree.py"):
            wrong.append(f"{name}:{number}: leftover: {line.strip()[:80]}")
print("\n".join(wrong) if wrong else f"tree: {len(files)} files, nothing wrong")
sys.exit(1 if wrong else 0)
