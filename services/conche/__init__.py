"""conche: holds the config of every kotekan instance of a radio telescope and keeps the telescope on it."""
