/**
 * Maps observed flows to the workloads of a cluster: by the names that the log has, else by labels, else by addresses,
 * which count only from the pod's start on. An end that fits no workload, or several, is unmapped and never guessed.
 * Addresses of Services lead to the pods behind them, as policies see those. Pure, but for caches of its own.
 */
import type { Protocol } from '../api/network-policy.ts';
import { isStable } from '../analysis/remedy/stable-labels.ts';
import {
  type Cidr,
  containsAddress,
  formatAddress,
  parseAddress,
  parseCidr,
} from '../policy/semantics/cidr.ts';
import { matches } from '../policy/semantics/selector.ts';
import type { ObservedEnd, ObservedFlow } from './flow.ts';
import type { FlowWorkload, Inventory, InventoryPod, InventoryService } from './inventory.ts';
import { isPodNameOf } from './pod-names.ts';

/** An end of a mapped flow. */
export type MappedEnd =
  | { readonly kind: 'workload'; readonly workload: FlowWorkload; readonly pods: readonly InventoryPod[] }
  | { readonly kind: 'node'; readonly name: string; readonly ip: string }
  | { readonly kind: 'address'; readonly ip: string };

/** Why an end is no workload, node or address. */
export type UnmappedReason =
  /** The log names a pod or workload that the cluster has no more. */
  | 'gone'
  /** The address is one of the cluster's, and nothing has it now, or the pod that has it started later. */
  | 'stale-address'
  /** Names or labels fit several workloads. */
  | 'ambiguous'
  /** The Service leads to no or several workloads, or has no such port. */
  | 'service'
  /** The record has no name and no address of this end. */
  | 'unnamed'
  /** The record sums up nodes, or addresses outside, and names none of them. */
  | 'summed-up'
  /** The record does not say which end opened the connection, and ports do not tell. */
  | 'direction';

export type Mapping =
  | {
      readonly kind: 'mapped';
      readonly from: MappedEnd;
      readonly to: MappedEnd;
      /** The pods' port, not the Service's. */
      readonly port: number;
    }
  | { readonly kind: 'reply' }
  /** From a node to a pod that runs there, such as a probe of the kubelet. Policies never limit it. */
  | { readonly kind: 'local-node' }
  | { readonly kind: 'unmapped'; readonly reason: UnmappedReason; readonly end: string };

type EndMapping =
  /** `pod`: the pod that the log names, if it still exists. */
  | { readonly kind: 'end'; readonly end: MappedEnd; readonly pod?: InventoryPod }
  | { readonly kind: 'service'; readonly service: InventoryService }
  | { readonly kind: 'unmapped'; readonly reason: UnmappedReason; readonly end: string };

/** Names and addresses that are remembered, with what they are mapped to. */
const MAX_CACHED = 50_000;
/** Ports below are those of well-known services, and no client chooses them (RFC 6335). */
const FIRST_FREE_PORT = 1024;
/** The first port from which Linux chooses those of clients (net.ipv4.ip_local_port_range). */
const FIRST_CLIENT_PORT = 32_768;

export class FlowMapper {
  readonly #pods = new Map<string, InventoryPod>();
  readonly #workloads = new Map<string, MappedWorkload>();
  readonly #byNamespace: ReadonlyMap<string, readonly MappedWorkload[]>;
  readonly #byAddress = new Map<string, AddressOwner>();
  readonly #services: ReadonlyMap<string, InventoryService>;
  readonly #nodes: ReadonlyMap<string, string>;
  readonly #ranges: readonly Cidr[];
  readonly #named = new Map<string, EndMapping | undefined>();
  readonly #canonical = new Map<string, string | undefined>();

  constructor({ pods, services, nodes, clusterRanges }: Inventory) {
    const groups = Map.groupBy(pods, ({ workload }) => keyOf(workload));
    for (const [key, own] of groups) {
      const [first] = own;
      if (first !== undefined)
        this.#workloads.set(key, { kind: 'workload', workload: first.workload, pods: own });
    }
    this.#byNamespace = Map.groupBy(this.#workloads.values(), ({ workload }) => workload.namespace);
    this.#services = new Map(services.map((each) => [`${each.namespace}/${each.name}`, each]));
    this.#nodes = new Map(nodes.map(({ name, addresses }) => [name, addresses[0] ?? '']));
    this.#ranges = clusterRanges.flatMap((range) => parseCidr(range) ?? []);
    for (const service of services) {
      for (const ip of [...service.clusterIPs, ...service.external.map((each) => each.ip)])
        this.#addAddress(ip, { kind: 'service', service });
    }
    for (const { name, addresses } of nodes)
      for (const ip of addresses) this.#addAddress(ip, { kind: 'node', name });
    for (const pod of pods) {
      if (!pod.template) this.#pods.set(`${pod.namespace}/${pod.name}`, pod);
      // Pods on the host network share the address of their node.
      if (pod.hostNetwork !== true) for (const ip of pod.ips) this.#addAddress(ip, { kind: 'pod', pod });
    }
  }

