/** Validation of NetworkPolicies beyond their schema, as networking.k8s.io/v1 has it in Kubernetes 1.36. Pure. */
import type {
  IPBlock,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicySpec,
} from '../../api/network-policy.ts';
import { containsCidr, formatCidr, parseAddress, parseCidr } from '../../policy/semantics/cidr.ts';
import type { Report } from '../violations.ts';
import type { Path } from '../yaml.ts';
import { reportProblem, validateSelector } from './metadata.ts';
import { portNameProblem, portNumberProblem } from './names.ts';

const PROTOCOLS: readonly string[] = ['SCTP', 'TCP', 'UDP'];
const DIRECTIONS: readonly string[] = ['Ingress', 'Egress'];

export function validateNetworkPolicySpec(
  spec: Partial<NetworkPolicySpec> | undefined,
  report: Report,
): void {
  const { podSelector, ingress = [], egress = [], policyTypes = [] } = spec ?? {};
  validateSelector(podSelector, ['spec', 'podSelector'], report);
  for (const [index, { from, ports }] of ingress.entries()) {
    validateRule({ peers: from, field: 'from', ports }, ['spec', 'ingress', index], report);
  }
  for (const [index, { to, ports }] of egress.entries()) {
    validateRule({ peers: to, field: 'to', ports }, ['spec', 'egress', index], report);
  }
  const path = ['spec', 'policyTypes'];
  if (policyTypes.length > DIRECTIONS.length) report(path, 'must have at most two items: Ingress and Egress');
  for (const [index, type] of policyTypes.entries()) {
    if (type === ('' as string)) report([...path, index], '"" is not supported: write Ingress or Egress');
  }
}

interface Rule {
  readonly peers: readonly NetworkPolicyPeer[] | undefined;
  readonly field: 'from' | 'to';
  readonly ports: readonly NetworkPolicyPort[] | undefined;
}

function validateRule({ peers = [], field, ports = [] }: Rule, path: Path, report: Report): void {
  for (const [index, port] of ports.entries()) validatePort(port, [...path, 'ports', index], report);
  for (const [index, peer] of peers.entries()) validatePeer(peer, [...path, field, index], report);
}

function validatePort({ protocol, port, endPort }: NetworkPolicyPort, path: Path, report: Report): void {
  if (protocol !== undefined && !PROTOCOLS.includes(protocol)) {
    // The schema has reported every other value.
    if (protocol === ('' as string))
      report([...path, 'protocol'], '"" is not supported: write TCP, UDP or SCTP');
  }
  if (typeof port === 'number') {
    reportProblem(portNumberProblem(port), [...path, 'port'], report);
    if (endPort === undefined) return;
    if (endPort < port)
      report([...path, 'endPort'], `${endPort} must not be less than port, which is ${port}`);
    reportProblem(portNumberProblem(endPort), [...path, 'endPort'], report);
    return;
  }
  if (typeof port === 'string') reportProblem(portNameProblem(port), [...path, 'port'], report);
  if (endPort !== undefined) report([...path, 'endPort'], 'is allowed only beside a number as port');
}

function validatePeer(
  { podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer,
  path: Path,
  report: Report,
): void {
  if (podSelector !== undefined) validateSelector(podSelector, [...path, 'podSelector'], report);
  if (namespaceSelector !== undefined)
    validateSelector(namespaceSelector, [...path, 'namespaceSelector'], report);
  if (ipBlock !== undefined) validateIPBlock(ipBlock, [...path, 'ipBlock'], report);
  if (podSelector === undefined && namespaceSelector === undefined && ipBlock === undefined) {
    report(path, 'selects nobody: write a podSelector, a namespaceSelector or an ipBlock');
  } else if (ipBlock !== undefined && (podSelector !== undefined || namespaceSelector !== undefined)) {
    report(path, 'has an ipBlock beside a selector: write two items');
  }
}

function validateIPBlock({ cidr = '', except = [] }: Partial<IPBlock>, path: Path, report: Report): void {
  if (cidr === '') {
    report([...path, 'cidr'], 'is required: write a range such as 10.0.0.0/8');
    return;
  }
  reportProblem(cidrProblem(cidr), [...path, 'cidr'], report);
  const range = parseCidr(cidr);
  if (range === undefined) return;
  for (const [index, text] of except.entries()) {
    const at = [...path, 'except', index];
    reportProblem(cidrProblem(text), at, report);
    const inner = parseCidr(text);
    if (inner !== undefined && !(containsCidr(range, inner) && inner.prefix > range.prefix)) {
      report(at, `${text} must be a part of ${cidr}, and smaller`);
    }
  }
}

/** Kubernetes 1.36 refuses CIDRs with leading zeros, bits behind the prefix, or an IPv4 address within IPv6. */
function cidrProblem(text: string): string | undefined {
  const cidr = parseCidr(text);
  const [address = '', prefix = ''] = text.split('/');
  if (cidr === undefined) return `"${text}" is no CIDR: write a range such as 10.0.0.0/8 or fd00::/64`;
  if (/(^|\.)0\d/.test(address) || /^0\d/.test(prefix)) return `"${text}" has leading zeros: leave them out`;
  if (address.includes(':') && (address.includes('.') || isMapped(address))) {
    return `"${text}" has an IPv4 address within IPv6: write the IPv4 range`;
  }
  const { value } = parseAddress(address) ?? { value: cidr.first };
  return value === cidr.first ? undefined : `"${text}" has bits behind its prefix: write ${formatCidr(cidr)}`;
}

function isMapped(address: string): boolean {
  const parsed = parseAddress(address);
  return parsed?.family === 6 && parsed.value >> 32n === 0xffffn;
}
