"""The ground: errors, time, services, retries, logs and metrics. No word of the domain lives here."""
