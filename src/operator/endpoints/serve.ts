/** The endpoints of a process, the operator or a probe of the canary: health, and metrics, either open or guarded. */
import type { Clock } from '../../util/clock.ts';
import type { Transport } from '../../kube/http/transport.ts';
import type { Options } from '../../options/options.ts';
import { createAccess, guarded } from './access.ts';
import { followCertificate, readCertificate, selfSignedCertificate } from './certificate.ts';
import { messageWithCauses } from '../../observability/logs/log-value.ts';
import type { Logger } from '../../observability/logs/logger.ts';
import type { Metrics } from '../../observability/metrics/registry.ts';
import { type Check, healthRoutes, metricsRoutes } from './routes.ts';
import { type RunningServer, startServer } from './server.ts';

export interface ServeInput {
  readonly options: Pick<Options, 'healthProbeBindAddress' | 'metricsBindAddress' | 'metricsSecurity'>;
  readonly metrics: Pick<Metrics, 'render' | 'certificate'>;
  readonly readyz: Readonly<Record<string, Check>>;
  /** For the reviews of clients that scrape; a standby replica needs it too, so it is not fenced. */
  readonly transport: Transport;
  readonly logger: Logger;
  readonly clock: Clock;
}

/**
 * Starts the endpoints; the result closes them.
 *
 * @throws Error with one line that names the flag, if an address can't be listened on or the certificate not be used
 */
export async function serve(input: ServeInput): Promise<() => Promise<void>> {
  const { options, readyz, logger } = input;
  const onError = (error: unknown, path: string) => logger.error('request failed', { path, error });
  const health = await startServer({
    bindAddress: options.healthProbeBindAddress,
    flag: '--health-probe-bind-address',
    routes: healthRoutes({ healthz: { ping: () => undefined }, readyz }),
    onError,
  });
  const closeHealth = async () => health?.close();
  try {
    const scrape = await (options.metricsSecurity.enabled
      ? serveSecurely(input, onError)
      : startServer({ ...metricsAddress(options), routes: metricsRoutes(input.metrics), onError }));
    logger.info('listening', { metrics: scrape?.url ?? 'off', health: health?.url ?? 'off' });
    return async () => {
      await Promise.all([closeHealth(), scrape?.close()]);
    };
  } catch (error) {
    await closeHealth();
    throw error;
  }
}

async function serveSecurely(
  { options, metrics, transport, logger, clock }: ServeInput,
  onError: (error: unknown, path: string) => void,
): Promise<Pick<RunningServer, 'url' | 'close'> | undefined> {
  const { certPath, certName, certKey } = options.metricsSecurity;
  const files = certPath === undefined ? undefined : { directory: certPath, cert: certName, key: certKey };
  const certificate =
    files === undefined
      ? selfSignedCertificate(clock)
      : await readCertificate(files).catch((error: unknown) => {
          throw new Error(`--metrics-cert-path: ${(error as Error).message}`, { cause: error });
        });
  let lastFailure: string | undefined;
  const access = createAccess({
    transport,
    clock,
    onResult: (failure) => {
      const message = failure && messageWithCauses(failure.error);
      if (failure !== undefined) {
        logger[message === lastFailure ? 'debug' : 'warn'](
          'a scrape was refused: the API server could not be asked who it is',
          failure,
        );
      }
      lastFailure = message;
    },
  });
  const routes = guarded(metricsRoutes(metrics), access);
  const server = await startServer({ ...metricsAddress(options), routes, onError, certificate });
  if (server === undefined || files === undefined) return server;
  metrics.certificate.read(false);
  const stopFollowing = followCertificate(files, certificate, clock, {
    onRead: (failed) => metrics.certificate.read(failed),
    use: (pair) => {
      server.useCertificate(pair);
      logger.info('the certificate of the metrics endpoint was replaced');
    },
    onError: (error) =>
      logger.warn('the certificate of the metrics endpoint cannot be replaced, the old one stays', { error }),
  });
  return {
    url: server.url,
    close: () => {
      stopFollowing();
      return server.close();
    },
  };
}

function metricsAddress({ metricsBindAddress }: Pick<Options, 'metricsBindAddress'>) {
  return { bindAddress: metricsBindAddress, flag: '--metrics-bind-address' };
}
