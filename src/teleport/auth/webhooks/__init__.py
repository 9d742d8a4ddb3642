"""Signed HTTP webhooks, both ways: what happens to access requests goes out, reviews come in."""
