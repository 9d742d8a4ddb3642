"""A running session: who is in it, what it shows, how it is recorded and how its events reach the log."""
