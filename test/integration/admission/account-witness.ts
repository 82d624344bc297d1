// Judges by every revision of pods and policies, from direct watches: is a pod let in as an account that it does not run as?
import type { KubeObject } from '../../../src/api/meta.ts';
import { LABEL_SERVICE_ACCOUNT } from '../../../src/api/names.ts';
import type { ControlPlane } from '../../env/index.ts';
import { eventually } from '../../support/cluster.ts';

interface Event {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: KubeObject & { readonly spec?: { readonly serviceAccountName?: string } };
}

export class Witness {
  readonly #plane: ControlPlane;
  readonly #pods: string;
  readonly #policies: string;
  readonly #ended = new AbortController();
  readonly #events: Event[] = [];
  readonly #watches: Promise<void>[];
  #failure: unknown;

  /** Watches pods of `client` and policies of `server` from now on. */
  static async begin(plane: ControlPlane, client: string, server: string): Promise<Witness> {
    const { metadata } = (await plane.admin.send('GET', '/api/v1/namespaces?limit=1')) as {
      metadata: { resourceVersion: string };
    };
    return new Witness(plane, client, server, metadata.resourceVersion);
  }

  private constructor(plane: ControlPlane, client: string, server: string, since: string) {
    this.#plane = plane;
    this.#pods = `/api/v1/namespaces/${client}/pods`;
    this.#policies = `/apis/networking.k8s.io/v1/namespaces/${server}/networkpolicies`;
    this.#watches = [this.#pods, this.#policies].map(async (path) => {
      try {
        for await (const event of plane.admin.stream(
          `${path}?watch=1&resourceVersion=${since}`,
          this.#ended.signal,
        ))
          this.#events.push(event as Event);
      } catch (error) {
        if (!this.#ended.signal.aborted) this.#failure = error;
      }
    });
  }

  /** Pods that the policy let in though their label was not true, each with the revision of that. */
  async end(policy: string): Promise<string[]> {
    // A last object of each kind, so that nothing before it is still on its way.
    const name = 'witness-end';
    const selector = { podSelector: { matchLabels: { none: 'none' } }, policyTypes: ['Ingress'] };
    await this.#plane.admin.send('POST', this.#policies, {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name },
      spec: selector,
    });
    const spec = { containers: [{ name: 'main', image: 'main' }] };
    await this.#plane.admin.send('POST', this.#pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec,
    });
    await eventually(() => {
      if (
        this.#events.filter(({ object, type }) => type === 'ADDED' && object.metadata.name === name).length <
        2
      )
        throw new Error(`the watches are behind, ${this.#events.length} events`, { cause: this.#failure });
    });
    this.#ended.abort();
    await Promise.all(this.#watches);
    return judge(this.#events, policy);
  }
}

function judge(events: readonly Event[], policy: string): string[] {
  const revision = ({ object }: Event) => Number(object.metadata.resourceVersion);
  const forged = new Set<string>();
  let relies = false;
  const found: string[] = [];
  for (const event of events.toSorted((a, b) => revision(a) - revision(b))) {
    const { type, object } = event;
    const { name, labels } = object.metadata;
    const account = object.spec?.serviceAccountName;
    if (account === undefined) {
      if (name === policy)
        relies = type !== 'DELETED' && JSON.stringify(object.spec).includes(LABEL_SERVICE_ACCOUNT);
    } else {
      const label = labels?.[LABEL_SERVICE_ACCOUNT];
      if (type !== 'DELETED' && label !== undefined && label !== account) forged.add(name);
      else forged.delete(name);
    }
    if (relies) for (const each of forged) found.push(`${each} at ${revision(event)}`);
  }
  return found;
}
