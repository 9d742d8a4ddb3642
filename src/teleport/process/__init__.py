"""From a configuration file to running services. The only place that reads files and names back ends."""
