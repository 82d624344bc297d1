/**
 * The peer `serviceAccount`: the pods that run as it, by the label that the API server keeps on them. A network engine that
 * knows the account of a pod needs no label. Pure.
 */
import { LABEL_SERVICE_ACCOUNT } from '../../api/names.ts';
import type { NetworkPolicyPeer } from '../../api/network-policy.ts';
import { identified } from './engine.ts';
import { partlyResolved, type PeerContext, type Resolution, resolved, unresolved } from './resolution.ts';
import { podsIn } from './selectors.ts';

interface AccountName {
  readonly namespace: string;
  readonly name: string;
}

export function serviceAccountPeer(account: AccountName, context: PeerContext): Resolution {
  const { cluster } = context;
  const labelled = labelledPods(account, context);
  // The engine may carry the peer, but what the label is worth decides what the NetworkPolicies say.
  if (labelled.kind === 'unresolved' && labelled.reason === 'SourceUnavailable') return labelled;
  return identified(labelled, { kind: 'serviceAccount', ...account }, cluster);
}

/** The pods of the account that have its label. */
export function labelledPods({ namespace, name }: AccountName, { cluster }: PeerContext): Resolution {
  const facts = cluster.isKnown({ kind: 'serviceAccounts', namespace, name })
    ? cluster.serviceAccount(namespace, name)
    : undefined;
  if (facts === undefined) {
    return unresolved(
      'SourceUnavailable',
      `the pods of ServiceAccount ${namespace}/${name} are not known yet`,
    );
  }
  // A label that anybody may write proves nothing.
  if (facts.failure !== undefined) return unresolved(facts.failure.reason, facts.failure.message);
  if (facts.mislabelled > 0) {
    return unresolved(
      'PodsMislabelled',
      `${pods(facts.mislabelled)} of namespace ${namespace} ${facts.mislabelled === 1 ? 'has' : 'have'} the label ` +
        `${LABEL_SERVICE_ACCOUNT}=${name} and run${facts.mislabelled === 1 ? 's' : ''} as another account: delete ` +
        `what kubectl -n ${namespace} get pods -l ${LABEL_SERVICE_ACCOUNT}=${name} ` +
        `--field-selector spec.serviceAccountName!=${name} shows`,
    );
  }
  const grant = { peers: [accountPods(namespace, name)] } as const;
  if (facts.unlabelled === 0) return resolved(grant);
  return partlyResolved([grant], {
    reason: 'PodsUnlabelled',
    message:
      `${pods(facts.unlabelled)} of ServiceAccount ${namespace}/${name} ${facts.unlabelled === 1 ? 'is' : 'are'} ` +
      `from before such pods were labelled, and not meant: have them created anew, as by kubectl -n ${namespace} ` +
      `rollout restart deployment,statefulset,daemonset (kubectl -n ${namespace} get pods ` +
      `-l '!${LABEL_SERVICE_ACCOUNT}' --field-selector spec.serviceAccountName=${name} shows which)`,
  });
}

/** The pods of `namespace` that are labelled with the account `name`. */
export function accountPods(namespace: string, name: string): NetworkPolicyPeer {
  return podsIn(namespace, { matchLabels: { [LABEL_SERVICE_ACCOUNT]: name } });
}

/** A number of pods in words; counting ends at `MOST_COUNTED`. */
function pods(count: number): string {
  if (count > MOST_COUNTED) return `more than ${MOST_COUNTED} pods`;
  return count === 1 ? '1 pod' : `${count} pods`;
}

/** Most pods that are counted for one account; a larger number is reported as one more. */
export const MOST_COUNTED = 500;
