/** Small clusters for tests of checks: pods, policies and objects in few words. */
import { type AuditOptions, audit } from '../../src/audit/audit.ts';
import { type Finding, findingKey } from '../../src/audit/finding.ts';
import type { PodSpec } from '../../src/audit/pod-spec.ts';
import type {
  ApiUse,
  AuditNamespace,
  AuditPod,
  AuditSnapshot,
  KindName,
  UnreadObject,
} from '../../src/audit/snapshot.ts';
import type { KubeObject, StringMap } from '../../src/api/meta.ts';
import { LABEL_PROFILE, LABEL_RULE } from '../../src/api/names.ts';
import type { NetworkPolicy, NetworkPolicySpec } from '../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../src/api/profile.ts';

/** Findings as `SUBJECT FIELD`, where the subject is named as kubectl does. */
export interface CheckCases {
  readonly good: Readonly<Record<string, AuditSnapshot>>;
  readonly bad: Readonly<Record<string, readonly [AuditSnapshot, ...findings: string[]]>>;
  readonly options?: AuditOptions;
}

interface World {
  readonly namespaces?: readonly (string | AuditNamespace)[];
  readonly pods?: readonly AuditPod[];
  readonly policies?: readonly NetworkPolicy[];
  readonly profiles?: readonly SegmentationProfile[];
  /** Namespaces in which the profiles are enforced. */
  readonly enforced?: readonly string[];
  readonly objects?: readonly KubeObject[];
  readonly isComplete?: boolean;
  readonly unread?: readonly KindName[];
  readonly serverVersion?: string;
  readonly apiUses?: readonly ApiUse[];
  readonly unreadObjects?: readonly UnreadObject[];
  readonly unreadDefinitions?: readonly string[];
}

/** Namespaces that pods and policies name need not be listed. */
export function world(given: World): AuditSnapshot {
  const { namespaces = [], pods = [], policies = [], profiles = [], enforced = [] } = given;
  const { objects = [], isComplete = true, unread = [], serverVersion, apiUses = [] } = given;
  const { unreadObjects = [], unreadDefinitions = [] } = given;
  const listed = namespaces.map((each) => (typeof each === 'string' ? namespace(each) : each));
  const named = [
    ...pods,
    ...policies.map(({ metadata }) => metadata),
    ...objects.map(({ metadata }) => metadata),
    ...apiUses.map((each) => each.object),
  ]
    .map((each) => each.namespace)
    .filter((name) => name !== undefined && !listed.some((each) => each.name === name));
  return {
    isComplete,
    namespaces: [...listed, ...[...new Set(named)].map((name) => namespace(name ?? ''))],
    pods,
    policies,
    profiles,
    ownerOf: ({ metadata }) => metadata.labels?.[LABEL_PROFILE],
    enforced: new Set(enforced),
    enforcing: (name) => (enforced.includes(name) ? profiles : []),
    objects: (kind) => objects.filter((each) => each.kind === kind),
    serverVersion,
    apiUses,
    unreadObjects,
    unreadDefinitions,
    isRead: (kind) => !unread.includes(kind),
  };
}

export function namespace(name: string, labels: StringMap = {}, isProtected = false): AuditNamespace {
  return { name, labels, isProtected };
}

let lastAddress = 10;

/** @param id `NAMESPACE/NAME`; the workload is a Deployment of that name, with the label `app: NAME` */
export function pod(id: string, spec: PodSpec = {}, more: Partial<AuditPod> = {}): AuditPod {
  const [namespace = '', name = ''] = id.split('/');
  const ports = (spec.containers ?? []).flatMap(({ ports = [] }) => ports);
  return {
    namespace,
    name: `${name}-1`,
    labels: { app: name },
    ips: [`10.0.0.${(lastAddress += 1)}`],
    workload: { kind: 'Deployment', namespace, name },
    serviceAccount: spec.serviceAccountName ?? 'default',
    spec,
    ...(ports.length > 0 && { ports }),
    ...(spec.hostNetwork && { hostNetwork: true }),
    ...more,
  };
}

/** @param id `NAMESPACE/NAME` */
export function policy(id: string, spec: NetworkPolicySpec, labels: StringMap = {}): NetworkPolicy {
  const [namespace = '', name = ''] = id.split('/');
  return { metadata: { namespace, name, labels }, spec };
}

export function denyAll(namespace: string): NetworkPolicy {
  return policy(`${namespace}/deny-all`, { podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
}

/** A policy of the profile `shop`. */
export function own(id: string, spec: NetworkPolicySpec, rule?: string): NetworkPolicy {
  return policy(id, spec, { [LABEL_PROFILE]: 'shop', ...(rule !== undefined && { [LABEL_RULE]: rule }) });
}

/** An object of any kind. @param id `NAMESPACE/NAME`, or `NAME` of a cluster-scoped object */
export function object(kind: string, id: string, rest: object = {}): KubeObject {
  const [first = '', second] = id.split('/');
  const metadata = second === undefined ? { name: first } : { namespace: first, name: second };
  return { kind, metadata, ...rest };
}

export function findingsOf(
  check: string,
  snapshot: AuditSnapshot,
  options: AuditOptions = {},
): readonly Finding[] {
  return audit(snapshot, { ...options, only: [check] }).findings;
}

/** The finding without its check: `Deployment shop/web hostNetwork`. */
export function placeOf(finding: Finding): string {
  return findingKey(finding).slice(finding.check.length + 1);
}
