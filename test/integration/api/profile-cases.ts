/** Profiles that the API server refuses, each with the words that say what to write instead, and ones that it admits. */
import { PEER_EXAMPLES } from '../../../scripts/generators/pages/peer-examples.ts';

type Json = Readonly<Record<string, unknown>>;

export interface RefusedCase {
  readonly what: string;
  /** Merged over a spec that is admitted; `undefined` takes a field away. */
  readonly spec: Json;
  /** The field that the answer names. */
  readonly at: string;
  readonly because: string;
}

export interface AdmittedCase {
  readonly what: string;
  readonly spec: Json;
}

const anyone = { entity: 'Any' };
const from = (...peers: readonly unknown[]): Json => ({ ingress: [{ name: 'rule', from: peers }] });
const to = (...peers: readonly unknown[]): Json => ({ egress: [{ name: 'rule', to: peers }] });
const ports = (...list: readonly unknown[]): Json => ({
  egress: [{ name: 'rule', to: [anyone], ports: list }],
});
const images = (limits: Json): Json => ({ workloads: { images: limits } });
const selector = (matchExpressions: readonly unknown[]): Json => ({
  namespaceSelector: { matchExpressions },
});
const podSecurity = (spec: Json): Json => ({ workloads: { podSecurity: spec } });
const connection = (spec: Json): Json => ({
  connections: [{ name: 'flow', from: [anyone], to: [anyone], ...spec }],
});
const rollout = (spec: Json): Json => ({ rollout: { waves: [{ name: 'first', percent: 10 }], ...spec } });
const waves = (...list: readonly unknown[]): Json => ({ rollout: { waves: list } });
const queries = (...list: readonly Json[]): Json =>
  rollout({ gates: { prometheus: list.map((each) => ({ name: 'errors', query: 'errors', ...each })) } });
const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `n${index}`);
const rules = (count: number): unknown[] => names(count).map((name) => ({ name, from: [anyone] }));

const ONE_KIND = 'a peer is of one kind: write a peer of its own for each';
const WITH_PODS =
  'podSelector selects pods of namespaces: write it alone, or beside namespaceSelector, namespaces or';
const EMPTY_PEER = 'an empty peer names nobody';
const RULE_NAME = "a rule's name is part of a policy's name: write lower-case letters";

