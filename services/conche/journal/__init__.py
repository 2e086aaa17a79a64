"""The service that remembers what happened, and tells it on command."""
