"""Carrying: sockets, TLS, relays and HTTP. Knows bytes and addresses, no resource and no policy."""
