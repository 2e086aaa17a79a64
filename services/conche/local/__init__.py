"""The local mode: broker, services and a simulated cluster as processes on one machine."""
