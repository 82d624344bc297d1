/**
 * Admission of Kubernetes' own kinds: decoding by their schema, and validation. An object with violations is one that
 * the API server refuses. Kinds whose fields are read here are validated in full as far as those fields go; the server
 * may refuse more of Pods and workloads than this does, and never less. Pure.
 */
import type { LabelSelector } from '../api/meta.ts';
import type { NetworkPolicySpec } from '../api/network-policy.ts';
import { isRecord } from '../util/is-record.ts';
import { KindDecoder, type Types } from './decode.ts';
import schemas from './generated/kubernetes.json' with { type: 'json' };
import { type Metadata, type NameCheck, validateMetadata, validateSelector } from './validation/metadata.ts';
import { dnsLabelProblem, dnsSubdomainProblem, pathSegmentProblem } from './validation/names.ts';
import { validateNetworkPolicySpec } from './validation/network-policy.ts';
import {
  ALWAYS,
  type RawEndpointSlice,
  type RawPodSpec,
  type RawServiceSpec,
  type RawTemplate,
  type RawWorkloadSpec,
  UNTIL_DONE,
  validateEndpointSlice,
  validatePodSpec,
  validateServiceSpec,
  validateTemplate,
  validateWorkloadSpec,
} from './validation/pods.ts';
import type { Report, Violation } from './violations.ts';

const KINDS: Readonly<Record<string, string>> = schemas.kinds;
const TYPES: Types = schemas.types;

export interface AdmittedObject {
  /** The decoded object, without nulls; meaningful only without violations. */
  readonly value: unknown;
  readonly violations: readonly Violation[];
}

/** True if this file has the schema of the kind. */
export function hasSchema(apiVersion: string, kind: string): boolean {
  return Object.hasOwn(KINDS, `${apiVersion} ${kind}`);
}

interface RawObject {
  readonly metadata?: Metadata;
  readonly spec?: unknown;
}

/** Admits an object of a kind whose schema is not known: its metadata alone. Null fields are left out. */
export function admitUnknownKind(raw: Readonly<Record<string, unknown>>): AdmittedObject {
  const { value: metadata, violations } = admitMetadata(raw['metadata']);
  return { value: { ...(withoutNulls(raw) as object), metadata }, violations };
}

function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => item !== null).map(withoutNulls);
  if (!isRecord(value)) return value;
  const entries = Object.entries(value).filter(([, each]) => each !== null);
  return Object.fromEntries(entries.map(([key, each]) => [key, withoutNulls(each)]));
}

/** Admits the metadata of a custom resource. */
export function admitMetadata(raw: unknown): AdmittedObject {
  const violations: Violation[] = [];
  const report: Report = (path, message) => violations.push({ path, message });
  const value = new KindDecoder(TYPES, violations).decode({ $ref: 'meta.v1.ObjectMeta' }, raw ?? {}, [
    'metadata',
  ]);
  if (violations.length === 0) {
    validateMetadata(
      value as Metadata,
      { checkName: dnsSubdomainProblem, isNamespaced: false, anyFinalizer: true },
      report,
    );
  }
  return { value, violations };
}

/** @param isNamespaced true if objects of the kind are in a namespace */
export function admitKind(
  { apiVersion, kind, isNamespaced }: { apiVersion: string; kind: string; isNamespaced: boolean },
  raw: unknown,
): AdmittedObject {
  const violations: Violation[] = [];
  const report: Report = (path, message) => violations.push({ path, message });
  const type = KINDS[`${apiVersion} ${kind}`] ?? '';
  const value = new KindDecoder(TYPES, violations).decode({ $ref: type }, raw, []);
  // Validation assumes that every field has its type.
  if (violations.some(({ isUndecodable }) => isUndecodable === true)) return { value, violations };
  const object = value as RawObject;
  const checkName = NAMES[kind] ?? dnsSubdomainProblem;
  validateMetadata(
    object.metadata,
    { checkName, isNamespaced, anyFinalizer: ANY_FINALIZER.has(kind) },
    report,
  );
  if (kind === 'EndpointSlice') validateEndpointSlice(object as RawEndpointSlice, report);
  SPECS[kind]?.(object.spec, report);
  return { value, violations };
}

/** Kinds of API extensions, whose finalizers need no prefix. */
const ANY_FINALIZER: ReadonlySet<string> = new Set([
  'APIService',
  'CustomResourceDefinition',
  'MutatingWebhookConfiguration',
  'ValidatingWebhookConfiguration',
]);

/** A check for DNS subdomains of at most `max` characters. */
function limited(max: number): NameCheck {
  return (name) =>
    name.length > max
      ? `must be at most ${max} characters, and has ${name.length}`
      : dnsSubdomainProblem(name);
}

/** Checks of names, for kinds whose names are no DNS subdomains. */
const NAMES: Readonly<Record<string, NameCheck>> = {
  APIService: pathSegmentProblem,
  ClusterRole: pathSegmentProblem,
  ClusterRoleBinding: pathSegmentProblem,
  // Names of Jobs become labels of their pods; a CronJob appends eleven characters.
  CronJob: limited(52),
  Job: limited(63),
  Namespace: dnsLabelProblem,
  Role: pathSegmentProblem,
  RoleBinding: pathSegmentProblem,
  Service: dnsLabelProblem,
  StatefulSet: dnsLabelProblem,
};

type SpecValidator = (spec: unknown, report: Report) => void;

const workload: SpecValidator = (spec, report) => validateWorkloadSpec(spec as RawWorkloadSpec, report);

/** Validation of the spec beyond its schema, by kind. The decoder has checked the types that are asserted here. */
const SPECS: Readonly<Record<string, SpecValidator>> = {
  NetworkPolicy: (spec, report) => validateNetworkPolicySpec(spec as NetworkPolicySpec, report),
  Pod: (spec, report) => validatePodSpec(spec as RawPodSpec, ['spec'], report),
  Service: (spec, report) => validateServiceSpec(spec as RawServiceSpec, report),
  Deployment: workload,
  StatefulSet: workload,
  DaemonSet: workload,
  ReplicaSet: workload,
  Job: (spec, report) => {
    const { template, selector } = (spec ?? {}) as { template?: RawTemplate; selector?: LabelSelector };
    if (selector !== undefined) validateSelector(selector, ['spec', 'selector'], report);
    validateTemplate(template, { path: ['spec', 'template'], restartPolicies: UNTIL_DONE }, report);
  },
  CronJob: (spec, report) => {
    const { jobTemplate } = (spec ?? {}) as { jobTemplate?: { spec?: { template?: RawTemplate } } };
    const path = ['spec', 'jobTemplate', 'spec', 'template'];
    validateTemplate(jobTemplate?.spec?.template, { path, restartPolicies: UNTIL_DONE }, report);
  },
  ReplicationController: (spec, report) => {
    const { template } = (spec ?? {}) as { template?: RawTemplate };
    validateTemplate(template, { path: ['spec', 'template'], restartPolicies: ALWAYS }, report);
  },
};
