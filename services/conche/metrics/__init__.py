"""The metrics service: keeps what happens on the bus in a time-series database, and shows it to Prometheus."""
