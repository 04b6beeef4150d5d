"""Finds what the other test folders have to offer."""
import pathlib
import sys

tests = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(tests / name) for name in ("e2e", "kubernetes", "conformance")]
