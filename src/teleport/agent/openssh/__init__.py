"""Makes a host with a stock sshd a server of a cluster, once and again; nothing of ours stays running there."""
