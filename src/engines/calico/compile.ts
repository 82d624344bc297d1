/** From an extension to the rules of Calico's NetworkPolicy. Pure. */
import type { NetworkPolicyPort } from '../../api/network-policy.ts';
import type { ExtensionPeer, ExtensionPolicy, ExtensionRule } from '../../policy/extensions.ts';
import type { CompiledExtension } from '../extensions/engine.ts';
import type {
  CalicoAccounts,
  CalicoEgressRule,
  CalicoIngressRule,
  CalicoPort,
  CalicoPorts,
  CalicoProtocol,
  CalicoSpec,
} from './policy.ts';
import { calicoSelector } from './selector.ts';

export const API_VERSION = 'projectcalico.org/v3';
export const KIND = 'NetworkPolicy';

/** The label that Calico sets on every namespace to its own name. */
const NAMESPACE_NAME = 'projectcalico.org/name';

/** The most ports of a rule. */
const MAX_PORTS = 50;

type Account = Extract<ExtensionPeer, { kind: 'serviceAccount' }>;

export function compileExtension({ podSelector, direction, rules }: ExtensionPolicy): CompiledExtension {
  const spec: CalicoSpec = {
    tier: 'default',
    order: 1000,
    selector: calicoSelector(podSelector),
    types: [direction],
  };
  const compiled = rules.flatMap(({ peer, ports, note }) => {
    if (peer.kind !== 'serviceAccount') return [];
    const made: readonly object[] =
      direction === 'Ingress' ? ingressRules(peer, ports) : egressRules(peer, ports);
    return made.map((rule) => ({ rule, note }));
  });
  return { frame: { apiVersion: API_VERSION, kind: KIND, spec, direction }, rules: compiled };
}

function ingressRules(account: Account, ports: ExtensionRule['ports']): CalicoIngressRule[] {
  const source = accountsOf(account);
  const groups = portGroups(ports);
  if (groups === 'all') return [{ action: 'Allow', source }];
  return groups.map(({ protocol, ...destination }) => ({
    action: 'Allow',
    protocol,
    source,
    ...(destination.ports !== undefined && { destination: { ports: destination.ports } }),
  }));
}

function egressRules(account: Account, ports: ExtensionRule['ports']): CalicoEgressRule[] {
  const destination = accountsOf(account);
  const groups = portGroups(ports);
  if (groups === 'all') return [{ action: 'Allow', destination }];
  return groups.map(({ protocol, ...of }) => ({
    action: 'Allow',
    protocol,
    destination: { ...destination, ...of },
  }));
}

function accountsOf({ namespace, name, namespaceLabels = {} }: Account): CalicoAccounts {
  const namespaceSelector = calicoSelector({
    matchLabels: { ...namespaceLabels, [NAMESPACE_NAME]: namespace },
  });
  return { serviceAccounts: { names: [name] }, namespaceSelector };
}

interface PortGroup extends Partial<CalicoPorts> {
  readonly protocol: CalicoProtocol;
}

/** A rule has one protocol; without `ports`, all of that protocol. */
function portGroups(ports: readonly NetworkPolicyPort[] = []): readonly PortGroup[] | 'all' {
  if (ports.length === 0) return 'all';
  const groups: PortGroup[] = [];
  for (const [protocol, all] of Map.groupBy(ports, (each) => each.protocol ?? 'TCP')) {
    const listed = all.flatMap((each) => portOf(each) ?? []);
    if (listed.length < all.length) groups.push({ protocol });
    for (let start = 0; start < listed.length && listed.length === all.length; start += MAX_PORTS) {
      const [first, ...more] = listed.slice(start, start + MAX_PORTS);
      if (first !== undefined) groups.push({ protocol, ports: [first, ...more] });
    }
  }
  return groups;
}

/** Undefined for every port. */
function portOf({ port, endPort }: NetworkPolicyPort): CalicoPort | undefined {
  return endPort === undefined || endPort === port ? port : `${port}:${endPort}`;
}
