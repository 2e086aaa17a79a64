"""The poller: asks every kotekan for its state on a fixed period, and never acts."""
