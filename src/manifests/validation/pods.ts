/** Validation of Pods, Services and workloads as far as their fields are read here: labels, selectors and ports. Pure. */
import type { LabelSelector, StringMap } from '../../api/meta.ts';
import { parseAddress } from '../../policy/semantics/cidr.ts';
import { matches, selectorTerms } from '../../policy/semantics/selector.ts';
import type { Report } from '../violations.ts';
import type { Path } from '../yaml.ts';
import { reportProblem, validateLabels, validateSelector } from './metadata.ts';
import { dnsLabelProblem, dnsSubdomainProblem, portNameProblem, portNumberProblem } from './names.ts';

interface RawContainerPort {
  readonly name?: string;
  readonly containerPort?: number;
  readonly hostPort?: number;
}

interface RawContainer {
  readonly name?: string;
  readonly image?: string;
  readonly restartPolicy?: string;
  readonly ports?: readonly RawContainerPort[];
}

export interface RawPodSpec {
  readonly containers?: readonly RawContainer[];
  readonly initContainers?: readonly RawContainer[];
  readonly hostNetwork?: boolean;
  readonly restartPolicy?: string;
  readonly serviceAccountName?: string;
  readonly nodeName?: string;
}

export interface RawTemplate {
  readonly metadata?: { readonly labels?: StringMap };
  readonly spec?: RawPodSpec;
}

export interface RawWorkloadSpec {
  readonly replicas?: number;
  readonly selector?: LabelSelector;
  readonly template?: RawTemplate;
}

const RESTART_POLICIES: readonly string[] = ['Always', 'OnFailure', 'Never'];

export function validatePodSpec(spec: RawPodSpec | undefined, path: Path, report: Report): void {
  const { containers = [], initContainers = [], serviceAccountName = '', nodeName = '' } = spec ?? {};
  if (containers.length === 0) report([...path, 'containers'], 'is required: write at least one container');
  const names = new Set<string>();
  for (const [field, list] of Object.entries({ containers, initContainers })) {
    for (const [index, { name = '', image = '', restartPolicy, ports = [] }] of list.entries()) {
      const at = [...path, field, index];
      if (image === '') report([...at, 'image'], 'is required');
      if (restartPolicy !== undefined && !RESTART_POLICIES.includes(restartPolicy)) {
        report(
          [...at, 'restartPolicy'],
          `"${restartPolicy}" is not supported: write ${RESTART_POLICIES.join(', ')}`,
        );
      }
      reportProblem(name === '' ? 'is required' : dnsLabelProblem(name), [...at, 'name'], report);
      if (name !== '' && names.has(name))
        report([...at, 'name'], `"${name}" is the name of another container`);
      names.add(name);
      validateContainerPorts(ports, [...at, 'ports'], report);
    }
  }
  if (serviceAccountName !== '') {
    reportProblem(dnsSubdomainProblem(serviceAccountName), [...path, 'serviceAccountName'], report);
  }
  if (nodeName !== '') reportProblem(dnsSubdomainProblem(nodeName), [...path, 'nodeName'], report);
  if (spec?.hostNetwork === true) validateHostPorts(containers, path, report);
}

function validateContainerPorts(ports: readonly RawContainerPort[], path: Path, report: Report): void {
  const names = new Set<string>();
  for (const [index, { name = '', containerPort = 0, hostPort = 0 }] of ports.entries()) {
    const at = [...path, index];
    if (name !== '') {
      const problem = portNameProblem(name);
      reportProblem(problem, [...at, 'name'], report);
      if (problem === undefined && names.has(name))
        report([...at, 'name'], `"${name}" is the name of another port`);
      names.add(name);
    }
    reportProblem(
      containerPort === 0 ? 'is required: write a number from 1 to 65535' : portNumberProblem(containerPort),
      [...at, 'containerPort'],
      report,
    );
    if (hostPort !== 0) reportProblem(portNumberProblem(hostPort), [...at, 'hostPort'], report);
  }
}

function validateHostPorts(containers: readonly RawContainer[], path: Path, report: Report): void {
  for (const [index, { ports = [] }] of containers.entries()) {
    for (const [position, { containerPort = 0, hostPort = 0 }] of ports.entries()) {
      if (hostPort === 0 || hostPort === containerPort) continue;
      const at = [...path, 'containers', index, 'ports', position, 'hostPort'];
      report(at, `must be ${containerPort}, the containerPort, on the host network`);
    }
  }
}

interface TemplatePlace {
  /** Path of the template, such as spec.template. */
  readonly path: Path;
  /** Values of restartPolicy that the kind of workload allows; the first is the default, if there is one. */
  readonly restartPolicies: readonly string[];
}

export const ALWAYS: readonly string[] = ['Always'];
export const UNTIL_DONE: readonly string[] = ['OnFailure', 'Never'];

export function validateTemplate(
  template: RawTemplate | undefined,
  { path, restartPolicies }: TemplatePlace,
  report: Report,
): void {
  // An empty value stands for Always.
  const restartPolicy = template?.spec?.restartPolicy || 'Always';
  if (!restartPolicies.includes(restartPolicy)) {
    report([...path, 'spec', 'restartPolicy'], `is ${restartPolicy}: write ${restartPolicies.join(' or ')}`);
  }
  validateLabels(template?.metadata?.labels ?? {}, [...path, 'metadata', 'labels'], report);
  validatePodSpec(template?.spec, [...path, 'spec'], report);
}

