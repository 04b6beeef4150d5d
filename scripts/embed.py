#!/usr/bin/env python3
"""Turns files into C tables: migrations (number, name, SQL) and assets that are served as they are (path, type, bytes,
gzip bytes, hash): the console's, and documents that are written as YAML and served as JSON."""
import gzip
import hashlib
import json
import os
import re
import sys

import yaml

TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
         ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png",
         ".json": "application/json", ".woff2": "font/woff2", ".txt": "text/plain; charset=utf-8"}


def c_bytes(data):
    lines = [",".join(str(b) for b in data[i:i + 24]) for i in range(0, len(data), 24)]
    return "{" + ",\n".join(lines) + (",0}" if data else "0}")


def migrations(paths):
    out = ['#include "store/migrations.h"\n']
    rows = []
    for path in sorted(paths, key=os.path.basename):
        match = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.sql", os.path.basename(path))
        if not match:
            sys.exit(f"{path}: a migration is named NNNN_name.sql")
        number = int(match.group(1))
        if any(number == n for n, _, _ in rows):
            sys.exit(f"{path}: migration number {number} is used twice")
        with open(path, "rb") as file:
            data = file.read()
        out.append(f"static const unsigned char sql_{number:04d}[] = {c_bytes(data)};\n")
        rows.append((number, match.group(2), len(data)))
    body = ",\n".join(f'    {{{n}, "{name}", (const char *)sql_{n:04d}, {size}}}' for n, name, size in rows)
    out.append(f"const struct store_migration store_migrations[] = {{\n{body or '    {0}'}\n}};\n")
    out.append(f"const size_t store_migration_count = {len(rows)};\n")
    return "".join(out)


def files_below(root):
    for folder, _, names in sorted(os.walk(root)):
        for name in sorted(names):
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                yield os.path.relpath(path, root), file.read()


def document(path):
    with open(path, encoding="utf-8") as file:
        text = json.dumps(yaml.safe_load(file), ensure_ascii=False, separators=(",", ":"))
    return os.path.splitext(os.path.basename(path))[0] + ".json", text.encode() + b"\n"


def assets(root, documents):
    out = ['#include "controlplane/assets.h"\n']
    rows = []
    for path, data in [*files_below(root), *map(document, documents)]:
        packed = gzip.compress(data, 9, mtime=0)
        index = len(rows)
        out.append(f"static const unsigned char plain_{index}[] = {c_bytes(data)};\n")
        out.append(f"static const unsigned char packed_{index}[] = {c_bytes(packed)};\n")
        kind = TYPES.get(os.path.splitext(path)[1], "application/octet-stream")
        tag = hashlib.sha256(data).hexdigest()[:16]
        rows.append(f'    {{"{path}", "{kind}", plain_{index}, {len(data)}, packed_{index}, {len(packed)}, "{tag}"}}')
    out.append("const struct asset assets[] = {\n" + (",\n".join(rows) or "    {0}") + "\n};\n")
    out.append(f"const size_t asset_count = {len(rows)};\n")
    return "".join(out)


def main():
    kind, target, *rest = sys.argv[1:]
    text = migrations(rest) if kind == "migrations" else assets(rest[0], rest[1:])
    with open(target, "w", encoding="ascii") as file:
        file.write(text)


main()
