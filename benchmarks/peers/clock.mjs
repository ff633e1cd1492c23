// Measures an operation for a while with a number of tasks, and prints the one JSON line that the harness reads.
export const command = JSON.parse(process.argv[2] ?? '{}');

const WARM_UP_MS = 400;

/** Raised by an operation that refuses, as a game would; it is counted, but is not throughput. */
export class Refused extends Error {}

export function report(name, latencies, refused, seconds) {
  latencies.sort((a, b) => a - b);
  const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  console.log(JSON.stringify({
    workload: command.workload, peer: name, tasks: command.tasks, ops: latencies.length, seconds,
    ops_per_second: latencies.length / seconds, p50_ms: at(0.5), p99_ms: at(0.99), refused,
  }));
}

/** Asynchronous drivers: `tasks` loops that share the connection pool. */
export async function driveTasks(name, operation) {
  const latencies = [];
  let refused = 0;
  const measureFrom = performance.now() + WARM_UP_MS;
  const stopAt = measureFrom + command.seconds * 1000;
  const task = async () => {
    for (;;) {
      const started = performance.now();
      if (started >= stopAt) return;
      let done = true;
      try { await operation(); } catch (error) { if (!(error instanceof Refused)) throw error; done = false; }
      if (started >= measureFrom) done ? latencies.push(performance.now() - started) : refused++;
    }
  };
  await Promise.all(Array.from({ length: command.tasks }, task));
  report(name, latencies, refused, (performance.now() - measureFrom) / 1000);
}

/** Synchronous drivers: one loop, whatever the number of tasks; the driver never lets a second one run. */
export function driveLoop(name, operation) {
  const latencies = [];
  let refused = 0;
  const measureFrom = performance.now() + WARM_UP_MS;
  const stopAt = measureFrom + command.seconds * 1000;
  for (;;) {
    const started = performance.now();
    if (started >= stopAt) break;
    let done = true;
    try { operation(); } catch (error) { if (!(error instanceof Refused)) throw error; done = false; }
    if (started >= measureFrom) done ? latencies.push(performance.now() - started) : refused++;
  }
  report(name, latencies, refused, (performance.now() - measureFrom) / 1000);
}
