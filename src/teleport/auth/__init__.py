"""The auth service: the only writer of state. It proves who calls, decides, signs, and keeps the log."""
