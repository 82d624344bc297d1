/** Suggests what to add so that denied flows are allowed: connections of profiles, policies, and labels that these need. Pure. */
import type { DirectionExplanation, Explanation } from '../../../analysis/explain.ts';
import { unionPorts, type PortRange } from '../../../analysis/model/ports.ts';
import { type NewLabel, newLabel, podSelectorKeys } from '../../../analysis/remedy/new-label.ts';
import { type Obstacle, type Remedy, remedyFor } from '../../../analysis/remedy/remedy.ts';
import { RemedyCluster } from '../../../analysis/remedy/remedy-cluster.ts';
import type { NetworkPolicy, PolicyType } from '../../../api/network-policy.ts';
import type { SegmentationProfile } from '../../../api/profile.ts';
import { asksForTunnels } from '../../../policy/mesh.ts';
import { type FlowEnd, labelOf } from '../../snapshot/flow-ends.ts';
import { type WorkloadPod, workloadKey } from '../../../snapshot/pods.ts';
import type { Snapshot } from '../../../snapshot/snapshot.ts';
import type { Answer } from './questions.ts';

export interface Suggestion {
  readonly remedy: Remedy;
  readonly from: FlowEnd;
  readonly to: FlowEnd;
  readonly labels: readonly WorkloadLabel[];
}

/** A label to add to the pods of a workload. */
export interface WorkloadLabel extends NewLabel {
  /** As in `shop/deploy/cart`. */
  readonly workload: string;
}

/** Why nothing is suggested. */
type SuggestionReason =
  | Obstacle
  /** A connection of the profile would have a rule with ports for flows that a tunnel carries. */
  | {
      readonly kind: 'tunnel';
      readonly port: number;
      readonly profile: string;
      /** True if the profile asks for policies of the mesh, which tell the ports behind the tunnel apart. */
      readonly asksForTunnels: boolean;
    }
  /** A rule of the profile means the flow already, and the tunnel does not carry it. */
  | { readonly kind: 'uncarried'; readonly profile: string; readonly rule: string };

/** An end for which nothing can be suggested. */
export interface SuggestionObstacle {
  readonly obstacle: SuggestionReason;
  readonly direction: PolicyType;
  /** The end that denies. */
  readonly own: FlowEnd;
  readonly other: FlowEnd;
}

export interface Suggestions {
  readonly suggestions: readonly Suggestion[];
  readonly obstacles: readonly SuggestionObstacle[];
}

/**
 * A suggestion, or an obstacle, for each end that denies, over all ports of a pair of workloads. One connection stands for
 * both ends if a profile isolates both.
 */
export function suggest(
  answers: readonly Answer[],
  snapshot: Snapshot,
  policies: readonly NetworkPolicy[],
): Suggestions {
  const session = new SuggestionSession(snapshot, policies);
  const denied = answers.filter(({ explanation }) => explanation.verdict === 'denied');
  const pairs = Map.groupBy(denied, ({ from, to }) => `${keyOf(from)} ${keyOf(to)}`);
  for (const group of pairs.values()) session.add(group);
  return session;
}

/** The workload of an end, or its address. Pods of one workload that policies treat differently have one key. */
function keyOf({ pods: [pod], label }: FlowEnd): string {
  return pod === undefined ? label : workloadKey(pod.workload);
}

/** Collects suggestions, each of which builds on those before it. */
class SuggestionSession implements Suggestions {
  readonly suggestions: Suggestion[] = [];
  readonly obstacles: SuggestionObstacle[] = [];
  readonly #snapshot: Snapshot;
  readonly #cluster: RemedyCluster;
  readonly #workloads: ReadonlyMap<string, readonly WorkloadPod[]>;
  readonly #selectedKeys: ReadonlySet<string>;
  readonly #labels = new Map<string, NewLabel>();
  /** Names of profiles, each with a namespace that it selects. */
  readonly #selected: ReadonlySet<string>;
  /** Profiles with the connections that were suggested for them. */
  readonly #changed = new Map<string, SegmentationProfile>();
  /** Names of policies by namespace, those of suggested ones too. */
  readonly #policyNames: Map<string, string[]>;

