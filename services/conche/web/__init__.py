"""What the clients of other people's HTTP servers share: sessions, certificates, and words for what goes wrong."""

from .problems import ANY_PROBLEM, Lack, Problem, problem_of
from .retryafter import retry_after_s
from .sessions import open_session, tls_context

__all__ = [
    "ANY_PROBLEM",
    "Lack",
    "Problem",
    "open_session",
    "problem_of",
    "retry_after_s",
    "tls_context",
]
