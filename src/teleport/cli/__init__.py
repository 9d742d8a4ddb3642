"""Commands: parse, call, print. One command a file; only the chosen one is imported."""
