/** Counts the pods of a ServiceAccount whose label is missing or not true. */
import type { KubeObject } from '../../api/meta.ts';
import { LABEL_SERVICE_ACCOUNT } from '../../api/names.ts';
import type { Resource } from '../../kube/resource.ts';
import type { Account } from '../../policy/admission/accounts.ts';
import type { ServiceAccountFacts } from '../../policy/facts.ts';
import { MOST_COUNTED } from '../../policy/peers/service-account.ts';

/** No policy has pods on the host network as peers, and finished pods have no address. */
const PEERS = 'spec.hostNetwork=false,status.phase!=Succeeded,status.phase!=Failed';

/** Counts up to MOST_COUNTED pods of each kind; one more means "more". @throws ApiError */
export async function countPods(
  { namespace, name }: Account,
  pods: Resource<KubeObject>,
  signal: AbortSignal,
): Promise<ServiceAccountFacts> {
  const count = async (account: string, label: string) => {
    const fieldSelector = `spec.serviceAccountName${account},${PEERS}`;
    const labelSelector = `${LABEL_SERVICE_ACCOUNT}${label}`;
    const limit = MOST_COUNTED + 1;
    const options = { namespace, fieldSelector, labelSelector, limit, signal, metadataOnly: true };
    return (await pods.list(options)).items.length;
  };
  const [unlabelled, mislabelled] = await Promise.all([
    count(`=${name}`, `!=${name}`),
    count(`!=${name}`, `=${name}`),
  ]);
  return { unlabelled, mislabelled };
}
