/**
 * A namespace of a mesh without sidecars, as far as its policies go: the writes of the operator in their order, an istiod that
 * accepts AuthorizationPolicies when it is told to, and what passes through the tunnel.
 */
import { compileView, type Evaluator } from '../../../../src/analysis/evaluator.ts';
import type { Namespace, Pod } from '../../../../src/analysis/cluster.ts';
import type { KubeObject, StringMap } from '../../../../src/api/meta.ts';
import { LABEL_SERVICE_ACCOUNT } from '../../../../src/api/names.ts';
import type { NetworkPolicy } from '../../../../src/api/network-policy.ts';
import type { SegmentationException } from '../../../../src/api/exception.ts';
import type { IngressRule, SegmentationProfile } from '../../../../src/api/profile.ts';
import { compileException } from '../../../../src/policy/exceptions/compile.ts';
import {
  planTunnels,
  type TunnelPlan,
  type TunnelProfile,
} from '../../../../src/engines/istio/ambient/plan.ts';
import { isTunnelDeny } from '../../../../src/engines/istio/ambient/objects.ts';
import { withoutKnownMesh } from '../../../../src/engines/istio/ambient/unknown.ts';
import { detectIstio } from '../../../../src/engines/istio/detect.ts';
import { planOverlay } from '../../../../src/engines/istio/overlay.ts';
import type { ObjectStep } from '../../../../src/engines/object-step.ts';
import { type Compiled, compile } from '../../../../src/policy/compile.ts';
import { asksForTunnels } from '../../../../src/policy/mesh.ts';
import { plan } from '../../../../src/policy/planning/plan.ts';
import { isTunnel, keptTunnels, type MeshTunnels, NO_TUNNELS } from '../../../../src/policy/tunnels.ts';
import { isolatesAll } from '../../../../src/policy/planning/effect.ts';
import { isTransitionalCover } from '../../../../src/policy/planning/transition.ts';
import { facts, ownerByLabels, profile } from '../../../policy/fixture.ts';
import { evidenceOf } from '../fixture.ts';
import { meshAllows } from '../model.ts';

export const TUNNEL_PORT = 15_008;
export const TRUST_DOMAIN = 'shop.example';
const AMBIENT = { 'istio.io/dataplane-mode': 'ambient' };
const named = (name: string, labels: StringMap = {}): Namespace => ({
  name,
  labels: { 'kubernetes.io/metadata.name': name, ...labels },
});
export const SHOP = named('shop', { ...AMBIENT, 'istio-injection': 'disabled' });
export const NAMESPACES = [
  SHOP,
  named('front', { ...AMBIENT, team: 'a' }),
  named('back', { ...AMBIENT, team: 'a' }),
  named('ops', { team: 'b' }),
];
const { facts: MESH } = detectIstio(evidenceOf());
const CLUSTER = facts({ mesh: MESH });

/** The profile with this name, which asks for the tunnel. */
export function meshProfile(
  ingress: SegmentationProfile['spec']['ingress'] = [],
  name = 'segmented',
  spec: Partial<SegmentationProfile['spec']> = {},
): SegmentationProfile {
  const made = profile({
    isolation: ['Ingress'],
    baseline: { mesh: 'Allow' },
    mesh: { authorization: 'Enforce', mtls: 'Disabled' },
    ingress,
    ...spec,
  });
  return { ...made, metadata: { ...made.metadata, name, uid: `uid-${name}` } };
}

/** A profile with the exceptions that it grants now. */
export interface ExceptedProfile extends SegmentationProfile {
  readonly exceptions?: readonly SegmentationException[];
}

/** When exceptions end, in milliseconds since the epoch. */
export const END = Date.parse('2026-12-01T08:00:00Z');

export function exceptionOf(name: string, ingress: readonly IngressRule[]): SegmentationException {
  return {
    metadata: { name, namespace: SHOP.name, uid: `uid-${name}` },
    spec: { reason: 'restore', expires: '2026-12-01T08:00:00Z', requestedBy: 'jane', ingress },
  };
}

export interface Connection {
  readonly from: Pod;
  readonly to: Pod;
  readonly port: number;
}

export function textOf({ from, to, port }: Connection): string {
  return `${from.namespace}/${from.name} to ${to.name}:${port}`;
}

/** The texts of the connections for which `test` is true. */
export function textsOf(
  connections: readonly Connection[],
  test: (connection: Connection) => boolean,
): Set<string> {
  return new Set(connections.filter(test).map(textOf));
}

/** A pod with an account, and the label that the API server sets of it. */
export function podOf(namespace: string, name: string, account: string, labels: Record<string, string>): Pod {
  return { namespace, name, labels: { ...labels, [LABEL_SERVICE_ACCOUNT]: account }, ips: ['10.0.0.1'] };
}

const NO_PLAN: TunnelPlan = {
  profiles: NO_TUNNELS,
  isSettled: true,
  objects: [],
  emptied: () => undefined,
};