  constructor(snapshot: Snapshot, policies: readonly NetworkPolicy[]) {
    this.#snapshot = snapshot;
    this.#cluster = new RemedyCluster(snapshot.pods, policies);
    this.#workloads = Map.groupBy(snapshot.pods, ({ workload }) => workloadKey(workload));
    const intents = snapshot.intents();
    this.#selected = new Set(
      intents.map(({ profile, namespace }) => `${profile.metadata.name} ${namespace.name}`),
    );
    this.#policyNames = new Map();
    for (const policy of [...snapshot.policies, ...policies]) this.#takeName(policy);
    const compiled = intents.flatMap((intent) => intent.policies);
    const ofServices = snapshot.services.flatMap(({ selector = {} }) => Object.keys(selector));
    this.#selectedKeys = podSelectorKeys([...policies, ...compiled]).union(new Set(ofServices));
  }

  /** Adds what the ends of a pair need. @param group denied answers of the pair */
  add(group: readonly Answer[]): void {
    const connected = this.#profileOfBoth(group);
    this.#addUncarried(group);
    for (const direction of ['Egress', 'Ingress'] as const) {
      const own = this.#deniedAt(group, direction);
      if (own.length === 0) continue;
      const isConnected = this.#addEnd(direction, connected === undefined ? own : group, connected);
      if (isConnected && connected !== undefined) return;
    }
  }

  /** Adds what one end needs. @returns true if it is a connection */
  #addEnd(
    direction: PolicyType,
    group: readonly Answer[],
    connected: SegmentationProfile | undefined,
  ): boolean {
    const [first] = group;
    if (first === undefined) return false;
    const { from, to } = first;
    const [own, other] = direction === 'Egress' ? [from, to] : [to, from];
    const [subjects, peers] = [this.#podsOfWorkload(own), this.#podsOfWorkload(other)];
    const profile = connected ?? this.#profilesOf(group, direction)[0];
    const tunnel = profile && this.#tunnelBefore(profile, direction, first);
    if (tunnel !== undefined) {
      this.obstacles.push({ obstacle: tunnel, direction, own, other });
      return false;
    }
    const result = remedyFor({
      direction,
      subjects,
      peer: peers.length > 0 ? { pods: peers } : { addresses: addressesOf(other) },
      // The operator writes a profile's rules for the tunnel.
      ports: unionPorts([group.map(profile === undefined ? arrivalRange : ({ port }) => rangeOf(port))]),
      names: {
        connection: `${from.name}-to-${to.name}`,
        policy: direction === 'Egress' ? `${from.name}-to-${to.name}` : `${to.name}-from-${from.name}`,
      },
      profile,
      cluster: this.#cluster,
      takenNames: this.#policyNames.get(own.namespace ?? '') ?? [],
      newLabels: { subject: this.#newLabel(own), peer: this.#newLabel(other) },
    });
    if (result.kind === 'obstacle') {
      this.obstacles.push({ obstacle: result.obstacle, direction, own, other });
      return false;
    }
    const { remedy } = result;
    if (remedy.kind === 'connection') this.#changed.set(remedy.profile, remedy.changed);
    else this.#takeName(remedy.policy);
    this.suggestions.push({ remedy, from, to, labels: workloadLabels(remedy, own, other) });
    return remedy.kind === 'connection';
  }

  /** The tunnel that carries the flow, if a connection of the profile would not open it, or would have an egress rule with ports. */
  #tunnelBefore(
    profile: SegmentationProfile,
    direction: PolicyType,
    { from, explanation: { tunnelPort: port } }: Answer,
  ): SuggestionReason | undefined {
    if (port === undefined) return undefined;
    const hasEgress = profile.spec.isolation.includes('Egress') && this.#selects(profile, from.namespace);
    const isAsking = asksForTunnels(profile.spec);
    if (direction === 'Ingress' && isAsking && !hasEgress) return undefined;
    return { kind: 'tunnel', port, profile: profile.metadata.name, asksForTunnels: isAsking };
  }

  /** All pods of an end's workload, also if one of its pods was named: rules are for workloads. */
  #podsOfWorkload({ pods }: FlowEnd): readonly WorkloadPod[] {
    const workloads = new Set(pods.map(({ workload }) => workloadKey(workload)));
    return [...workloads].flatMap((key) => this.#workloads.get(key) ?? []);
  }

  /** A profile that isolates both ends, if both deny. */
  #profileOfBoth(group: readonly Answer[]): SegmentationProfile | undefined {
    const [egress, ingress] = (['Egress', 'Ingress'] as const).map((direction) =>
      this.#profilesOf(this.#deniedAt(group, direction), direction),
    );
    return egress?.find((profile) => ingress?.includes(profile));
  }

  /** The profiles that isolate the denying end and select its namespace, with the connections that were suggested before. */
  #profilesOf(denied: readonly Answer[], direction: PolicyType): SegmentationProfile[] {
    const names = denied.flatMap(({ explanation }) =>
      sideOf(explanation, direction).isolatedBy.flatMap(({ profile }) => profile ?? []),
    );
    const end = direction === 'Egress' ? denied[0]?.from : denied[0]?.to;
    return this.#snapshot.profiles
      .filter(
        (profile) =>
          names.includes(profile.metadata.name) &&
          profile.spec.isolation.includes(direction) &&
          this.#selects(profile, end?.namespace),
      )
      .map((profile) => this.#changed.get(profile.metadata.name) ?? profile);
  }

  #addUncarried(group: readonly Answer[]): void {
    const meant = group.find((answer) => this.#uncarriedBy(answer) !== undefined);
    const obstacle = meant && this.#uncarriedBy(meant);
    if (meant === undefined || obstacle === undefined) return;
    this.obstacles.push({ obstacle, direction: 'Ingress', own: meant.to, other: meant.from });
  }

  /** The rule that means a denied flow, of a profile that asks for tunnels; undefined if there is none. */
  #uncarriedBy({ explanation: { ingress } }: Answer): SuggestionReason | undefined {
    if (ingress.allowed || ingress.layer?.verdict === 'unknown') return undefined;
    const asking = this.#snapshot.profiles.filter(({ spec }) => asksForTunnels(spec));
    const names = new Set(asking.map(({ metadata }) => metadata.name));
    const { profile, rule } = ingress.meantBy.find((each) => names.has(each.profile ?? '')) ?? {};
    return profile === undefined || rule === undefined ? undefined : { kind: 'uncarried', profile, rule };
  }

  /**
   * The answers that another rule could change at the end of this direction: NetworkPolicies deny them, or AuthorizationPolicies,
   * which add up, limit a tunnel that a profile asks for. A rule that means the flow already, and that the mesh does not carry, is
   * no reason for another one.
   */
  #deniedAt(group: readonly Answer[], direction: PolicyType): readonly Answer[] {
    return group.filter((answer) => {
      const { allowed, layer } = sideOf(answer.explanation, direction);
      if (allowed || (direction === 'Ingress' && this.#uncarriedBy(answer) !== undefined)) return false;
      if (layer === undefined) return true;
      const { tunnelPort } = answer.explanation;
      const isLimit = layer.by?.object.kind === 'AuthorizationPolicy' && layer.by.field === '';
      const profiles = this.#profilesOf([answer], direction);
      return isLimit && tunnelPort !== undefined && profiles.some(({ spec }) => asksForTunnels(spec));
    });
  }

  #selects({ metadata }: SegmentationProfile, namespace: string | undefined): boolean {
    return this.#selected.has(`${metadata.name} ${namespace}`);
  }

  #takeName({ metadata: { namespace = 'default', name } }: NetworkPolicy): void {
    const names = this.#policyNames.get(namespace);
    if (names === undefined) this.#policyNames.set(namespace, [name]);
    else names.push(name);
  }

  #newLabel({ name, pods }: FlowEnd): NewLabel {
    const kind = pods[0]?.workload.kind ?? '';
    const key = `${kind}/${name}`;
    let label = this.#labels.get(key);
    if (label === undefined) {
      label = newLabel({ name, kind, pods: this.#snapshot.pods, selectedKeys: this.#selectedKeys });
      this.#labels.set(key, label);
    }
    return label;
  }
}

