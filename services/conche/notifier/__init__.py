"""The notifier: it tells people what needs them, from what stands on the bus alone."""
