/** FQDNNetworkPolicies as carriers of names. Pure. */
import type { KubeObject, LabelSelector } from '../../api/meta.ts';
import type { NetworkPolicyPort, NetworkPolicySpec } from '../../api/network-policy.ts';
import type { ExtensionPolicy, ExtensionRule } from '../../policy/extensions.ts';
import { withRules } from '../../policy/semantics/normalize.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import { isRecord } from '../../util/is-record.ts';
import type { CompiledExtension, ExtensionEngine, ExtensionFrame } from '../extensions/engine.ts';
import type { GKEMatch, GKEPort, GKERule, GKESpec } from './policy.ts';

const API_VERSION = 'networking.gke.io/v1alpha1';
const KIND = 'FQDNNetworkPolicy';
const [group = '', version = ''] = API_VERSION.split('/');

export const GKE_EXTENSIONS: ExtensionEngine = {
  engine: 'GKE',
  kind: { group, version, plural: 'fqdnnetworkpolicies', namespaced: true },
  component: 'config/engines/gke',
  since: 'GKE 1.27',
  // Neither wildcards of any depth nor ranges and names of ports.
  carries: new Set(['names']),
  compile: compileExtension,
  withRules: ({ apiVersion, kind, spec }, egress) => ({
    apiVersion,
    kind,
    metadata: { name: '' },
    spec: { ...spec, egress },
  }),
  read: (object) => readObject(object),
  asPolicy: (object) => policyOf(object),
  foreign: {
    part: (object) => ({ spec: { podSelector: podSelectorOf(object) } }),
    isolation: (object) => {
      const podSelector = podSelectorOf(object);
      return podSelector === undefined ? 'none' : { podSelector, policyTypes: ['Egress'] };
    },
  },
};

function podSelectorOf({ spec }: KubeObject & { spec?: unknown }): LabelSelector | undefined {
  return isRecord(spec) ? (spec as Partial<GKESpec>).podSelector : undefined;
}

function compileExtension({ podSelector, direction, rules }: ExtensionPolicy): CompiledExtension {
  const spec: GKESpec = { podSelector };
  return {
    frame: { apiVersion: API_VERSION, kind: KIND, spec, direction },
    rules: rules.flatMap((each) => {
      const rule = direction === 'Egress' ? ruleOf(each) : undefined;
      return rule === undefined ? [] : [{ rule, note: each.note }];
    }),
  };
}

function ruleOf({ peer, ports = [] }: ExtensionRule): GKERule | undefined {
  if (peer.kind !== 'names') return undefined;
  const [first, ...more] = peer.names.map(matchOf);
  if (first === undefined) return undefined;
  const [port, ...further] = ports.map(portOf);
  return { matches: [first, ...more], ...(port !== undefined && { ports: [port, ...further] }) };
}

function matchOf(name: string): GKEMatch {
  return name.startsWith('*') ? { pattern: name } : { name };
}

/** @throws Error for a port that has no such form: a rule with it is reported, and never compiled to this kind */
function portOf({ protocol = 'TCP', port, endPort }: NetworkPolicyPort): GKEPort {
  if (protocol === 'SCTP' || typeof port === 'string' || (endPort !== undefined && endPort !== port))
    throw new Error(`${KIND} has no port ${protocol} ${port}-${endPort}`);
  return port === undefined ? { protocol } : { protocol, port };
}

/** Undefined if somebody added a field that is not written. */
function readObject({ spec }: KubeObject & { spec?: unknown }) {
  if (!isRecord(spec)) return undefined;
  const { egress, ...rest } = spec;
  if (!Array.isArray(egress)) return undefined;
  const frame: ExtensionFrame = { apiVersion: API_VERSION, kind: KIND, spec: rest, direction: 'Egress' };
  return { frame, rules: egress.filter(isRecord) };
}

/** Each rule stands for itself, as a peer that no pod is. */
function policyOf(object: KubeObject): NetworkPolicySpec | undefined {
  const found = readObject(object);
  if (found === undefined) return undefined;
  const { podSelector } = found.frame.spec as { readonly podSelector?: LabelSelector };
  if (podSelector === undefined) return undefined;
  const rules = found.rules.map((rule) => ({
    peers: [{ podSelector: { matchLabels: { [canonicalJSON(rule)]: '' } } }],
  }));
  return withRules({ podSelector, policyTypes: ['Egress'] }, 'Egress', rules);
}
