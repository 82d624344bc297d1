/** The random changes of a round, and the policies that the operator may want after each. */
import { setTimeout as sleep } from 'node:timers/promises';
import { LABEL_MANAGED_BY, MANAGER } from '../../src/api/names.ts';
import type { NetworkPolicy } from '../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../src/api/profile.ts';
import { fingerprint } from '../../src/policy/semantics/normalize.ts';
import type { Sandbox } from '../support/cluster.ts';
import {
  combinations,
  compiledPolicies,
  type Dice,
  type Inputs,
  desiredPolicies,
  pick,
  randomSpec,
  serviceFacts,
} from './model.ts';
import type { ObservedCluster, Revision } from './recorder.ts';
import { byObjectName } from '../../src/util/order.ts';

export const TENANT = 'example.com/tenant';
export const MEMBER = 'example.com/member';

export const isOwn = ({ metadata }: NetworkPolicy): boolean =>
  metadata.labels?.[LABEL_MANAGED_BY] === MANAGER;
/** Fingerprints without names: equal for policies of which none needs an update. */
export const fingerprints = (policies: readonly NetworkPolicy[]): string[] =>
  policies.map(fingerprint).sort();

export interface Change {
  readonly description: string;
  readonly run: () => Promise<void>;
}

export class Changes {
  readonly #box: Sandbox;
  readonly #roll: Dice;
  readonly #namespaces: readonly string[];
  readonly #backend: string;
  #inputs: Inputs;
  /** The values of the inputs in this round, in order. */
  #values: Inputs[] = [];
  /** Earlier values that the operator may still act on, as their change had no effect that a test could wait for. */
  #unconfirmed: readonly Inputs[] = [];
  /** Changes of policies by users in this round: resourceVersions that they wrote, uids that they deleted. */
  #userEdits = new Set<string>();

  /** @param backend the namespace of the existing Service `api` */
  constructor(box: Sandbox, roll: Dice, labels: Inputs['labels'], backend: string) {
    this.#box = box;
    this.#roll = roll;
    this.#namespaces = [...labels.keys()];
    this.#backend = backend;
    this.#inputs = { p: undefined, q: undefined, service: serviceFacts('a', 8080), labels };
  }

  /** Begins a round and returns its random changes. `observed` is the converged cluster. */
  next(observed: ObservedCluster): Change[] {
    this.begin();
    return this.#choose(observed);
  }

  /** Begins a round. */
  begin(): void {
    this.#unconfirmed = this.#ineffectiveChanges();
    this.#values = [this.#inputs];
    this.#userEdits = new Set();
  }

