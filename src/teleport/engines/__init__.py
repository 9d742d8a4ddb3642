"""Protocol engines: each serves one protocol near its resource, and none knows another."""
