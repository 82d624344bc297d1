/** The parts of the operator that an optional capability may use. */
import type { ClusterState } from '../../cluster-state/state.ts';
import type { Records } from '../../controller/records.ts';
import type { EventRecorder } from '../../kube/events/recorder.ts';
import type { Transport } from '../../kube/http/transport.ts';
import type { Logger } from '../../observability/logs/logger.ts';
import type { Metrics } from '../../observability/metrics/registry.ts';
import type { Options } from '../../options/options.ts';
import type { Clock } from '../../util/clock.ts';

export interface CapabilityParts {
  readonly options: Options;
  /** Writes only while this replica leads. */
  readonly transport: Transport;
  readonly clusterState: ClusterState;
  /** The results of namespaces. */
  readonly records: Records;
  readonly recorder: EventRecorder;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly clock: Clock;
  /** The operator's own, or the default. */
  readonly namespace: string;
  /** True while namespaces wait for their reconcile. */
  readonly isBusy: () => boolean;
}
