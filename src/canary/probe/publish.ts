/** The report of a probe in its Lease, which has the name of its Pod and is deleted with it. */
import { isNotFound } from '../../kube/errors.ts';
import type { Lease } from '../../kube/lease.ts';
import { microTime } from '../../kube/micro-time.ts';
import type { Resource } from '../../kube/resource.ts';
import type { CanaryPod } from '../model/matrix.ts';
import { ANNOTATION_REPORT, LABEL_CANARY } from '../model/names.ts';
import { parseReport, type Report } from '../model/report.ts';

export type LeaseWriter = Pick<Resource<Lease>, 'create' | 'patch'>;

export interface EarlierReport {
  readonly report: Report;
  /** When it was written, by the wall clock of the node, in milliseconds since the epoch. */
  readonly writtenAt: number;
}

/**
 * The last report of an earlier process of this Pod; undefined if there is none that can be read. An empty patch returns the
 * Lease, and so needs no permission but that of reporting.
 *
 * @throws ApiError
 */
export async function earlierReport(
  leases: LeaseWriter,
  { name, namespace, uid }: CanaryPod,
  signal: AbortSignal,
): Promise<EarlierReport | undefined> {
  let lease: Lease;
  try {
    lease = await leases.patch(name, namespace, {}, { signal });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
  const { annotations, ownerReferences = [] } = lease.metadata;
  const report = parseReport(annotations?.[ANNOTATION_REPORT]);
  if (report === undefined || !ownerReferences.some((owner) => owner.uid === uid)) return undefined;
  return { report, writtenAt: Date.parse(lease.spec?.renewTime ?? '') };
}

/** @param now wall clock, in milliseconds since the epoch @throws ApiError */
export async function publish(
  leases: LeaseWriter,
  { self, report, now }: { readonly self: CanaryPod; readonly report: Report; readonly now: number },
  signal: AbortSignal,
): Promise<void> {
  const { name, namespace, uid, side } = self;
  const annotations = { [ANNOTATION_REPORT]: JSON.stringify(report) };
  const spec = { holderIdentity: self.node, renewTime: microTime(now) };
  try {
    await leases.patch(name, namespace, { metadata: { annotations }, spec }, { signal });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    await leases.create(
      {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: {
          name,
          namespace,
          labels: { [LABEL_CANARY]: side },
          annotations,
          ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name, uid }],
        },
        spec,
      },
      { signal },
    );
  }
}