  map(flow: ObservedFlow): Mapping {
    const { reply, protocol, time } = flow;
    if (reply === 'yes') return { kind: 'reply' };
    const from = this.#end(flow.source, time);
    if (from.kind === 'unmapped') return from;
    const to = this.#end(flow.destination, time);
    if (to.kind === 'unmapped') return to;
    if (reply === 'unknown') {
      const direction = directionOf(flow, from, to);
      if (direction === 'reply') return { kind: 'reply' };
      if (direction === 'unknown')
        return { kind: 'unmapped', reason: 'direction', end: textOfEnd(flow.source) };
    }
    // A Service is never a source: its address is a reply's.
    if (from.kind === 'service') return { kind: 'reply' };
    if (isFromOwnNode(flow, from.end, to)) return { kind: 'local-node' };
    const source = this.#asSeen(from.end, to, flow);
    if (to.kind === 'end') return { kind: 'mapped', from: source, to: to.end, port: flow.port };
    const behind = this.#behind(to.service, flow.port, protocol);
    return behind === undefined
      ? { kind: 'unmapped', reason: 'service', end: `Service ${to.service.namespace}/${to.service.name}` }
      : { kind: 'mapped', from: source, ...behind };
  }

  /** The source as the destination's policies see it, if its address was translated on the way to a pod. */
  #asSeen(source: MappedEnd, to: EndMapping, { translatedSource, time }: ObservedFlow): MappedEnd {
    if (translatedSource === undefined || source.kind !== 'address') return source;
    const isToPod = to.kind === 'service' || (to.kind === 'end' && to.end.kind === 'workload');
    if (!isToPod) return source;
    const translated = this.#end({ ip: translatedSource }, time);
    return translated.kind === 'end' ? translated.end : source;
  }

  #end(end: ObservedEnd, time: number | undefined): EndMapping {
    const named = this.#byName(end);
    // Reserved identities say more than addresses: the address of a node may be that of a pod's network interface too.
    if (named?.kind === 'end') return named;
    if (named === undefined && end.place === 'node' && end.node !== undefined)
      return {
        kind: 'end',
        end: { kind: 'node', name: end.node, ip: this.#nodes.get(end.node) || (end.ip ?? '') },
      };
    if (end.ip === undefined)
      return (
        named ?? this.#byService(end) ?? unmapped(end.summary === undefined ? 'unnamed' : 'summed-up', end)
      );
    // A log that names a pod which is gone says more than the address, which another pod may have now.
    return named ?? this.#byIP(end, end.ip, time);
  }

  #byName(end: ObservedEnd): EndMapping | undefined {
    const { namespace = '', pod = '', workload } = end;
    if (namespace === '' || (pod === '' && workload === undefined && end.labels === undefined))
      return undefined;
    if (pod === '' && workload === undefined) return this.#byLabels(end, namespace);
    const key = `${namespace}/${pod}/${workload?.kind ?? ''}/${workload?.name ?? ''}`;
    const cached = this.#named.get(key);
    if (cached !== undefined) return cached;
    const mapping = this.#findNamed(end, namespace);
    if (this.#named.size >= MAX_CACHED) this.#named.clear();
    this.#named.set(key, mapping);
    return mapping;
  }

  #findNamed(end: ObservedEnd, namespace: string): EndMapping {
    const { pod, workload } = end;
    const existing = pod === undefined ? undefined : this.#pods.get(`${namespace}/${pod}`);
    const exact = existing && this.#workloads.get(keyOf(existing.workload));
    if (existing !== undefined && exact !== undefined) return { kind: 'end', end: exact, pod: existing };
    const all = this.#byNamespace.get(namespace) ?? [];
    const isNamed = (each: MappedWorkload) =>
      each.workload.name === workload?.name &&
      (workload.kind === undefined || each.workload.kind.toLowerCase() === workload.kind.toLowerCase());
    const byWorkload = all.filter(isNamed);
    const found =
      byWorkload.length > 0 || pod === undefined
        ? byWorkload
        : all.filter((each) => isPodNameOf(each.workload, pod));
    const [only, ...others] = found;
    if (only !== undefined && others.length === 0) return { kind: 'end', end: only };
    const byLabels = end.labels === undefined ? undefined : this.#byLabels(end, namespace);
    if (byLabels?.kind === 'end') return byLabels;
    return unmapped(only === undefined ? 'gone' : 'ambiguous', end);
  }

  /** The workload of the namespace whose stable labels the end has; the most telling one if it has those of several. */
  #byLabels(end: ObservedEnd, namespace: string): EndMapping | undefined {
    const labels = end.labels?.() ?? {};
    const found = (this.#byNamespace.get(namespace) ?? [])
      .map((each) => ({ each, own: stableLabels(each.pods[0]) }))
      .filter(({ own }) => own.length > 0 && own.every(([key, value]) => labels[key] === value))
      .toSorted((a, b) => b.own.length - a.own.length);
    const [best, next] = found;
    if (best === undefined) return undefined;
    if (next !== undefined && next.own.length === best.own.length) return unmapped('ambiguous', end);
    return { kind: 'end', end: best.each };
  }

  #byIP(end: ObservedEnd, text: string, time: number | undefined): EndMapping {
    const ip = this.#canonicalOf(text);
    if (ip === undefined) return unmapped('unnamed', end);
    const owner = this.#byAddress.get(ip);
    if (owner === undefined) {
      const byService = this.#byService(end);
      if (byService !== undefined) return byService;
      if (end.place === 'node') return { kind: 'end', end: { kind: 'node', name: ip, ip } };
      if (end.place !== 'outside' && this.#isOfCluster(ip)) return unmapped('stale-address', end);
      return { kind: 'end', end: { kind: 'address', ip } };
    }
    switch (owner.kind) {
      case 'service':
        return owner;
      case 'node':
        return { kind: 'end', end: { kind: 'node', name: owner.name, ip } };
      case 'pod': {
        const { startedAt } = owner.pod;
        if (time !== undefined && startedAt !== undefined && time < startedAt)
          return unmapped('stale-address', end);
        const workload = this.#workloads.get(keyOf(owner.pod.workload));
        return workload === undefined
          ? unmapped('gone', end)
          : { kind: 'end', end: workload, pod: owner.pod };
      }
    }
  }

  #byService({ service }: ObservedEnd): EndMapping | undefined {
    const found = service && this.#services.get(`${service.namespace}/${service.name}`);
    return found === undefined ? undefined : { kind: 'service', service: found };
  }

  /** The workload behind a Service, and its own port; undefined if there is not exactly one. */
  #behind(
    service: InventoryService,
    servicePort: number,
    protocol: Protocol,
  ): { to: MappedEnd; port: number } | undefined {
    const { namespace, selector = {}, ports } = service;
    if (Object.keys(selector).length === 0) {
      const address = endpointOf(service, servicePort, protocol);
      const mapping = address && this.#end({ ip: address.ip }, undefined);
      return mapping?.kind === 'end' ? { to: mapping.end, port: address?.port ?? servicePort } : undefined;
    }
    const found = (this.#byNamespace.get(namespace) ?? []).filter(({ pods }) =>
      pods.some((pod) => matches({ matchLabels: selector }, pod.labels)),
    );
    const [to, ...others] = found;
    const entry = ports.find((each) => each.port === servicePort && (each.protocol ?? 'TCP') === protocol);
    if (to === undefined || others.length > 0 || entry === undefined) return undefined;
    const { targetPort = servicePort } = entry;
    const port =
      typeof targetPort === 'number'
        ? targetPort
        : to.pods
            .flatMap(({ ports = [] }) => ports)
            .find((each) => each.name === targetPort && (each.protocol ?? 'TCP') === protocol)?.containerPort;
    return port === undefined ? undefined : { to, port };
  }

  #addAddress(text: string, owner: AddressOwner): void {
    const ip = this.#canonicalOf(text);
    if (ip !== undefined) this.#byAddress.set(ip, owner);
  }

  /** The one spelling of an address; undefined if the text is none. */
  #canonicalOf(text: string): string | undefined {
    if (this.#canonical.has(text)) return this.#canonical.get(text);
    const parsed = parseAddress(text);
    const canonical = parsed && formatAddress(parsed);
    if (this.#canonical.size >= MAX_CACHED) this.#canonical.clear();
    this.#canonical.set(text, canonical);
    return canonical;
  }

  #isOfCluster(ip: string): boolean {
    const address = parseAddress(ip);
    return address !== undefined && this.#ranges.some((range) => containsAddress(range, address));
  }
}