/** Each has one fault. */
// biome-ignore format: a table is read by its rows.
export const REFUSED: readonly RefusedCase[] = [
  // The profile as a whole
  { what: 'no namespaceSelector', spec: { namespaceSelector: undefined }, at: 'spec', because: 'say which namespaces to isolate: `namespaceSelector: {matchLabels:' },
  { what: 'a namespaceSelector without a value', spec: { namespaceSelector: null }, at: 'spec', because: 'say which namespaces to isolate' },
  { what: 'an unknown mode', spec: { mode: 'audit' }, at: 'spec.mode', because: 'supported values: "Enforce", "Audit"' },
  { what: 'an unknown deletionPolicy', spec: { deletionPolicy: 'Orphan' }, at: 'spec.deletionPolicy', because: 'supported values: "Delete", "Retain"' },
  { what: 'no isolation', spec: { isolation: [] }, at: 'spec.isolation', because: 'write at least one of Ingress and Egress' },
  { what: 'a direction twice', spec: { isolation: ['Egress', 'Egress'] }, at: 'spec.isolation', because: 'write each direction once' },
  { what: 'three directions', spec: { isolation: ['Ingress', 'Egress', 'Ingress'] }, at: 'spec.isolation', because: 'must have at most 2 items' },
  { what: 'an unknown direction', spec: { isolation: ['Inbound'] }, at: 'spec.isolation[0]', because: 'supported values: "Ingress", "Egress"' },
  { what: 'ingress rules without isolation for ingress', spec: { isolation: ['Egress'], ...from(anyone) }, at: 'spec.ingress', because: 'add Ingress to spec.isolation, or remove the rules' },
  { what: 'egress rules without isolation for egress', spec: { isolation: ['Ingress'], ...to(anyone) }, at: 'spec.egress', because: 'add Egress to spec.isolation, or remove the rules' },
  { what: 'a baseline entry that is neither Allow nor Deny', spec: { baseline: { dns: true } }, at: 'spec.baseline.dns', because: 'must be of type string' },
  { what: 'a pattern in excludeNamespaces', spec: { excludeNamespaces: ['team-*'] }, at: 'spec.excludeNamespaces[0]', because: 'names are exact, `*` is not understood: write the name of each namespace' },
  { what: 'an excluded namespace twice', spec: { excludeNamespaces: ['a', 'a'] }, at: 'spec.excludeNamespaces[1]', because: 'Duplicate value: "a"' },
  { what: 'more excluded namespaces than are handled', spec: { excludeNamespaces: names(1001) }, at: 'spec.excludeNamespaces', because: 'must have at most 1000 items' },
  { what: 'a gate that is switched off as YAML 1.1 has it', spec: { admission: { gate: false } }, at: 'spec.admission.gate', because: 'must be of type string' },
  { what: 'podSecurity without a level', spec: podSecurity({}), at: 'spec.workloads.podSecurity', because: 'say which level: `enforce`, `warn` or `audit`' },
  { what: 'the level privileged', spec: podSecurity({ enforce: 'privileged' }), at: 'spec.workloads.podSecurity.enforce', because: 'supported values: "baseline", "restricted"' },
  { what: 'a version of Kubernetes with a patch', spec: podSecurity({ warn: 'baseline', version: 'v1.36.1' }), at: 'spec.workloads.podSecurity.version', because: 'a minor version of Kubernetes such as `v1.36`' },
  { what: 'an acknowledgement of another level', spec: podSecurity({ enforce: 'restricted', acknowledge: { enforce: 'baseline', namespaces: ['a'] } }), at: 'spec.workloads.podSecurity.acknowledge', because: 'write the level of `enforce`' },
  { what: 'an acknowledgement without `enforce`', spec: podSecurity({ warn: 'baseline', acknowledge: { enforce: 'baseline', namespaces: ['a'] } }), at: 'spec.workloads.podSecurity.acknowledge', because: 'write the level of `enforce`' },
  { what: 'an acknowledgement of no namespace', spec: podSecurity({ enforce: 'baseline', acknowledge: { enforce: 'baseline', namespaces: [] } }), at: 'spec.workloads.podSecurity.acknowledge.namespaces', because: 'should have at least 1 items' },
  { what: 'an unknown gate', spec: { admission: { gate: 'Off' } }, at: 'spec.admission.gate', because: 'supported values: "Enforce", "Disabled"' },
  { what: 'an unknown limit of tenants', spec: { admission: { tenantPolicies: 'Own' } }, at: 'spec.admission.tenantPolicies', because: 'supported values: "Any", "WithinNamespace", "None"' },
  { what: 'a break-glass group twice', spec: { admission: { breakGlassGroups: ['a', 'a'] } }, at: 'spec.admission.breakGlassGroups[1]', because: 'Duplicate value: "a"' },
  { what: 'a group of workloads without limits', spec: { workloads: { images: {} } }, at: 'spec.workloads.images', because: 'the group limits nothing: write `registries`' },
  { what: 'an unknown action of workloads', spec: images({ action: 'Off', digest: 'Required' }), at: 'spec.workloads.images.action', because: 'supported values: "Enforce", "Warn", "Audit", "Disabled"' },
  { what: 'a registry with a scheme', spec: images({ registries: ['https://a.example'] }), at: 'spec.workloads.images.registries[0]', because: 'without scheme, tag, digest, wildcard and final slash' },
  { what: 'a registry with a wildcard', spec: images({ registries: ['*.example.com'] }), at: 'spec.workloads.images.registries[0]', because: 'without scheme, tag, digest, wildcard and final slash' },
  { what: 'a registry with a final slash', spec: images({ registries: ['a.example/'] }), at: 'spec.workloads.images.registries[0]', because: 'final slash' },
  { what: 'a registry in capitals', spec: images({ registries: ['A.example'] }), at: 'spec.workloads.images.registries[0]', because: 'write the host in lower case' },
  { what: 'a registry with a tag', spec: images({ registries: ['a.example/b:1'] }), at: 'spec.workloads.images.registries[0]', because: 'without scheme, tag' },
  { what: 'an image of Docker Hub as a registry', spec: images({ registries: ['nginx'] }), at: 'spec.workloads.images.registries[0]', because: 'write `docker.io/library/NAME`' },
  { what: 'the other name of docker.io', spec: images({ registries: ['index.docker.io/library'] }), at: 'spec.workloads.images.registries[0]', because: 'write docker.io' },
  { what: 'limits of resources that are none', spec: { workloads: { resources: {} } }, at: 'spec.workloads.resources', because: 'the group limits nothing: write `requests: [cpu, memory]`' },
  { what: 'a request for an unknown resource', spec: { workloads: { resources: { requests: ['gpu'] } } }, at: 'spec.workloads.resources.requests[0]', because: 'supported values: "cpu", "memory", "ephemeral-storage"' },
  { what: 'a highest limit of an unknown resource', spec: { workloads: { resources: { maxLimits: { gpu: 1 } } } }, at: 'spec.workloads.resources.maxLimits', because: 'write cpu, memory or ephemeral-storage' },
  { what: 'a highest limit that is no quantity', spec: { workloads: { resources: { maxLimits: { memory: '8GB' } } } }, at: 'spec.workloads.resources.maxLimits.memory', because: 'should match' },
  { what: 'limits of service accounts that are none', spec: { workloads: { serviceAccounts: { action: 'Warn' } } }, at: 'spec.workloads.serviceAccounts', because: 'the group limits nothing: write `defaultAccount: Deny`' },
  { what: 'limits of exposure that are none', spec: { workloads: { exposure: {} } }, at: 'spec.workloads.exposure', because: 'the group limits nothing: write `nodePort: Deny`' },
  { what: 'limits of load balancers that are none', spec: { workloads: { exposure: { loadBalancer: {} } } }, at: 'spec.workloads.exposure.loadBalancer', because: 'write `sourceRanges: Required` or `classes`' },
  { what: 'a host with a wildcard within', spec: { workloads: { exposure: { hosts: ['a.*.example'] } } }, at: 'spec.workloads.exposure.hosts[0]', because: 'should match' },
  { what: 'limits of powers that are none', spec: { workloads: { privileged: { hostPID: 'Allow' } } }, at: 'spec.workloads.privileged', because: 'the group limits nothing: write `hostNetwork: Deny`' },
  { what: 'a capability in lower case', spec: { workloads: { privileged: { capabilities: { allowed: ['net_admin'] } } } }, at: 'spec.workloads.privileged.capabilities.allowed[0]', because: 'should match' },
  { what: 'an exempt image without a host', spec: images({ digest: 'Required', exempt: ['library/x'] }), at: 'spec.workloads.images.exempt[0]', because: 'an entry begins with a host' },
  // Selectors
  { what: 'a label key with a space', spec: { namespaceSelector: { matchLabels: { 'my team': 'a' } } }, at: 'spec.namespaceSelector.matchLabels', because: 'each key is a label key: at most 63 letters' },
  { what: 'a label key with two slashes', spec: to({ podSelector: { matchLabels: { 'a/b/c': 'x' } } }), at: 'spec.egress[0].to[0].podSelector.matchLabels', because: 'each key is a label key' },
  { what: 'a label value with a space', spec: { namespaceSelector: { matchLabels: { team: 'a b' } } }, at: 'spec.namespaceSelector.matchLabels.team', because: 'should match' },
  { what: 'a label value that is too long', spec: { namespaceSelector: { matchLabels: { team: 'a'.repeat(64) } } }, at: 'spec.namespaceSelector.matchLabels.team', because: 'may not be more than 63' },
  { what: 'a label value that is a number', spec: { namespaceSelector: { matchLabels: { team: 7 } } }, at: 'spec.namespaceSelector.matchLabels.team', because: 'must be of type string' },
  { what: 'In without values', spec: selector([{ key: 'team', operator: 'In' }]), at: 'spec.namespaceSelector.matchExpressions[0]', because: 'In and NotIn compare with a list: write `values: [VALUE]`' },
  { what: 'NotIn with no values in the list', spec: selector([{ key: 'team', operator: 'NotIn', values: [] }]), at: 'spec.namespaceSelector.matchExpressions[0]', because: 'In and NotIn compare with a list' },
  { what: 'Exists with values', spec: selector([{ key: 'team', operator: 'Exists', values: ['a'] }]), at: 'spec.namespaceSelector.matchExpressions[0]', because: 'Exists and DoesNotExist look at the key only: remove `values`' },
  { what: 'DoesNotExist with values', spec: from({ namespaceSelector: { matchExpressions: [{ key: 'team', operator: 'DoesNotExist', values: ['a'] }] } }), at: 'spec.ingress[0].from[0].namespaceSelector.matchExpressions[0]', because: 'Exists and DoesNotExist look at the key only' },
  { what: 'an unknown operator', spec: selector([{ key: 'team', operator: 'Equals', values: ['a'] }]), at: 'spec.namespaceSelector.matchExpressions[0].operator', because: 'supported values: "In", "NotIn", "Exists", "DoesNotExist"' },
  { what: 'an expression without a key', spec: selector([{ operator: 'Exists' }]), at: 'spec.namespaceSelector.matchExpressions[0].key', because: 'Required value' },
  { what: 'an expression on a key that is none', spec: selector([{ key: '-team', operator: 'Exists' }]), at: 'spec.namespaceSelector.matchExpressions[0].key', because: 'should match' },
  // Rules
  { what: 'a rule without a name', spec: { ingress: [{ from: [anyone] }] }, at: 'spec.ingress[0].name', because: 'Required value' },
  { what: 'two rules of one name', spec: { ingress: [{ name: 'a', from: [anyone] }, { name: 'a', from: [anyone] }] }, at: 'spec.ingress[1]', because: 'Duplicate value: {"name":"a"}' },
  { what: 'a rule name with a dot', spec: { egress: [{ name: 'to.payments', to: [anyone] }] }, at: 'spec.egress[0].name', because: RULE_NAME },
  { what: 'a rule name in capitals', spec: { ingress: [{ name: 'Shop', from: [anyone] }] }, at: 'spec.ingress[0].name', because: RULE_NAME },
  { what: 'a rule name that ends in a dash', spec: { ingress: [{ name: 'shop-', from: [anyone] }] }, at: 'spec.ingress[0].name', because: RULE_NAME },
  { what: 'a rule name that is too long', spec: { ingress: [{ name: 'a'.repeat(64), from: [anyone] }] }, at: 'spec.ingress[0].name', because: 'may not be more than 63' },
  { what: 'an ingress rule without from', spec: { ingress: [{ name: 'rule' }] }, at: 'spec.ingress[0]', because: 'for everyone write `from: [{entity: Any}]`' },
  { what: 'an egress rule without to', spec: { egress: [{ name: 'rule' }] }, at: 'spec.egress[0]', because: 'for everything write `to: [{entity: Any}]`' },
  { what: 'an empty from', spec: from(), at: 'spec.ingress[0].from', because: 'an empty `from` would mean everyone in a NetworkPolicy' },
  { what: 'an empty to', spec: to(), at: 'spec.egress[0].to', because: 'an empty `to` would mean everything in a NetworkPolicy' },
  { what: 'a from without a value', spec: { ingress: [{ name: 'rule', from: null }] }, at: 'spec.ingress[0]', because: 'for everyone write `from: [{entity: Any}]`' },
  { what: 'a description that is too long', spec: { ingress: [{ name: 'rule', description: 'x'.repeat(513), from: [anyone] }] }, at: 'spec.ingress[0].description', because: 'may not be more than 512' },
  { what: 'more rules than are handled', spec: { ingress: rules(65) }, at: 'spec.ingress', because: 'must have at most 64 items' },
  { what: 'more peers than are handled', spec: from(...names(51).map(() => anyone)), at: 'spec.ingress[0].from', because: 'must have at most 50 items' },
  { what: 'a scope without names and selector', spec: { ingress: [{ name: 'a', from: [anyone], inNamespaces: {} }] }, at: 'spec.ingress[0].inNamespaces', because: 'write either `names: [NAMESPACE]` or `selector:' },
  { what: 'a scope with names and selector', spec: { egress: [{ name: 'a', to: [anyone], inNamespaces: { names: ['a'], selector: {} } }] }, at: 'spec.egress[0].inNamespaces', because: 'write either `names: [NAMESPACE]` or `selector:' },
  { what: 'a scope of no namespace', spec: { ingress: [{ name: 'a', from: [anyone], inNamespaces: { names: [] } }] }, at: 'spec.ingress[0].inNamespaces.names', because: 'for all of them leave `inNamespaces` out' },
  // Connections
  { what: 'a connection without a name', spec: connection({ name: undefined }), at: 'spec.connections[0].name', because: 'Required value' },
  { what: 'a connection name with a dot', spec: connection({ name: 'a.b' }), at: 'spec.connections[0].name', because: "a connection's name is part of a policy's name" },
  { what: 'two connections of one name', spec: { connections: [{ name: 'a', from: [anyone], to: [anyone] }, { name: 'a', from: [anyone], to: [anyone] }] }, at: 'spec.connections[1]', because: 'Duplicate value: {"name":"a"}' },
  { what: 'a connection with the name of an ingress rule', spec: { ...connection({ name: 'rule' }), ...from(anyone) }, at: 'spec.connections', because: 'give the connection a name that no ingress or egress rule has' },
  { what: 'a connection with the name of an egress rule', spec: { ...connection({ name: 'rule' }), ...to(anyone) }, at: 'spec.connections', because: 'give the connection a name that no ingress or egress rule has' },
  { what: 'a connection without from', spec: connection({ from: undefined }), at: 'spec.connections[0]', because: 'say who connects: `from` with at least one peer' },
  { what: 'a connection without to', spec: connection({ to: undefined }), at: 'spec.connections[0]', because: 'say what is connected to: `to` with at least one peer' },
  { what: 'a connection from nobody', spec: connection({ from: [] }), at: 'spec.connections[0].from', because: 'an empty list of ends connects nothing' },
  { what: 'a connection to nobody', spec: connection({ to: [] }), at: 'spec.connections[0].to', because: 'an empty list of ends connects nothing' },
  { what: 'an empty end', spec: connection({ to: [{}] }), at: 'spec.connections[0].to[0]', because: EMPTY_PEER },
  { what: 'a port of a connection that is none', spec: connection({ ports: [{ port: 0 }] }), at: 'spec.connections[0].ports[0].port', because: 'should be greater than or equal to 1' },
  { what: 'more connections than are handled', spec: { connections: names(65).map((name) => ({ name, from: [anyone], to: [anyone] })) }, at: 'spec.connections', because: 'must have at most 64 items' },
  { what: 'more ends than are handled', spec: connection({ from: names(21).map(() => anyone) }), at: 'spec.connections[0].from', because: 'must have at most 20 items' },
  // Peers
  { what: 'an empty peer', spec: from({}), at: 'spec.ingress[0].from[0]', because: EMPTY_PEER },
  { what: 'a namespaceSelector beside names', spec: from({ namespaceSelector: {}, namespaces: ['a'] }), at: 'spec.ingress[0].from[0]', because: ONE_KIND },
  { what: 'a selector beside an address', spec: to({ namespaceSelector: {}, ipBlock: { cidr: '10.0.0.0/8' } }), at: 'spec.egress[0].to[0]', because: ONE_KIND },
  { what: 'a service beside an entity', spec: to({ service: { namespace: 'a', name: 'b' }, entity: 'World' }), at: 'spec.egress[0].to[0]', because: ONE_KIND },
  { what: 'names beside labels of the same namespace', spec: to({ namespaces: ['a'], sameNamespaceLabels: ['team'] }), at: 'spec.egress[0].to[0]', because: ONE_KIND },
  { what: 'a podSelector without a value', spec: from({ podSelector: null }), at: 'spec.ingress[0].from[0]', because: EMPTY_PEER },
  { what: 'no namespaces', spec: from({ namespaces: [] }), at: 'spec.ingress[0].from[0].namespaces', because: 'name at least one namespace' },
  { what: 'all namespaces by a star', spec: from({ namespaces: ['*'] }), at: 'spec.ingress[0].from[0].namespaces[0]', because: 'names are exact, `*` is not understood' },
  { what: 'a namespace name with a dot', spec: from({ namespaces: ['a.b'] }), at: 'spec.ingress[0].from[0].namespaces[0]', because: 'should match' },
  { what: 'no labels of the same namespace', spec: from({ sameNamespaceLabels: [] }), at: 'spec.ingress[0].from[0].sameNamespaceLabels', because: 'name at least one label key, such as `[team]`' },
  { what: 'a label with its value where a key is meant', spec: from({ sameNamespaceLabels: ['team=a'] }), at: 'spec.ingress[0].from[0].sameNamespaceLabels[0]', because: 'should match' },
  { what: 'names of a source', spec: from({ fqdn: { names: ['a.example'] } }), at: 'spec.ingress[0].from', because: 'no name is known of a source' },
  { what: 'names at the beginning of a connection', spec: connection({ from: [{ fqdn: { names: ['a.example'] } }] }), at: 'spec.connections[0].from', because: 'no name is known of a source' },
  { what: 'no name', spec: to({ fqdn: { names: [] } }), at: 'spec.egress[0].to[0].fqdn.names', because: 'should have at least 1 items' },
  { what: 'more names than are handled', spec: to({ fqdn: { names: names(21).map((name) => `${name}.example`) } }), at: 'spec.egress[0].to[0].fqdn.names', because: 'must have at most 20 items' },
  { what: 'a name of one label', spec: to({ fqdn: { names: ['localhost'] } }), at: 'spec.egress[0].to[0].fqdn.names[0]', because: 'should match' },
  { what: 'a wildcard for a whole top-level domain', spec: to({ fqdn: { names: ['*.example'] } }), at: 'spec.egress[0].to[0].fqdn.names[0]', because: 'should match' },
  { what: 'a wildcard within a name', spec: to({ fqdn: { names: ['api.*.example.com'] } }), at: 'spec.egress[0].to[0].fqdn.names[0]', because: 'should match' },
  { what: 'a wildcard within a label', spec: to({ fqdn: { names: ['api-*.example.com'] } }), at: 'spec.egress[0].to[0].fqdn.names[0]', because: 'should match' },
  { what: 'a name with a dot at its end', spec: to({ fqdn: { names: ['api.example.com.'] } }), at: 'spec.egress[0].to[0].fqdn.names[0]', because: 'should match' },
  { what: 'a name in upper case', spec: to({ fqdn: { names: ['API.example.com'] } }), at: 'spec.egress[0].to[0].fqdn.names[0]', because: 'should match' },
  { what: 'pods beside names', spec: to({ fqdn: { names: ['api.example.com'] }, podSelector: {} }), at: 'spec.egress[0].to[0]', because: WITH_PODS },
  { what: 'an unknown entity', spec: to({ entity: 'Internet' }), at: 'spec.egress[0].to[0].entity', because: 'supported values: "KubeAPIServer", "ClusterDNS"' },
  { what: 'a service without its namespace', spec: to({ service: { name: 'a' } }), at: 'spec.egress[0].to[0].service.namespace', because: 'Required value' },
  { what: 'a service by its DNS name', spec: to({ service: { namespace: 'shop', name: 'checkout.shop.svc' } }), at: 'spec.egress[0].to[0].service.name', because: '`checkout` rather than `checkout.shop.svc`' },
  { what: 'a service account by its user name', spec: from({ serviceAccount: { namespace: 'shop', name: 'system:serviceaccount:shop:web' } }), at: 'spec.ingress[0].from[0].serviceAccount.name', because: 'should match' },
  { what: 'a service account whose name is no label', spec: from({ serviceAccount: { namespace: 'shop', name: 'a'.repeat(64) } }), at: 'spec.ingress[0].from[0].serviceAccount.name', because: 'at most 63 characters: use an account with a shorter name, or a podSelector' },
  { what: 'a service account without its namespace', spec: from({ serviceAccount: { name: 'web' } }), at: 'spec.ingress[0].from[0].serviceAccount.namespace', because: 'Required value' },
  { what: 'a service account beside a selector', spec: to({ serviceAccount: { namespace: 'a', name: 'b' }, podSelector: {} }), at: 'spec.egress[0].to[0]', because: WITH_PODS },
  { what: 'a podSelector beside an address', spec: to({ ipBlock: { cidr: '10.0.0.0/8' }, podSelector: {} }), at: 'spec.egress[0].to[0]', because: WITH_PODS },
  // Addresses
  { what: 'an ipBlock without cidr', spec: to({ ipBlock: {} }), at: 'spec.egress[0].to[0].ipBlock.cidr', because: 'Required value' },
  { what: 'a host name for a cidr', spec: to({ ipBlock: { cidr: 'example.com' } }), at: 'spec.egress[0].to[0].ipBlock.cidr', because: 'write a network and its prefix length, such as `203.0.113.0/24`' },
  { what: 'a single IPv4 address', spec: to({ ipBlock: { cidr: '203.0.113.7' } }), at: 'spec.egress[0].to[0].ipBlock.cidr', because: 'write `203.0.113.7/32`' },
  { what: 'a single IPv6 address', spec: to({ ipBlock: { cidr: '2001:db8::7' } }), at: 'spec.egress[0].to[0].ipBlock.cidr', because: 'write `2001:db8::7/128`' },
  { what: 'a prefix length that is too long', spec: to({ ipBlock: { cidr: '10.0.0.0/33' } }), at: 'spec.egress[0].to[0].ipBlock.cidr', because: 'write a network and its prefix length' },
  { what: 'an address with leading zeros', spec: to({ ipBlock: { cidr: '010.0.0.0/8' } }), at: 'spec.egress[0].to[0].ipBlock.cidr', because: 'write a network and its prefix length' },
  { what: 'an IPv4 address inside an IPv6 one', spec: to({ ipBlock: { cidr: '::ffff:10.0.0.0/104' } }), at: 'spec.egress[0].to[0].ipBlock.cidr', because: 'write a network and its prefix length' },
  { what: 'bits after the prefix', spec: to({ ipBlock: { cidr: '10.1.2.3/8' } }), at: 'spec.egress[0].to[0].ipBlock.cidr', because: 'write `10.0.0.0/8` for the network' },
  { what: 'IPv6 bits after the prefix', spec: to({ ipBlock: { cidr: '2001:db8::1/32' } }), at: 'spec.egress[0].to[0].ipBlock.cidr', because: 'write `2001:db8::/32` for the network' },
  { what: 'an except that is no network', spec: to({ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0'] } }), at: 'spec.egress[0].to[0].ipBlock.except[0]', because: 'write `10.1.0.0/32`' },
  { what: 'an except outside its cidr', spec: to({ ipBlock: { cidr: '10.0.0.0/8', except: ['192.168.0.0/16'] } }), at: 'spec.egress[0].to[0].ipBlock.except', because: 'lies inside `cidr` and is smaller than it' },
  { what: 'an except as large as its cidr', spec: to({ ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/8'] } }), at: 'spec.egress[0].to[0].ipBlock.except', because: 'lies inside `cidr` and is smaller than it' },
  { what: 'an except larger than its cidr', spec: to({ ipBlock: { cidr: '10.0.0.0/8', except: ['0.0.0.0/0'] } }), at: 'spec.egress[0].to[0].ipBlock.except', because: 'lies inside `cidr` and is smaller than it' },
  { what: 'an IPv6 except of an IPv4 cidr', spec: to({ ipBlock: { cidr: '0.0.0.0/0', except: ['fe80::/10'] } }), at: 'spec.egress[0].to[0].ipBlock.except', because: 'lies inside `cidr` and is smaller than it' },
  { what: 'bits after the prefix in an except', spec: to({ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.2.3/16'] } }), at: 'spec.egress[0].to[0].ipBlock.except[0]', because: 'write `10.1.0.0/16` for the network' },
  // Ports
  { what: 'port 0', spec: ports({ port: 0 }), at: 'spec.egress[0].ports[0].port', because: 'should be greater than or equal to 1' },
  { what: 'port 65536', spec: ports({ port: 65_536 }), at: 'spec.egress[0].ports[0].port', because: 'should be less than or equal to 65535' },
  { what: 'a port number in quotes', spec: ports({ port: '8080' }), at: 'spec.egress[0].ports[0].port', because: 'should match' },
  { what: 'a port name with a capital letter', spec: ports({ port: 'Http' }), at: 'spec.egress[0].ports[0].port', because: 'should match' },
  { what: 'a port name with two dashes', spec: ports({ port: 'http--alt' }), at: 'spec.egress[0].ports[0].port', because: 'should match' },
  { what: 'a port name that is too long', spec: ports({ port: 'a'.repeat(16) }), at: 'spec.egress[0].ports[0].port', because: 'may not be more than 15' },
  { what: 'an endPort without port', spec: ports({ endPort: 90 }), at: 'spec.egress[0].ports[0]', because: 'write `port: NUMBER` before `endPort`' },
  { what: 'an endPort after a port name', spec: ports({ port: 'http', endPort: 90 }), at: 'spec.egress[0].ports[0]', because: 'write `port: NUMBER` before `endPort`' },
  { what: 'an endPort below port', spec: ports({ port: 90, endPort: 80 }), at: 'spec.egress[0].ports[0]', because: 'write a number that is not below `port`' },
  { what: 'an endPort beyond all ports', spec: ports({ port: 90, endPort: 70_000 }), at: 'spec.egress[0].ports[0].endPort', because: 'should be less than or equal to 65535' },
  { what: 'an unknown protocol', spec: ports({ protocol: 'tcp', port: 80 }), at: 'spec.egress[0].ports[0].protocol', because: 'supported values: "TCP", "UDP", "SCTP"' },
  // The rollout
  { what: 'a rollout without waves', spec: { rollout: {} }, at: 'spec.rollout', because: 'name the waves in their order, such as' },
  { what: 'an empty list of waves', spec: waves(), at: 'spec.rollout.waves', because: 'name at least one wave; without waves, remove spec.rollout' },
  { what: 'a wave that selects nothing', spec: waves({ name: 'first' }), at: 'spec.rollout.waves[0]', because: 'exactly one of `namespaceSelector`' },
  { what: 'a wave by labels and by share', spec: waves({ name: 'first', percent: 10, namespaceSelector: {} }), at: 'spec.rollout.waves[0]', because: 'exactly one of `namespaceSelector`' },
  { what: 'shares that fall', spec: waves({ name: 'half', percent: 50 }, { name: 'tenth', percent: 10 }), at: 'spec.rollout', because: 'write a larger share in each later wave' },
  { what: 'a share above all', spec: waves({ name: 'first', percent: 101 }), at: 'spec.rollout.waves[0].percent', because: 'should be less than or equal to 100' },
  { what: 'two waves of a name', spec: waves({ name: 'first', percent: 10 }, { name: 'first', percent: 20 }), at: 'spec.rollout.waves[1]', because: 'Duplicate value' },
  { what: 'a wave called rest', spec: waves({ name: 'rest', percent: 10 }), at: 'spec.rollout.waves[0].name', because: '`rest` is the name of the last wave' },
  { what: "a wave's name with capitals", spec: waves({ name: 'First', percent: 10 }), at: 'spec.rollout.waves[0].name', because: "a wave's name has lower-case letters" },
  { what: 'a soak time without a unit', spec: waves({ name: 'first', percent: 10, soak: '30' }), at: 'spec.rollout.waves[0].soak', because: 'write a duration of hours, minutes and seconds' },
  { what: 'a deadline in days', spec: rollout({ deadline: '1d' }), at: 'spec.rollout.deadline', because: 'write a duration of hours, minutes and seconds' },
  { what: 'an unknown onFailure', spec: rollout({ onFailure: 'Ignore' }), at: 'spec.rollout.onFailure', because: 'supported values: "Rollback", "Pause"' },
  { what: 'no namespace at a time', spec: rollout({ maxParallel: 0 }), at: 'spec.rollout.maxParallel', because: 'should be greater than or equal to 1' },
  { what: 'a query without a bound', spec: queries({}), at: 'spec.rollout.gates.prometheus[0]', because: 'exactly one of `max` and `min`' },
  { what: 'a query with two bounds', spec: queries({ min: 0, max: 1 }), at: 'spec.rollout.gates.prometheus[0]', because: 'exactly one of `max` and `min`' },
  { what: 'two queries of a name', spec: queries({ min: 0 }, { max: 1 }), at: 'spec.rollout.gates.prometheus[1]', because: 'Duplicate value' },
  { what: 'an empty query', spec: queries({ query: '', max: 1 }), at: 'spec.rollout.gates.prometheus[0].query', because: 'should be at least 1 char' },
  { what: "a query's name with a space", spec: queries({ name: 'an error', max: 1 }), at: 'spec.rollout.gates.prometheus[0].name', because: "a query's name has lower-case letters" },
  { what: 'a bound that is a text', spec: queries({ max: '1' }), at: 'spec.rollout.gates.prometheus[0].max', because: 'must be of type number' },
  { what: 'eleven queries', spec: rollout({ gates: { prometheus: names(11).map((name) => ({ name, query: 'errors', max: 1 })) } }), at: 'spec.rollout.gates.prometheus', because: 'must have at most 10 items' },
  { what: 'identities of the mesh without isolation for ingress', spec: { isolation: ['Egress'], mesh: { authorization: 'Audit' } }, at: 'spec.mesh', because: 'add Ingress to spec.isolation, or remove spec.mesh' },
  { what: 'an unknown mode of mutual TLS', spec: { mesh: { mtls: 'STRICT' } }, at: 'spec.mesh.mtls', because: 'supported values: "Strict", "Disabled"' },
  { what: 'a rollout beside a gate', spec: { ...rollout({}), admission: { gate: 'Enforce' } }, at: 'spec.rollout', because: '`admission.gate: Enforce` would refuse the pods of namespaces' },
  { what: 'a rollout beside a guard that denies', spec: { ...rollout({}), guard: { mode: 'Enforce' } }, at: 'spec.guard', because: "can't follow a rollout through them: remove spec.rollout, or write `mode: Audit`" },
];

// biome-ignore format: a table is read by its rows.
export const ADMITTED: readonly AdmittedCase[] = [
  { what: 'nothing but a namespaceSelector', spec: {} },
  { what: 'all of admission', spec: { admission: { gate: 'Enforce', protect: 'Warn', tenantPolicies: 'None', tenantPoliciesAction: 'Audit', breakGlassGroups: ['sre:on-call', 'b'] } } },
  { what: 'an empty admission', spec: { admission: {} } },
  { what: 'all other limits of workloads', spec: { workloads: { resources: { requests: ['cpu', 'memory'], limits: ['ephemeral-storage'], maxLimits: { cpu: 2, memory: '1.5Gi', 'ephemeral-storage': '10G' } }, serviceAccounts: { defaultAccount: 'Deny', automountToken: 'IfUsed', allowed: ['web', 'a.b'] }, exposure: { nodePort: 'Deny', externalIPs: 'Deny', hostPort: 'Deny', loadBalancer: { sourceRanges: 'Required', classes: [] }, hosts: ['*.shop.example.com', 'localhost'] }, privileged: { hostNetwork: 'Deny', hostPID: 'Deny', hostIPC: 'Deny', hostPath: 'Deny', privileged: 'Deny', capabilities: { allowed: [] }, ephemeralContainers: { groups: ['sre'] }, connect: { groups: [] } } } } },
  { what: 'all limits of images', spec: { workloads: { breakGlassGroups: ['sre'], images: { action: 'Warn', registries: ['registry.example.com:5000/team', '[2001:db8::1]:5000', 'localhost', 'docker.io/library'], digest: 'Required', tags: { deny: ['latest'] }, exempt: ['registry.k8s.io/pause'] } } } },
  { what: 'all of podSecurity', spec: podSecurity({ enforce: 'baseline', warn: 'restricted', audit: 'restricted', version: 'v1.36', acknowledge: { enforce: 'baseline', namespaces: ['*', 'shop'] } }) },
  { what: 'empty workloads', spec: { workloads: {} } },
  { what: 'all of mesh', spec: { mesh: { authorization: 'Enforce', mtls: 'Strict' }, baseline: { mesh: 'Allow' } } },
  { what: 'nothing of the mesh without isolation for ingress', spec: { isolation: ['Egress'], mesh: { authorization: 'Disabled' } } },
  { what: 'all of rollout', spec: rollout({ waves: [{ name: 'first', namespaceSelector: { matchLabels: { tier: 'test' } }, soak: '1h30m' }, { name: 'tenth', percent: 10 }, { name: 'all', percent: 100, soak: '0s' }], maxParallel: 10, deadline: '90s', onFailure: 'Pause', paused: true }) },
  { what: 'all gates of a rollout', spec: rollout({ gates: { workloads: { maxUnavailable: 1, for: '0s' }, prometheus: [{ name: 'errors', query: 'sum(rate(errors[5m]))', max: 0.01, for: '90s' }, { name: 'orders', query: 'orders', min: -1.5e3 }] } }) },
  { what: 'a rollout beside a guard in Audit', spec: { ...rollout({}), guard: { mode: 'Audit' } } },
  { what: 'a rollout beside a gate that is off', spec: { ...rollout({}), admission: { protect: 'Enforce' } } },
  { what: 'one direction', spec: { isolation: ['Ingress'], ...from(anyone) } },
  { what: 'an empty list of rules in a direction that is not isolated', spec: { isolation: ['Egress'], ingress: [] } },
  { what: 'rules of one name in both directions', spec: { ...from(anyone), ...to(anyone) } },
  { what: 'rules for some of the selected namespaces', spec: { ingress: [{ name: 'a', from: [anyone], inNamespaces: { names: ['shop'] } }], egress: [{ name: 'a', to: [anyone], inNamespaces: { selector: {} } }] } },
  { what: 'a connection', spec: connection({ description: 'why', from: [{ namespaces: ['shop'], podSelector: { matchLabels: { app: 'web' } } }], to: [{ service: { namespace: 'pay', name: 'api' } }], ports: [{ port: 8443 }] }) },
  { what: 'a connection in a direction that is not isolated', spec: { isolation: ['Egress'], ...connection({}) } },
  { what: 'a podSelector beside each field that names namespaces', spec: from({ podSelector: {}, namespaces: ['a'] }, { podSelector: {}, sameNamespaceLabels: ['a'] }, { podSelector: {}, namespaceSelector: {} }) },
  { what: 'a rule for some pods', spec: { ingress: [{ name: 'a', description: 'why:\n"this"', podSelector: { matchLabels: { app: 'a' } }, from: [anyone] }] } },
  { what: 'every operator of selectors', spec: selector([{ key: 'a', operator: 'In', values: ['x', ''] }, { key: 'b.example/c', operator: 'NotIn', values: ['y'] }, { key: 'd', operator: 'Exists' }, { key: 'e', operator: 'DoesNotExist' }]) },
  { what: 'label keys with a prefix, and empty values', spec: { namespaceSelector: { matchLabels: { 'example.com/a_B.c-9': '', [`${'a'.repeat(63)}.b/${'c'.repeat(63)}`]: 'V_1.2-x' } } } },
  { what: 'every address, and one', spec: to({ ipBlock: { cidr: '0.0.0.0/0' } }, { ipBlock: { cidr: '::/0' } }, { ipBlock: { cidr: '203.0.113.7/32' } }) },
  { what: 'IPv6 in any spelling', spec: to({ ipBlock: { cidr: '2001:DB8:0:0::/32', except: ['2001:db8:0001::/48'] } }) },
  { what: 'ports of every kind', spec: ports({}, { port: 1 }, { protocol: 'UDP', port: 65_535 }, { protocol: 'SCTP', port: 'a' }, { port: '9p-x' }, { port: 80, endPort: 80 }, { port: 1024, endPort: 65_535 }) },
  { what: 'names, with wildcards at the beginning', spec: to({ fqdn: { names: ['api.example.com', '*.example.com', '**.example.com', '_sip.example.com'] } }) },
  { what: 'every entity in both directions', spec: everyEntity() },
  { what: 'the longest names', spec: { ingress: [{ name: 'r'.repeat(63), from: [{ namespaces: ['n'.repeat(63)] }, { serviceAccount: { namespace: 'n', name: `${'a'.repeat(61)}.b` } }] }] } },
  ...Object.values(PEER_EXAMPLES).flatMap((examples) =>
    examples.map(({ allows, peer }) => ({
      what: `the example that allows ${allows}`,
      // No name is known of a source.
      spec: { ...('fqdn' in peer ? {} : from(peer)), ...to(peer) },
    })),
  ),
];

function everyEntity(): Json {
  const peers = [
    'KubeAPIServer',
    'ClusterDNS',
    'Nodes',
    'IngressControllers',
    'Monitoring',
    'World',
    'Any',
  ].map((entity) => ({ entity }));
  return { ...from(...peers), ...to(...peers) };
}

/** 6,400 addresses with exceptions, near what etcd takes: whatever the schema admits must fit the cost budget of CEL. */
export function largestProfile(): Json {
  const rule = (index: number, field: 'from' | 'to') => ({
    name: `rule-${index}`,
    [field]: Array.from({ length: 50 }, (_, peer) => ({
      ipBlock: {
        cidr: `10.${index}.${peer}.0/24`,
        except: Array.from({ length: 8 }, (_, part) => `10.${index}.${peer}.${part * 16}/28`),
      },
    })),
  });
  const all = Array.from({ length: 64 }, (_, index) => index);
  const ends = Array.from({ length: 20 }, (_, index) => ({ namespaces: [`n${index}`], podSelector: {} }));
  return {
    ingress: all.map((index) => rule(index, 'from')),
    egress: all.map((index) => rule(index, 'to')),
    connections: all.map((index) => ({ name: `connection-${index}`, from: ends, to: ends })),
  };
}