  /** Creates or edits a profile. */
  write(key: 'p' | 'q', spec: object): Change {
    const box = this.#box;
    const name = this.#name(key);
    return {
      description: `write ${key} ${JSON.stringify(spec)}`,
      run: async () => {
        if (this.#inputs[key] === undefined) await box.profile(key, spec as Record<string, unknown>);
        else await box.edit(name, spec as Record<string, unknown>);
        const profile: SegmentationProfile = await box.readProfile(name);
        this.#set({ [key]: profile });
      },
    };
  }

  /** Makes `p` a profile with several policies in each selected namespace. */
  enforce(): Change {
    const spec = randomSpec(this.#roll, this.#box.label, this.#namespaces);
    const isolation = ['Ingress', 'Egress'];
    const baseline = { dns: 'Allow', sameNamespace: 'Allow', admissionWebhooks: 'Deny' };
    return this.write('p', { ...spec, mode: 'Enforce', isolation, baseline });
  }

  remove(key: 'p' | 'q'): Change {
    return {
      description: `delete ${key}`,
      run: async () => {
        this.#set({ [key]: undefined });
        await this.#box.removeProfile(this.#name(key));
      },
    };
  }

  /** The policies that the current inputs ask for. */
  desired(namespace: string): NetworkPolicy[] {
    return desiredPolicies(namespace, this.#inputs, this.#backend);
  }

  /** The policies that any combination of this round's inputs asks for. */
  everDesired(namespace: string): NetworkPolicy[][] {
    const inputs = combinations(namespace, [...this.#unconfirmed, ...this.#values]);
    return inputs.map((each) => desiredPolicies(namespace, each, this.#backend));
  }

  /** Names of the profiles that do not exist. */
  deleted(): string[] {
    return (['p', 'q'] as const)
      .filter((key) => this.#inputs[key] === undefined)
      .map((key) => this.#name(key));
  }

  /** Names of the profiles that exist. */
  existing(): string[] {
    return (['p', 'q'] as const)
      .filter((key) => this.#inputs[key] !== undefined)
      .map((key) => this.#name(key));
  }

  /** The number of namespaces that a profile selects, and of policies that it asks for. */
  expected(name: string): { matched: number; desired: number } {
    const profile = name === this.#name('p') ? this.#inputs.p : this.#inputs.q;
    // A selected namespace has at least a default-deny.
    const each = this.#namespaces
      .map((namespace) => compiledPolicies(namespace, profile, this.#inputs, this.#backend).length)
      .filter((policies) => policies > 0);
    return { matched: each.length, desired: each.reduce((sum, policies) => sum + policies, 0) };
  }

  /** True if a user made this revision. */
  isUserEdit({ object: { metadata }, deleted }: Revision): boolean {
    return this.#userEdits.has((deleted ? metadata.uid : metadata.resourceVersion) ?? '');
  }

  /** Earlier values of inputs that ask for the same policies: convergence does not prove that the operator saw the change. */
  #ineffectiveChanges(): Inputs[] {
    const desired = (inputs: Inputs) =>
      JSON.stringify(
        this.#namespaces.map((each) => fingerprints(desiredPolicies(each, inputs, this.#backend))),
      );
    const now = desired(this.#inputs);
    const single = this.#values.flatMap(({ p, q, service, labels }) =>
      [{ p }, { q }, { service }, { labels }].map((one): Inputs => ({ ...this.#inputs, ...one })),
    );
    return single.filter((each) => desired(each) === now);
  }

  /** Chooses one or two changes of different inputs, or drift alone. */
  #choose(observed: ObservedCluster): Change[] {
    const roll = this.#roll;
    const kinds = [
      () => this.#edit('p'),
      () => this.#edit('q'),
      () => this.#relabel(),
      () => this.#moveService(),
    ];
    const weight = roll(10);
    if (weight === 0) return this.#drift(observed);
    if (weight === 1) return [this.#recreateService()];
    const first = roll(kinds.length);
    const second = (first + 1 + roll(kinds.length - 1)) % kinds.length;
    return (weight < 5 ? [first, second] : [first]).map((index) => (kinds[index] as () => Change)());
  }

  #name(key: 'p' | 'q'): string {
    return `${this.#box.id}-${key}`;
  }

  #set(inputs: Partial<Inputs>): void {
    this.#inputs = { ...this.#inputs, ...inputs };
    this.#values.push(this.#inputs);
  }

  #edit(key: 'p' | 'q'): Change {
    if (this.#inputs[key] !== undefined && this.#roll(5) === 0) return this.remove(key);
    const spec = randomSpec(
      this.#roll,
      { ...this.#box.label, [MEMBER]: 'yes' },
      this.#namespaces,
      key === 'q' ? this.#backend : undefined,
    );
    return this.write(key, spec);
  }

  #relabel(): Change {
    const namespace = pick(this.#roll, this.#namespaces);
    const old = this.#inputs.labels.get(namespace) ?? {};
    const flipped: Record<string, string> =
      this.#roll(2) === 0
        ? { ...old, [TENANT]: old[TENANT] === 'red' ? 'blue' : 'red' }
        : { ...old, [MEMBER]: old[MEMBER] === 'yes' ? 'no' : 'yes' };
    return {
      description: `label ${namespace} ${flipped[TENANT]} ${flipped[MEMBER]}`,
      run: async () => {
        this.#set({ labels: new Map(this.#inputs.labels).set(namespace, flipped) });
        await this.#box.relabel(namespace, flipped);
      },
    };
  }

  #moveService(): Change {
    const [app, port] = [pick(this.#roll, ['a', 'b']), pick(this.#roll, [8080, 9090])];
    return {
      description: `Service to ${app} ${port}`,
      run: async () => {
        this.#set({ service: serviceFacts(app, port) });
        await this.#box.editService(this.#backend, 'api', serviceSpec(app, port));
      },
    };
  }

  /** While the Service is gone, the last known peers stay (I3). */
  #recreateService(): Change {
    const [app, port, gone] = [pick(this.#roll, ['a', 'b']), pick(this.#roll, [8080, 9090]), this.#roll(300)];
    return {
      description: `Service gone for ${gone} ms, then to ${app} ${port}`,
      run: async () => {
        await this.#box.deleteService(this.#backend, 'api');
        await sleep(gone);
        this.#set({ service: serviceFacts(app, port) });
        await this.#box.service(this.#backend, 'api', serviceSpec(app, port));
      },
    };
  }

  /** At most one change in each namespace, as only the next plan sees a change that is made during a plan. */
  #drift(observed: ObservedCluster): Change[] {
    return this.#namespaces.flatMap((namespace): Change[] => {
      const own = (observed.policies.get(namespace) ?? []).filter(isOwn).sort(byObjectName);
      const choice = this.#roll(1000);
      const how = this.#roll(DRIFTS.length + 1);
      const policy = own[choice % Math.max(1, own.length)];
      if (policy === undefined) return [];
      const { name, uid = '' } = policy.metadata;
      const patch = DRIFTS[how];
      return [
        {
          description: `${patch === undefined ? 'delete' : JSON.stringify(patch)} ${namespace}/${name}`,
          run: async () => {
            if (patch === undefined) {
              this.#userEdits.add(uid);
              await this.#box.deletePolicy(namespace, name);
            } else {
              const { metadata } = await this.#box.patchPolicy(namespace, name, patch);
              this.#userEdits.add(metadata.resourceVersion ?? '');
            }
          },
        },
      ];
    });
  }
}

const DRIFTS: readonly object[] = [
  { spec: { podSelector: { matchLabels: { app: 'a' } } } },
  { spec: { ingress: [{}], policyTypes: ['Ingress'] } },
  { spec: { egress: [{ to: [{ ipBlock: { cidr: '198.51.100.0/24' } }] }], policyTypes: ['Egress'] } },
  { metadata: { labels: null } },
  { metadata: { annotations: null } },
];

export function serviceSpec(app: string, targetPort: number): object {
  return { selector: { app }, ports: [{ port: 80, targetPort }] };
}