/** Deployments, StatefulSets, DaemonSets and ReplicaSets: the selector selects the template's own labels. */
export function validateWorkloadSpec(spec: RawWorkloadSpec | undefined, report: Report): void {
  const { replicas = 0, selector, template } = spec ?? {};
  if (replicas < 0) report(['spec', 'replicas'], `${replicas} must be 0 or more`);
  const path = ['spec', 'selector'];
  if (selector === undefined || selectorTerms(selector).length === 0) {
    report(path, 'is required: write matchLabels with labels of the template');
  } else {
    let isValid = true;
    validateSelector(selector, path, (at, message) => {
      isValid = false;
      report(at, message);
    });
    const labels = template?.metadata?.labels ?? {};
    if (isValid && !matches(selector, labels)) {
      report(
        ['spec', 'template', 'metadata', 'labels'],
        'are not selected by spec.selector: write the same labels',
      );
    }
  }
  validateTemplate(template, { path: ['spec', 'template'], restartPolicies: ALWAYS }, report);
}

interface RawServicePort {
  readonly name?: string;
  readonly port?: number;
  readonly targetPort?: number | string;
  readonly protocol?: string;
}

export interface RawServiceSpec {
  readonly type?: string;
  readonly clusterIP?: string;
  readonly externalName?: string;
  readonly selector?: StringMap;
  readonly ports?: readonly RawServicePort[];
}

export function validateServiceSpec(spec: RawServiceSpec | undefined, report: Report): void {
  const { type = '', clusterIP = '', externalName = '', selector = {}, ports = [] } = spec ?? {};
  validateLabels(selector, ['spec', 'selector'], report);
  if (type === 'ExternalName') {
    const problem =
      externalName === '' ? 'is required' : dnsSubdomainProblem(externalName.replace(/\.$/, ''));
    reportProblem(problem, ['spec', 'externalName'], report);
  } else if (ports.length === 0 && clusterIP !== 'None') {
    report(['spec', 'ports'], 'is required: write at least one port');
  }
  if (
    clusterIP !== '' &&
    clusterIP !== 'None' &&
    type !== 'ExternalName' &&
    parseAddress(clusterIP) === undefined
  ) {
    report(['spec', 'clusterIP'], `"${clusterIP}" is no IP address: write one, or None`);
  }
  const names = new Set<string>();
  const numbers = new Set<string>();
  for (const [index, { name = '', port = 0, targetPort, protocol = 'TCP' }] of ports.entries()) {
    const at = ['spec', 'ports', index];
    if (name !== '') reportProblem(dnsLabelProblem(name), [...at, 'name'], report);
    else if (ports.length > 1) report([...at, 'name'], 'is required, as there is more than one port');
    if (name !== '' && names.has(name)) report([...at, 'name'], `"${name}" is the name of another port`);
    names.add(name);
    reportProblem(portNumberProblem(port), [...at, 'port'], report);
    if (typeof targetPort === 'string' && targetPort !== '')
      reportProblem(portNameProblem(targetPort), [...at, 'targetPort'], report);
    if (typeof targetPort === 'number' && targetPort !== 0)
      reportProblem(portNumberProblem(targetPort), [...at, 'targetPort'], report);
    const key = `${protocol || 'TCP'}/${port}`;
    if (numbers.has(key)) report(at, `port ${port} of ${protocol || 'TCP'} is there twice`);
    numbers.add(key);
  }
}

export interface RawEndpointSlice {
  readonly addressType?: string;
  readonly endpoints?: readonly { readonly addresses?: readonly string[] }[];
  readonly ports?: readonly { readonly name?: string; readonly protocol?: string }[];
}

const MAX_ADDRESSES = 100;
const PROTOCOLS: readonly string[] = ['TCP', 'UDP', 'SCTP'];

export function validateEndpointSlice(
  { addressType = '', endpoints = [], ports = [] }: RawEndpointSlice,
  report: Report,
): void {
  if (addressType === '') report(['addressType'], 'is required: write IPv4, IPv6 or FQDN');
  for (const [index, { addresses = [] }] of endpoints.entries()) {
    const at = ['endpoints', index, 'addresses'];
    if (addresses.length === 0) report(at, 'is required: write at least one address');
    if (addresses.length > MAX_ADDRESSES) report(at, `must have at most ${MAX_ADDRESSES} items`);
    for (const [position, address] of addresses.entries()) {
      reportProblem(addressProblem(address, addressType), [...at, position], report);
    }
  }
  const names = new Set<string>();
  for (const [index, { name = '', protocol = 'TCP' }] of ports.entries()) {
    const at = ['ports', index];
    if (name !== '') reportProblem(dnsLabelProblem(name), [...at, 'name'], report);
    if (names.has(name)) report([...at, 'name'], `"${name}" is the name of another port`);
    names.add(name);
    if (!PROTOCOLS.includes(protocol)) {
      report([...at, 'protocol'], `"${protocol}" is not supported: write TCP, UDP or SCTP`);
    }
  }
}

function addressProblem(address: string, type: string): string | undefined {
  if (type === 'FQDN') return dnsSubdomainProblem(address.replace(/\.$/, ''));
  const family = parseAddress(address)?.family;
  if (family === undefined) return `"${address}" is no IP address`;
  return `IPv${family}` === type || type === ''
    ? undefined
    : `"${address}" is an IPv${family} address, and addressType is ${type}`;
}
