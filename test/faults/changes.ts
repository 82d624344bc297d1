// What happens to the cluster in a round, chosen at random, and what the operator may make of it.
import { setTimeout as sleep } from 'node:timers/promises';
import { LABEL_MANAGED_BY, MANAGER } from '../../src/api/names.ts';
import type { NetworkPolicy } from '../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../src/api/profile.ts';
import { fingerprint } from '../../src/policy/semantics/normalize.ts';
import type { Sandbox } from '../support/cluster.ts';
import {
  combinations,
  computed,
  type Dice,
  type Inputs,
  intent,
  pick,
  randomSpec,
  serviceFacts,
} from './model.ts';
import type { Picture, Revision } from './recorder.ts';
import { byObjectName } from '../../src/util/order.ts';

export const TENANT = 'example.com/tenant';
export const MEMBER = 'example.com/member';

export const isOurs = ({ metadata }: NetworkPolicy): boolean =>
  metadata.labels?.[LABEL_MANAGED_BY] === MANAGER;
/** Equal for policies that need no write to be the same, whatever their names. */
export const form = (policies: readonly NetworkPolicy[]): string[] => policies.map(fingerprint).sort();

/** Something that is done in a round, in words and in deed. */
export interface Change {
  readonly what: string;
  readonly run: () => Promise<void>;
}

export class Changes {
  readonly #box: Sandbox;
  readonly #roll: Dice;
  readonly #namespaces: readonly string[];
  readonly #backend: string;
  #inputs: Inputs;
  /** The inputs of this round, in order. */
  #values: Inputs[] = [];
  /** Inputs of the round before that the operator may not have heard the end of. */
  #unheard: readonly Inputs[] = [];
  /** What somebody's hand did to policies in this round: versions that it wrote, uids that it deleted. */
  #byHand = new Set<string>();

  /** The Service `api` of the namespace `backend` exists, and no profile. */
  constructor(box: Sandbox, roll: Dice, labels: Inputs['labels'], backend: string) {
    this.#box = box;
    this.#roll = roll;
    this.#namespaces = [...labels.keys()];
    this.#backend = backend;
    this.#inputs = { p: undefined, q: undefined, service: serviceFacts('a', 8080), labels };
  }

  /** The changes of the next round, at random. `picture`: what stands now, when everything has settled. */
  next(picture: Picture): Change[] {
    this.begin();
    return this.#choose(picture);
  }

  /** A round begins. */
  begin(): void {
    this.#unheard = this.#withoutEffect();
    this.#values = [this.#inputs];
    this.#byHand = new Set();
  }