function sideOf({ egress, ingress }: Explanation, direction: PolicyType): DirectionExplanation {
  return direction === 'Egress' ? egress : ingress;
}

function rangeOf({ protocol, port, to = port }: Answer['port']): PortRange {
  return { protocol, from: port, to };
}

/** The ports on which flows arrive: that of the tunnel which carries them, or their own. */
function arrivalRange({ port, explanation: { tunnelPort } }: Answer): PortRange {
  return tunnelPort === undefined
    ? rangeOf(port)
    : { protocol: port.protocol, from: tunnelPort, to: tunnelPort };
}

function addressesOf({ endpoint, addresses }: FlowEnd): readonly string[] {
  return addresses ?? (endpoint.kind === 'external' ? [endpoint.ip] : []);
}

/** The labels that a remedy needs, once for each workload. */
function workloadLabels({ labels }: Remedy, own: FlowEnd, other: FlowEnd): WorkloadLabel[] {
  const found = labels.flatMap(({ end, key, value }): WorkloadLabel[] => {
    const [pod] = end === 'subject' ? own.pods : other.pods;
    return pod === undefined ? [] : [{ workload: labelOf(pod), key, value }];
  });
  return [...new Map(found.map((each) => [`${each.workload} ${each.key}`, each])).values()];
}
