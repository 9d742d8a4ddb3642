"""The reverse tunnel: agents dial back, clients dial in, and both ends meet as two raw sockets."""