  /** Creates or edits a profile. */
  write(key: 'p' | 'q', spec: object): Change {
    const box = this.#box;
    const name = this.#name(key);
    return {
      what: `write ${key} ${JSON.stringify(spec)}`,
      run: async () => {
        if (this.#inputs[key] === undefined) await box.profile(key, spec as Record<string, unknown>);
        else await box.edit(name, spec as Record<string, unknown>);
        const profile: SegmentationProfile = await box.readProfile(name);
        this.#set({ [key]: profile });
      },
    };
  }

  /** Makes `p` a profile of several objects in each namespace that it selects. */
  enforce(): Change {
    const spec = randomSpec(this.#roll, this.#box.label, this.#namespaces);
    const isolation = ['Ingress', 'Egress'];
    const baseline = { dns: 'Allow', sameNamespace: 'Allow', admissionWebhooks: 'Deny' };
    return this.write('p', { ...spec, mode: 'Enforce', isolation, baseline });
  }

  remove(key: 'p' | 'q'): Change {
    return {
      what: `delete ${key}`,
      run: async () => {
        this.#set({ [key]: undefined });
        await this.#box.removeProfile(this.#name(key));
      },
    };
  }

  /** What the operator is to keep in a namespace from now on. */
  wanted(namespace: string): NetworkPolicy[] {
    return intent(namespace, this.#inputs, this.#backend);
  }

  /** What it may have been asked for in this round. */
  everWanted(namespace: string): NetworkPolicy[][] {
    const inputs = combinations(namespace, [...this.#unheard, ...this.#values]);
    return inputs.map((each) => intent(namespace, each, this.#backend));
  }

  /** Names of the profiles that were deleted. */
  deleted(): string[] {
    return (['p', 'q'] as const)
      .filter((key) => this.#inputs[key] === undefined)
      .map((key) => this.#name(key));
  }

  /** Names of the profiles that there are. */
  existing(): string[] {
    return (['p', 'q'] as const)
      .filter((key) => this.#inputs[key] !== undefined)
      .map((key) => this.#name(key));
  }

  /** How many namespaces a profile selects, and how many policies it asks for there. */
  expected(name: string): { matched: number; desired: number } {
    const profile = name === this.#name('p') ? this.#inputs.p : this.#inputs.q;
    // Each has at least its default-deny.
    const each = this.#namespaces
      .map((namespace) => computed(namespace, profile, this.#inputs, this.#backend).length)
      .filter((policies) => policies > 0);
    return { matched: each.length, desired: each.reduce((sum, policies) => sum + policies, 0) };
  }

  /** Whether somebody else than the operator wrote it. */
  isByHand({ object: { metadata }, deleted }: Revision): boolean {
    return this.#byHand.has((deleted ? metadata.uid : metadata.resourceVersion) ?? '');
  }

  /** Earlier values of inputs whose change had no effect, so that settling does not prove that it was heard of. */
  #withoutEffect(): Inputs[] {
    const asked = (inputs: Inputs) =>
      JSON.stringify(this.#namespaces.map((each) => form(intent(each, inputs, this.#backend))));
    const now = asked(this.#inputs);
    const single = this.#values.flatMap(({ p, q, service, labels }) =>
      [{ p }, { q }, { service }, { labels }].map((one): Inputs => ({ ...this.#inputs, ...one })),
    );
    return single.filter((each) => asked(each) === now);
  }

  /** One or two changes of different inputs, or drift, which is a round of its own. */
  #choose(picture: Picture): Change[] {
    const roll = this.#roll;
    const kinds = [
      () => this.#edit('p'),
      () => this.#edit('q'),
      () => this.#relabel(),
      () => this.#moveService(),
    ];
    const weight = roll(10);
    if (weight === 0) return this.#drift(picture);
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
      what: `label ${namespace} ${flipped[TENANT]} ${flipped[MEMBER]}`,
      run: async () => {
        this.#set({ labels: new Map(this.#inputs.labels).set(namespace, flipped) });
        await this.#box.relabel(namespace, flipped);
      },
    };
  }

  #moveService(): Change {
    const [app, port] = [pick(this.#roll, ['a', 'b']), pick(this.#roll, [8080, 9090])];
    return {
      what: `Service to ${app} ${port}`,
      run: async () => {
        this.#set({ service: serviceFacts(app, port) });
        await this.#box.editService(this.#backend, 'api', serviceSpec(app, port));
      },
    };
  }

  /** While it is gone, what was known of it stays in force (I3). */
  #recreateService(): Change {
    const [app, port, gone] = [pick(this.#roll, ['a', 'b']), pick(this.#roll, [8080, 9090]), this.#roll(300)];
    return {
      what: `Service gone for ${gone} ms, then to ${app} ${port}`,
      run: async () => {
        await this.#box.deleteService(this.#backend, 'api');
        await sleep(gone);
        this.#set({ service: serviceFacts(app, port) });
        await this.#box.service(this.#backend, 'api', serviceSpec(app, port));
      },
    };
  }

  /** At most one write to each namespace: what is changed while a plan is carried out is seen by the next plan only. */
  #drift(picture: Picture): Change[] {
    return this.#namespaces.flatMap((namespace): Change[] => {
      const ours = (picture.policies.get(namespace) ?? []).filter(isOurs).sort(byObjectName);
      const choice = this.#roll(1000);
      const how = this.#roll(DRIFTS.length + 1);
      const policy = ours[choice % Math.max(1, ours.length)];
      if (policy === undefined) return [];
      const { name, uid = '' } = policy.metadata;
      const patch = DRIFTS[how];
      return [
        {
          what: `${patch === undefined ? 'delete' : JSON.stringify(patch)} ${namespace}/${name}`,
          run: async () => {
            if (patch === undefined) {
              this.#byHand.add(uid);
              await this.#box.deletePolicy(namespace, name);
            } else {
              const { metadata } = await this.#box.patchPolicy(namespace, name, patch);
              this.#byHand.add(metadata.resourceVersion ?? '');
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
