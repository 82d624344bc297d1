/** Metrics of the certificate of the metrics endpoint, under the names of controller-runtime. */
import { Counter, type Registry } from 'prom-client';

export interface CertificateMetrics {
  /** Counts one read of the certificate. @param failed true if it could not be read or used */
  read(failed: boolean): void;
}

export function createCertificateMetrics(registry: Registry): CertificateMetrics {
  const reads = new Counter({
    name: 'certwatcher_read_certificate_total',
    help: 'Reads of the certificate of the metrics endpoint from its files.',
    registers: [registry],
  });
  const errors = new Counter({
    name: 'certwatcher_read_certificate_errors_total',
    help: 'Reads of the certificate of the metrics endpoint that failed; the last good one stays in use.',
    registers: [registry],
  });
  return {
    read: (failed) => {
      reads.inc();
      if (failed) errors.inc();
    },
  };
}
