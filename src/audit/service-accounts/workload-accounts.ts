/** The accounts that workloads run under, and the tokens in their pods. Pure. */
import type { KubeObject } from '../../api/meta.ts';
import { isRecord } from '../../util/is-record.ts';
import { shortList } from '../../util/list-text.ts';
import type { AuditContext } from '../context.ts';
import { workloadsOf } from '../context.ts';
import type { ObjectReference } from '../finding.ts';
import type { Volume } from '../pod-spec.ts';
import type { AuditPod } from '../snapshot.ts';
import type { Account } from './permissions.ts';

export interface WorkloadAccount extends Account {
  readonly pods: readonly AuditPod[];
  readonly object: ObjectReference;
  /** `Deployment web runs`, or `Deployment web, Job seed and 2 more run`. */
  readonly usedBy: string;
}

/** The accounts of the audited pods. */
export function workloadAccounts({ pods }: AuditContext): WorkloadAccount[] {
  const groups = Map.groupBy(pods, ({ namespace, serviceAccount }) => `${namespace}/${serviceAccount}`);
  return [...groups.values()].flatMap((own) => {
    const [first] = own;
    if (first === undefined) return [];
    const { namespace, serviceAccount: name } = first;
    const workloads = workloadsOf(own).map(({ kind, name }) => `${kind} ${name}`);
    const object = { kind: 'ServiceAccount', namespace, name };
    const usedBy = `${shortList(workloads, { most: 2 })} ${workloads.length === 1 ? 'runs' : 'run'}`;
    return [{ namespace, name, pods: own, object, usedBy }];
  });
}

type ServiceAccount = KubeObject & { readonly automountServiceAccountToken?: boolean };

/** Decides for pods if they hold a token of their account for the API server. */
export class Tokens {
  readonly #accounts: ReadonlyMap<string, ServiceAccount>;

  constructor({ snapshot }: AuditContext) {
    this.#accounts = new Map(
      (snapshot.objects('ServiceAccount') as readonly ServiceAccount[]).map((account) => [
        `${account.metadata.namespace}/${account.metadata.name}`,
        account,
      ]),
    );
  }

  /** True if the snapshot has the account, or every namespace has it. */
  isDescribed({ namespace, name }: Account): boolean {
    return name === 'default' || this.#accounts.has(`${namespace}/${name}`);
  }

  /** True if the API server adds a token to the pod, or the pod has a volume with one. */
  isMounted({ namespace, serviceAccount, spec }: AuditPod): boolean {
    const ofAccount = this.#accounts.get(`${namespace}/${serviceAccount}`)?.automountServiceAccountToken;
    return (spec.automountServiceAccountToken ?? ofAccount ?? true) || (spec.volumes ?? []).some(hasToken);
  }
}

/** A token with an audience of its own is for somebody else than the API server. */
function hasToken({ projected }: Volume): boolean {
  const sources = isRecord(projected) ? projected['sources'] : undefined;
  return (
    Array.isArray(sources) &&
    sources.some((source: unknown) => {
      const token = isRecord(source) ? source['serviceAccountToken'] : undefined;
      return isRecord(token) && (token['audience'] ?? '') === '';
    })
  );
}