/** The first address behind a Service without selector, and its port; undefined if ports don't tell which it is. */
function endpointOf(
  { ports, endpoints }: InventoryService,
  servicePort: number,
  protocol: Protocol,
): { ip: string; port: number } | undefined {
  const isAsked = (each: { readonly protocol?: Protocol }) => (each.protocol ?? 'TCP') === protocol;
  const entry = ports.find((each) => each.port === servicePort && isAsked(each));
  const [slice] = endpoints.filter(({ addresses }) => addresses.length > 0);
  const ip = slice?.addresses[0];
  const open = (slice?.ports ?? []).filter(isAsked);
  const [only] = open.length === 1 ? open : open.filter(({ port }) => port === entry?.targetPort);
  if (entry === undefined || ip === undefined || only?.port === undefined) return undefined;
  return { ip, port: only.port };
}

type MappedWorkload = Extract<MappedEnd, { kind: 'workload' }>;
type AddressOwner =
  | { readonly kind: 'pod'; readonly pod: InventoryPod }
  | { readonly kind: 'node'; readonly name: string }
  | { readonly kind: 'service'; readonly service: InventoryService };

function keyOf({ kind, namespace, name }: FlowWorkload): string {
  return `${namespace}/${kind}/${name}`;
}

function unmapped(reason: UnmappedReason, end: ObservedEnd): EndMapping {
  return { kind: 'unmapped', reason, end: textOfEnd(end) };
}

