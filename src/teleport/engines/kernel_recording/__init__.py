"""What the kernel sees of sessions: commands, opened files, connections, by the processes that a session started."""
