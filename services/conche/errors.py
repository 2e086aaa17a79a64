"""The error that ends a process on purpose."""


class FatalError(Exception):
    """Trying again in this process would not help; the words are for the operator, no traceback is shown."""
