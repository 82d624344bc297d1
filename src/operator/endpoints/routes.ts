/** The routes: metrics, and probes in the manner of Kubernetes' own components. */
import { CONTENT_TYPES, negotiateFormat } from '../../observability/metrics/format/exposition.ts';
import type { Metrics } from '../../observability/metrics/registry.ts';
import type { Route } from './server.ts';
import { errorMessage } from '../../util/error-message.ts';

const PLAIN = 'text/plain; charset=utf-8';

/** Returns the reason of a failure, or undefined. Must return at once. */
export type Check = () => string | undefined;

export function metricsRoutes(metrics: Pick<Metrics, 'render'>): Record<string, Route> {
  return {
    '/metrics': async ({ accept }) => {
      const format = negotiateFormat(accept);
      return { status: 200, contentType: CONTENT_TYPES[format], body: await metrics.render(format) };
    },
  };
}

/**
 * `/healthz` (the kubelet restarts the pod if it fails) and `/readyz`: 200 and `ok`, or 503 and the checks that fail.
 * `?verbose` shows all checks, `?exclude=NAME` leaves one out, `/readyz/NAME` is a single one.
 */
export function healthRoutes(checks: {
  readonly healthz: Readonly<Record<string, Check>>;
  readonly readyz: Readonly<Record<string, Check>>;
}): Record<string, Route> {
  const routes: Record<string, Route> = {};
  for (const [endpoint, each] of Object.entries(checks)) {
    routes[`/${endpoint}`] = ({ query }) => {
      const excluded = new Set(query.getAll('exclude'));
      const chosen = Object.entries(each).filter(([name]) => !excluded.has(name));
      return probe(endpoint, chosen, query.has('verbose'));
    };
    routes[`/${endpoint}/*`] = ({ path, query }) => {
      const name = path.slice(endpoint.length + 2);
      const check = Object.hasOwn(each, name) ? each[name] : undefined;
      if (check === undefined) {
        const body = `404: no such check. There are: ${Object.keys(each).join(', ') || 'none'}\n`;
        return { status: 404, contentType: PLAIN, body };
      }
      return probe(`${endpoint}/${name}`, [[name, check]], query.has('verbose'));
    };
  }
  return routes;
}

function probe(title: string, checks: readonly (readonly [string, Check])[], verbose: boolean) {
  const results = checks.map(([name, check]) => ({ name, failure: run(check) }));
  const failed = results.filter(({ failure }) => failure !== undefined);
  const status = failed.length === 0 ? 200 : 503;
  if (status === 200 && !verbose) return { status, contentType: PLAIN, body: 'ok' };
  const lines = (verbose ? results : failed).map(({ name, failure }) =>
    failure === undefined ? `[+]${name} ok` : `[-]${name} failed: ${failure}`,
  );
  const body = `${[...lines, `${title} check ${status === 200 ? 'passed' : 'failed'}`].join('\n')}\n`;
  return { status, contentType: PLAIN, body };
}

function run(check: Check): string | undefined {
  try {
    return check();
  } catch (error) {
    return errorMessage(error);
  }
}