export class AmbientNamespace {
  policies: readonly NetworkPolicy[] = [];
  objects: readonly KubeObject[] = [];
  /** False while the operator can't read the mesh or its policies. */
  isKnown = true;
  /** The profiles whose policies and objects stay as they are. */
  held: ReadonlySet<string> = new Set();
  readonly #labels: StringMap;
  /** The states by which ztunnel may go, the latest one last. */
  #passedOn: (readonly KubeObject[])[] = [[]];
  /** The deletions since the last other write. */
  #deletions = 0;

  constructor(labels: StringMap = {}) {
    this.#labels = labels;
  }

  /** The NetworkPolicies of profiles that ask for no tunnel. */
  isolate(profiles: readonly SegmentationProfile[]): void {
    this.policies = compiledAll(profiles).flatMap(([, { policies }]) => policies);
  }

  /** istiod accepts all AuthorizationPolicies in their present form. */
  accept(): void {
    this.objects = this.objects.map((object) => ({
      ...object,
      status: {
        conditions: [
          {
            type: 'ZtunnelAccepted',
            status: 'True',
            observedGeneration: String(object.metadata.generation),
          },
        ],
      },
    }));
    // The status of the objects that are left says nothing of deletions.
    this.#passedOn = this.#passedOn.slice(-1 - this.#deletions);
  }

  plan(profiles: readonly SegmentationProfile[]): TunnelPlan {
    const compiled = compiledAll(profiles).map(([{ metadata, spec }, { policies, unresolved }]) => ({
      profile: metadata.name,
      isAsking: asksForTunnels(spec),
      policies,
      unresolved,
    }));
    if (!this.isKnown) return { ...NO_PLAN, profiles: this.#unknown(profiles, compiled) };
    if (!this.#isAsked(profiles)) return NO_PLAN;
    return planTunnels(
      {
        namespace: { ...SHOP, labels: { ...SHOP.labels, ...this.#labels } },
        profiles: compiled,
        held: [...this.held],
        leaving: this.#leaving(profiles),
        policies: this.policies,
        objects: this.objects,
        ambient: NAMESPACES.filter(({ labels }) => labels['istio.io/dataplane-mode'] === 'ambient'),
      },
      { port: TUNNEL_PORT, trustDomain: TRUST_DOMAIN, namespaces: NAMESPACES },
    );
  }

  #unknown(profiles: readonly ExceptedProfile[], compiled: readonly TunnelProfile[]): MeshTunnels {
    const asking = compiledAll(profiles).filter(([{ spec }]) => asksForTunnels(spec));
    const intents = asking.map(([made, own]) => ({ profile: made, compiled: own }));
    return withoutKnownMesh(keptTunnels(intents, this.policies, 'not read'), {
      profiles: compiled,
      leaving: this.#leaving(profiles),
      policies: this.policies,
      namespaces: NAMESPACES,
      port: TUNNEL_PORT,
    });
  }

  /** True if a profile asks for the tunnel, or an object of a held one restricts it. */
  #isAsked(profiles: readonly SegmentationProfile[]): boolean {
    return (
      profiles.some(({ spec }) => asksForTunnels(spec)) ||
      this.objects.some((each) => isTunnelDeny(each) && this.held.has(ownerByLabels(each) ?? ''))
    );
  }

  #leaving(profiles: readonly SegmentationProfile[]): string[] {
    const staying = new Set([...profiles.map(({ metadata }) => metadata.name), ...this.held]);
    const owners = new Set([...this.policies, ...this.objects].flatMap((each) => ownerByLabels(each) ?? []));
    return [...owners.difference(staying)];
  }

  /**
   * The writes of one reconcile, in order: each is carried out before it is yielded.
   *
   * @returns the number of writes
   */
  *reconcile(profiles: readonly SegmentationProfile[]): Generator<string, number, void> {
    let writes = 0;
    const carryOut = function* (this: AmbientNamespace, steps: readonly ObjectStep[]) {
      for (const step of steps) {
        writes += 1;
        yield this.#write(step);
      }
    }.bind(this);
    const isAsked = this.#isAsked(profiles);
    const first = this.plan(profiles);
    // Where nobody asks for a tunnel any more, it closes before what restricts it goes.
    if (isAsked || !this.objects.some((each) => isTunnel(each) || isTunnelDeny(each)))
      yield* carryOut(this.#overlay(first).widen);
    for (const step of plan(this.policies, this.#desired(profiles, first), {
      hasPods: true,
      ownerOf: ownerByLabels,
    }).steps) {
      const name = step.verb === 'delete' ? step.name : step.policy.metadata.name;
      const rest = this.policies.filter(({ metadata }) => metadata.name !== name);
      this.policies = step.verb === 'delete' ? rest : [...rest, step.policy];
      writes += 1;
      yield `${step.verb} NetworkPolicy ${name}`;
    }
    if (!isAsked && this.policies.some(isTunnel)) return writes;
    const last = this.#overlay(this.plan(profiles));
    yield* carryOut([...last.widen, ...last.narrow]);
    return writes;
  }

  /** Reconciles until nothing is written; istiod accepts after each round. @param check called after each write */
  settle(profiles: readonly SegmentationProfile[], check: (write: string) => void = () => {}): void {
    for (let round = 0; round < 8; round++) {
      const writing = this.reconcile(profiles);
      let next = writing.next();
      for (; next.done !== true; next = writing.next()) check(next.value);
      if (next.value === 0) return;
      this.accept();
    }
    throw new Error('the namespace does not converge');
  }

  get isIsolated(): boolean {
    return this.policies.some((each) => isolatesAll(each.spec, 'Ingress') && !isTransitionalCover(each));
  }

  /** True while a cover allows everything, as the isolation begins or ends. */
  get isCovered(): boolean {
    return this.policies.some(isTransitionalCover);
  }

  /** True if the tunnel's port is open to the source, and the mesh lets the connection through it. */
  passes({ from, to, port }: Connection): boolean {
    return allows(this.policies, { from, to, port: TUNNEL_PORT }) && this.#meshAllows(from, to, port);
  }

  /** True if the connection passes by a state of the AuthorizationPolicies by which ztunnel may go. */
  mayPass({ from, to, port }: Connection): boolean {
    return (
      allows(this.policies, { from, to, port: TUNNEL_PORT }) &&
      this.#passedOn.some((objects) => this.#meshAllows(from, to, port, objects))
    );
  }

  #meshAllows(from: Pod, to: Pod, port: number, objects = this.objects): boolean {
    const principal = `${TRUST_DOMAIN}/ns/${from.namespace}/sa/${from.labels[LABEL_SERVICE_ACCOUNT]}`;
    return meshAllows(objects, to.labels, { principal, ip: '10.0.0.1', port });
  }

