"""The command line: everything an operator types, and the services' own entry points."""
