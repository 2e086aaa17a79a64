"""The service that keeps the Earth-orientation table of every kotekan up to date, and its arithmetic."""
