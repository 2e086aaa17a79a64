"""HTTP for scripts and pages, with login; every change is a command on the bus like any other."""
