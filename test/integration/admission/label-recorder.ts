// Records every revision of pods and policies by watches of its own, and finds pods with a false label that a policy relied on.
import type { KubeObject } from '../../../src/api/meta.ts';
import { LABEL_SERVICE_ACCOUNT } from '../../../src/api/names.ts';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { reliedOn } from '../../../src/policy/admission/accounts.ts';
import type { ControlPlane } from '../../env/index.ts';
import { eventually } from '../../support/cluster.ts';

interface Event {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: KubeObject & { readonly spec?: { readonly serviceAccountName?: string } };
}

const PODS = '/api/v1/pods';
const END = 'recorder-end';

export class LabelRecorder {
  readonly #plane: ControlPlane;
  readonly #namespace: string;
  readonly #policies: string;
  readonly #ended = new AbortController();
  readonly #events: Event[] = [];
  readonly #watches: Promise<void>[];
  #failure: unknown;

  /** Records all pods, and the policies of `namespace`, from now on. */
  static async begin(plane: ControlPlane, namespace: string): Promise<LabelRecorder> {
    const { metadata } = (await plane.admin.send('GET', '/api/v1/namespaces?limit=1')) as {
      metadata: { resourceVersion: string };
    };
    return new LabelRecorder(plane, namespace, metadata.resourceVersion);
  }

  private constructor(plane: ControlPlane, namespace: string, since: string) {
    this.#plane = plane;
    this.#namespace = namespace;
    this.#policies = `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`;
    this.#watches = [PODS, this.#policies].map(async (path) => {
      // The API server ends a watch that is too slow. It is resumed at the last revision.
      for (let from = since; !this.#ended.signal.aborted; ) {
        try {
          const query = `?watch=1&resourceVersion=${from}`;
          for await (const each of plane.admin.stream(path + query, this.#ended.signal)) {
            const event = each as Event;
            if (!['ADDED', 'MODIFIED', 'DELETED'].includes(event.type)) throw new Error(JSON.stringify(each));
            from = event.object.metadata.resourceVersion ?? from;
            this.#events.push(event);
          }
        } catch (error) {
          this.#failure = error;
          return;
        }
      }
    });
  }

  /** Ends recording. @returns pods whose label was false while a policy relied on it, each with a revision at which it was */
  async end(): Promise<string[]> {
    // Once the last object of each kind was seen, every earlier revision was seen.
    const metadata = { name: END };
    const selector = { podSelector: { matchLabels: { none: 'none' } }, policyTypes: ['Ingress'] };
    const spec = { containers: [{ name: 'main', image: 'main' }] };
    await this.#plane.admin.send('POST', this.#policies, { metadata, spec: selector });
    await this.#plane.admin.send('POST', `/api/v1/namespaces/${this.#namespace}/pods`, { metadata, spec });
    await eventually(() => {
      const last = this.#events.filter(
        ({ type, object: { metadata } }) =>
          type === 'ADDED' && metadata.name === END && metadata.namespace === this.#namespace,
      );
      if (last.length < 2)
        throw new Error(`the watches are behind, after ${this.#events.length} events`, {
          cause: this.#failure,
        });
    }, 20_000);
    this.#ended.abort();
    await Promise.all(this.#watches);
    return judge(this.#events);
  }
}

function judge(events: readonly Event[]): string[] {
  const revision = ({ object }: Event) => Number(object.metadata.resourceVersion);
  /** By namespace: names of the pods whose label is false. */
  const mislabelled = new Map<string, Set<string>>();
  /** By policy: the namespaces whose label it relies on. */
  const relied = new Map<string, readonly string[]>();
  const found: string[] = [];
  for (const event of events.toSorted((a, b) => revision(a) - revision(b))) {
    const { type, object } = event;
    const { namespace = '', name, labels } = object.metadata;
    const account = object.spec?.serviceAccountName;
    if (account === undefined) {
      relied.set(name, type === 'DELETED' ? [] : reliedOn(object as unknown as NetworkPolicy));
    } else {
      const label = labels?.[LABEL_SERVICE_ACCOUNT];
      const there = mislabelled.get(namespace) ?? new Set();
      mislabelled.set(namespace, there);
      if (type !== 'DELETED' && label !== undefined && label !== account) there.add(name);
      else there.delete(name);
    }
    for (const each of [...relied.values()].flat())
      for (const pod of mislabelled.get(each) ?? []) found.push(`${each}/${pod} at ${revision(event)}`);
  }
  return found;
}