/** The end as the log has it, for messages. */
function textOfEnd({ namespace, pod, workload, ip, summary, service }: ObservedEnd): string {
  const name = pod ?? workload?.name;
  if (name !== undefined) return namespace === undefined ? name : `${namespace}/${name}`;
  if (ip !== undefined) return ip;
  if (summary !== undefined) return summary;
  if (service !== undefined) return `Service ${service.namespace}/${service.name}`;
  return namespace === undefined ? 'an end without name and address' : `a pod of ${namespace}`;
}

function isFromOwnNode({ source, observedAt }: ObservedFlow, from: MappedEnd, to: EndMapping): boolean {
  if (from.kind !== 'node') return false;
  // The log names the node only if it recorded the flow itself: at the destination, that is the pod's own.
  if (source.node !== undefined && observedAt === 'destination') return true;
  return to.kind === 'end' && to.pod?.node === from.name;
}

function stableLabels(pod: InventoryPod | undefined): [key: string, value: string][] {
  return Object.entries(pod?.labels ?? {}).filter(([key, value]) => isStable(key, value));
}

/** Tells a flow from its answer by the ports: that of a server is declared, or below those that clients choose. */
function directionOf(
  { sourcePort, port }: ObservedFlow,
  from: EndMapping,
  to: EndMapping,
): 'flow' | 'reply' | 'unknown' {
  if (from.kind === 'service') return 'reply';
  if (to.kind === 'service') return 'flow';
  const [isServer, isClient] = [isServed(sourcePort, from), isServed(port, to)];
  if (isServer !== isClient) return isClient ? 'flow' : 'reply';
  if (sourcePort === undefined) return 'flow';
  for (const first of [FIRST_FREE_PORT, FIRST_CLIENT_PORT]) {
    const [isHighSource, isHighPort] = [sourcePort >= first, port >= first];
    if (isHighSource !== isHighPort) return isHighSource ? 'flow' : 'reply';
  }
  return 'unknown';
}

function isServed(port: number | undefined, mapping: EndMapping): boolean {
  if (port === undefined || mapping.kind !== 'end' || mapping.end.kind !== 'workload') return false;
  return mapping.end.pods.some(({ ports = [] }) => ports.some(({ containerPort }) => containerPort === port));
}
