"""The agent: joins a cluster, serves resources near it, and lets nobody in but through the proxy or its own port."""
