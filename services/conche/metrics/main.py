"""The metrics service's process."""

import logging
from contextlib import AsyncExitStack

from conche.bus import Bus
from conche.contract import Service
from conche.influx import Database, login_of, open_session
from conche.runtime import run_service
from conche.settings import Settings

from .endpoint import Endpoint, serving
from .news import News
from .service import MetricsService
from .writer import Writer

logger = logging.getLogger(__name__)


async def build(settings: Settings, stack: AsyncExitStack) -> MetricsService:
    """Return the service, wired to the broker, the database, and the port for Prometheus."""
    bus = Bus(settings.broker, service=Service.METRICS)
    writer = await _writer(settings, stack, bus)
    metrics = settings.metrics
    service = MetricsService(
        bus, writer, settings=metrics, kotekan=settings.kotekan, poll_s=settings.poller.period_s
    )
    service.subscribe()
    if metrics.listen_port is not None:
        endpoint = Endpoint(service.registry, prepare=service.prepare)
        port = await stack.enter_async_context(
            serving(endpoint, host=metrics.listen_host, port=metrics.listen_port)
        )
        logger.info("metrics: Prometheus may ask http://%s:%d/metrics", metrics.listen_host, port)
    elif writer is None:
        logger.warning("metrics: neither influx.url nor metrics.listen_port is set: nobody gets any metrics")
    return service


async def _writer(settings: Settings, stack: AsyncExitStack, bus: Bus) -> Writer | None:
    if settings.influx.url is None:
        logger.info("metrics: influx.url is not set: there is no database")
        return None
    session = await stack.enter_async_context(open_session(settings.influx.ca_file))
    database = Database(session, login=login_of(settings.influx))
    return Writer(database, settings=settings.metrics, on_news=News(bus).tell)


def main(settings: Settings) -> int:
    """Run until a signal comes; return the exit code."""
    return run_service(Service.METRICS, build, settings)
