"""Counters for Prometheus. Labels are names of operations and kinds of results, never ids: few, and known in advance."""

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from gamekeeper.jobs import stats_of
from gamekeeper.keep import Keep

from .rates import Rates

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds in seconds."""
CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
OTHER: Final = "other"
"""The operation of requests that reached none."""


class Metrics(Collector):
    """What the server and the keep's engine have done so far."""

    def __init__(self, keep: Keep, rates: Rates) -> None:
        self._keep = keep
        self._rates = rates
        self._requests: dict[tuple[str, str], int] = {}
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0
        self.running = 0
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def count(self, operation: str, result: str, seconds: float) -> None:
        """Note an answer."""
        key = (operation, result)
        self._requests[key] = self._requests.get(key, 0) + 1
        self._seconds += seconds
        at = 0
        while at < len(BUCKETS) and seconds > BUCKETS[at]:
            at += 1
        self._buckets[at] += 1

    def text(self) -> bytes:
        """Give everything in the format that Prometheus reads."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Give the families, for the registry."""
        yield from self._of_requests()
        yield from self._of_rates()
        yield from self._of_engine()
        yield from self._of_recall()
        yield from self._of_jobs()

    def _of_requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("gamekeeper_http_requests", "Requests answered.", labels=("operation", "result"))
        for labels, count in sorted(self._requests.items()):
            requests.add_metric(labels, count)
        yield requests
        seconds = HistogramMetricFamily("gamekeeper_http_request_seconds", "How long answers took.")
        total, buckets = 0, []
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), self._buckets, strict=True):
            total += count
            buckets.append((bound, float(total)))
        seconds.add_metric([], buckets, self._seconds)
        yield seconds
        yield GaugeMetricFamily("gamekeeper_http_requests_running", "Requests under way.", value=self.running)

    def _of_rates(self) -> Iterator[Metric]:
        refused = CounterMetricFamily("gamekeeper_rate_limited", "Requests refused because there were too many.", labels=("class",))
        for kind, count in self._rates.refused.items():
            refused.add_metric([kind], count)
        yield refused
        yield GaugeMetricFamily("gamekeeper_redis_away", "Whether Redis is set and does not answer.", value=self._rates.redis_away)

    def _of_engine(self) -> Iterator[Metric]:
        stats = self._keep.stats
        for name in stats.__struct_fields__:
            yield CounterMetricFamily(
                f"gamekeeper_engine_{name}", f"The engine's count of {name.replace('_', ' ')}.", value=getattr(stats, name)
            )
        cache = self._keep.runner.cache
        yield GaugeMetricFamily("gamekeeper_engine_queued", "Commands that wait.", value=self._keep.engine.queued)
        yield GaugeMetricFamily("gamekeeper_leases_held", "Owners leased by this process.", value=len(self._keep.runner.leases.held))
        yield GaugeMetricFamily("gamekeeper_cache_rows", "Rows in the owner cache.", value=cache.rows)
        yield CounterMetricFamily("gamekeeper_cache_hits", "Owners found in the cache.", value=cache.hits)
        yield CounterMetricFamily("gamekeeper_cache_misses", "Owners not found in the cache.", value=cache.misses)

    def _of_recall(self) -> Iterator[Metric]:
        said = (
            "Tables that reads of owners looked for in memory and, of characters, in Redis; refused is what was there and not to be used."
        )
        tables = CounterMetricFamily("gamekeeper_recall_tables", said, labels=("level", "result"))
        for level, stats in self._keep.recall.stats.items():
            for result, count in (("hit", stats.hits), ("miss", stats.misses), ("refused", stats.refused)):
                tables.add_metric([level, result], count)
        yield tables

    def _of_jobs(self) -> Iterator[Metric]:
        stats = stats_of(self._keep)
        runs = CounterMetricFamily("gamekeeper_job_runs", "Runs of jobs that ended in this process.", labels=("job", "result"))
        for labels, count in sorted(stats.runs.items()):
            runs.add_metric(labels, count)
        yield runs
        seconds = CounterMetricFamily("gamekeeper_job_seconds", "How long runs of jobs took.", labels=("job",))
        for name, spent in sorted(stats.seconds.items()):
            seconds.add_metric([name], spent)
        yield seconds
        yield GaugeMetricFamily("gamekeeper_jobs_running", "Jobs under way in this process.", value=len(stats.running))