  #overlay({ objects, emptied }: TunnelPlan) {
    if (!this.isKnown) return { widen: [], narrow: [] };
    const ownerOf = ({ metadata }: KubeObject) => metadata.labels?.['segmentation.dev/profile'];
    return planOverlay(
      this.objects,
      { policies: objects, kept: this.held },
      { ownerOf, meshWide: [], emptied },
    );
  }

  /** Without the direction, where a peer without last known form would be cut off. */
  #desired(profiles: readonly SegmentationProfile[], { profiles: tunnels }: TunnelPlan): NetworkPolicy[] {
    const isPostponed = [...tunnels.values()].some(({ unresolved }) =>
      unresolved.some(({ direction, hasLastKnown }) => direction === 'Ingress' && !hasLastKnown),
    );
    if (isPostponed && !this.isIsolated) return [];
    return [
      ...compiledAll(profiles).flatMap(([{ metadata }, { policies }]) => [
        ...policies,
        ...(tunnels.get(metadata.name)?.policies ?? []),
      ]),
      ...this.policies.filter((each) => this.held.has(ownerByLabels(each) ?? '')),
    ];
  }

  #write(step: ObjectStep): string {
    const { name } = (step.verb === 'delete' ? step.before : step.object).metadata;
    const before = this.objects.find(({ metadata }) => metadata.name === name);
    const rest = this.objects.filter((each) => each !== before);
    if (step.verb === 'delete') this.objects = rest;
    else {
      const { generation = 0 } = before?.metadata ?? {};
      const metadata = { ...step.object.metadata, generation: generation + 1 };
      // A write of the spec leaves the status as it is.
      this.objects = [...rest, { ...before, ...step.object, metadata }];
    }
    this.#passedOn.push(this.objects);
    this.#deletions = step.verb === 'delete' ? this.#deletions + 1 : 0;
    return `${step.verb} AuthorizationPolicy ${name}`;
  }
}

const meant = new WeakMap<readonly SegmentationProfile[], readonly NetworkPolicy[]>();

/** True if the profiles mean the connection: by its port, or by every port, as a rule for the tunnel's own port does. */
export function isMeant(profiles: readonly SegmentationProfile[], connection: Connection): boolean {
  const policies = meant.get(profiles) ?? compiledAll(profiles).flatMap(([, compiled]) => compiled.policies);
  meant.set(profiles, policies);
  return allows(policies, connection) || allows(policies, { ...connection, port: TUNNEL_PORT });
}

const evaluators = new WeakMap<readonly NetworkPolicy[], Evaluator>();

function allows(policies: readonly NetworkPolicy[], { from, to, port }: Connection): boolean {
  const evaluator = evaluators.get(policies) ?? compileView({ namespaces: NAMESPACES, policies });
  evaluators.set(policies, evaluator);
  const { ingress } = evaluator.verdict({
    from: { kind: 'pod', pod: from },
    to: { kind: 'pod', pod: to },
    port,
    protocol: 'TCP',
  });
  return ingress.reason === 'Rule' || ingress.reason === 'NotIsolated';
}

function compiledAll(profiles: readonly ExceptedProfile[]): (readonly [SegmentationProfile, Compiled])[] {
  return profiles.map((each) => {
    const compiled = compile(each, SHOP, CLUSTER);
    const excepted = (each.exceptions ?? []).flatMap(
      (exception) =>
        compileException(exception, { profile: each, end: END }, { namespace: SHOP, cluster: CLUSTER })
          .policies,
    );
    return [each, { ...compiled, policies: [...compiled.policies, ...excepted] }] as const;
  });
}
