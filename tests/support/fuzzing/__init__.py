"""Fuzzing: what reads bytes of strangers (targets, doors), how bytes are changed (mutation), and the hunt itself."""
