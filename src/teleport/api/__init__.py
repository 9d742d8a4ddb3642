"""The one API: routes as data, a server that binds them, clients that call them, and the stream of changes."""
