"""Requests made up from the OpenAPI document, as every role and as nobody: no 5xx, and no answer that it does not have.

Everything that the requests are about is there: simulated nodes and every service that takes commands.
"""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.specs.openapi import checks

from conche.contract.roles import Role
from conche.gateway.endpoints import ENDPOINTS
from conche.gateway.openapi import openapi

from .harness import Mosquitto
from .telescope_support import Site, site

EXAMPLES = 4
"""Of each operation, for each asker, right and wrong ones."""
WAIT_S = 0.5
"""A command is not waited for longer: it is about the answer's shape."""
LONGEST_LINE = 8_000
"""Bytes of a request's first line that are read."""
CHECKS = (
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
)
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)


class Asker:
    """Sends made-up requests from a thread, while the gateway answers in the test's loop."""

    def __init__(self, site: Site, role: Role | None) -> None:
        self.site = site
        self.role = role
        self.asked = 0
        self.codes: set[int] = set()
        self.stop = threading.Event()

    def ask_everything(self) -> None:
        schema = schemathesis.openapi.from_dict(openapi(ENDPOINTS, version="0"))
        endless = {row.path for row in ENDPOINTS if row.endless}
        for found in schema.get_all_operations():
            operation = found.ok()
            if operation.path not in endless:
                for mode in MODES:
                    self.ask_about(operation, mode)

    def ask_about(self, operation: Any, mode: Any) -> None:
        bounded = settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )

        @bounded
        @given(operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            if not self.stop.is_set():
                self.ask_one(case)

        try:
            ask()
        except Unsatisfiable:
            assert mode is schemathesis.GenerationMode.NEGATIVE, "nothing can be wrong about it"

    def ask_one(self, case: Any) -> None:
        if isinstance(case.query, dict) and isinstance(case.query.get("wait"), int | float):
            case.query["wait"] = min(case.query["wait"], WAIT_S)
        headers = {}
        if self.role is not None:
            headers["Authorization"] = f"Bearer {self.site.gateway.tokens[self.role]}"
        certificate = self.site.gateway.settings.gateway.state_dir / "self-signed.crt"
        answer = case.call(
            base_url=self.site.gateway.url, headers=headers, verify=str(certificate), timeout=30
        )
        self.asked += 1
        self.codes.add(answer.status_code)
        assert answer.status_code < 500, (case.as_curl_command(), answer.status_code, answer.text)
        if len(answer.request.path_url) > LONGEST_LINE:
            assert answer.status_code == 400, "the parser of HTTP itself refuses it, in its own words"
            return
        case.validate_response(answer, checks=CHECKS)


@pytest.mark.parametrize("role", [None, *Role])
async def test_made_up_requests_get_answers_that_the_document_has(
    mosquitto: Mosquitto, tmp_path: Path, role: Role | None
):
    async with site(mosquitto, tmp_path, "cx/cx1", "recv/recv1", login_attempts=1_000_000) as running:
        for service in ("journal", "fpga", "eop"):
            await running.begin(service)
        asker = Asker(running, role)
        try:
            await asyncio.to_thread(asker.ask_everything)
        finally:
            asker.stop.set()
        assert asker.asked > len(ENDPOINTS)
        if role is not None:
            assert 200 in asker.codes
        else:
            assert 401 in asker.codes
