/** Writes a probe's report to its Lease, which has the name of its Pod and is deleted with it. */
import { isNotFound } from '../../kube/errors.ts';
import type { Lease } from '../../kube/lease.ts';
import { microTime } from '../../kube/micro-time.ts';
import type { Resource } from '../../kube/resource.ts';
import type { CanaryPod } from '../model/matrix.ts';
import { ANNOTATION_REPORT, LABEL_CANARY } from '../model/names.ts';
import type { Report } from '../model/report.ts';

export type LeaseWriter = Pick<Resource<Lease>, 'create' | 'patch'>;

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
