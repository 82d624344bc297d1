/** Reads the CRD in crds/ as JSON schema, for the generators of types and of documentation. */
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { parse } from 'yaml';
import type { Schema } from '../../src/manifests/custom-resources/admit.ts';

export const CRD_PATH = 'crds/segmentation.dev_segmentationprofiles.yaml';

/** A node of the CRD's structural schema, with the keywords that generators read beside those of validators. */
export interface SchemaNode extends Schema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'boolean' | 'number';
  readonly description?: string;
  readonly format?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: SchemaNode;
  readonly items?: SchemaNode;
  readonly 'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
}

/**
 * The types that get a name, each with the path of one occurrence. Every other node of the same shape has the same type,
 * even with another description.
 */
export const NAMED = {
  SegmentationProfileSpec: 'spec',
  SegmentationProfileStatus: 'status',
  Mode: 'spec.mode',
  DeletionPolicy: 'spec.deletionPolicy',
  Direction: 'spec.isolation[]',
  Baseline: 'spec.baseline',
  Allowance: 'spec.baseline.dns',
  MeshOverlay: 'spec.mesh',
  Admission: 'spec.admission',
  Workloads: 'spec.workloads',
  WorkloadAction: 'spec.workloads.images.action',
  ImageLimits: 'spec.workloads.images',
  ResourceLimits: 'spec.workloads.resources',
  ServiceAccountLimits: 'spec.workloads.serviceAccounts',
  ExposureLimits: 'spec.workloads.exposure',
  LoadBalancerLimits: 'spec.workloads.exposure.loadBalancer',
  PrivilegedLimits: 'spec.workloads.privileged',
  PodSecurity: 'spec.workloads.podSecurity',
  Rollout: 'spec.rollout',
  Wave: 'spec.rollout.waves[]',
  Gates: 'spec.rollout.gates',
  WorkloadGate: 'spec.rollout.gates.workloads',
  QueryGate: 'spec.rollout.gates.prometheus[]',
  Guard: 'spec.guard',
  GuardMode: 'spec.guard.mode',
  ExceptionGrant: 'spec.exceptions',
  ExceptionMode: 'spec.exceptions.mode',
  PeerKind: 'spec.exceptions.peers[]',
  IngressRule: 'spec.ingress[]',
  EgressRule: 'spec.egress[]',
  Connection: 'spec.connections[]',
  NamespaceScope: 'spec.ingress[].inNamespaces',
  Peer: 'spec.ingress[].from[]',
  LabelSelector: 'spec.namespaceSelector',
  LabelSelectorRequirement: 'spec.namespaceSelector.matchExpressions[]',
  SelectorOperator: 'spec.namespaceSelector.matchExpressions[].operator',
  IPBlock: 'spec.ingress[].from[].ipBlock',
  ServiceReference: 'spec.ingress[].from[].service',
  Entity: 'spec.ingress[].from[].entity',
  Port: 'spec.ingress[].ports[]',
  Protocol: 'spec.ingress[].ports[].protocol',
  Condition: 'status.conditions[]',
  ConditionStatus: 'status.conditions[].status',
  NamespaceCounts: 'status.namespaces',
  PolicyCounts: 'status.policies',
  Failure: 'status.failures[]',
  AdmissionFindings: 'status.admission',
  WideningPolicy: 'status.admission.policies[]',
  WorkloadFindings: 'status.workloads',
  GroupFindings: 'status.workloads.groups[]',
  ViolatingObject: 'status.workloads.groups[].examples[]',
  PodSecurityStatus: 'status.podSecurity',
  GuardStatus: 'status.guard',
  RestrictedPolicy: 'status.guard.policies[]',
  RolloutStatus: 'status.rollout',
  RevisionInForce: 'status.rollout.inForce[]',
  GateReadings: 'status.rollout.gates',
  RolloutFailure: 'status.rollout.failure',
};

/** Names of types in the CRD of SegmentationException, by path. Types that both kinds have are named alike. */
export const NAMED_OF_EXCEPTION = {
  SegmentationExceptionSpec: 'spec',
  SegmentationExceptionStatus: 'status',
  Approval: 'spec.approval',
  Notice: 'status.notice',
  ...Object.fromEntries(
    (
      [
        'IngressRule',
        'EgressRule',
        'Connection',
        'Peer',
        'IPBlock',
        'ServiceReference',
        'Entity',
        'Port',
        'Protocol',
        'Condition',
        'ConditionStatus',
      ] as const
    ).map((name) => [name, NAMED[name]]),
  ),
  LabelSelector: 'spec.ingress[].podSelector',
  LabelSelectorRequirement: 'spec.ingress[].podSelector.matchExpressions[]',
  SelectorOperator: 'spec.ingress[].podSelector.matchExpressions[].operator',
};

/** The names of types that have the same shape in the schemas of both kinds. */
export function sharedTypes(profile: SchemaNode, exception: SchemaNode): string[] {
  return Object.entries(NAMED_OF_EXCEPTION).flatMap(([name, path]) => {
    const other = (NAMED as TypePaths)[name];
    const isSame =
      other !== undefined &&
      isDeepStrictEqual(shapeOf(nodeAt(exception, path)), shapeOf(nodeAt(profile, other)));
    return isSame ? [name] : [];
  });
}

/** Names of types, each with the path of one occurrence. */
export type TypePaths = Readonly<Record<string, string>>;

interface CustomResourceDefinition {
  readonly spec: {
    readonly versions: readonly {
      readonly name: string;
      readonly schema: { readonly openAPIV3Schema: SchemaNode };
    }[];
  };
}

/** The schema of the only version in the CRD file at `path`. */
export function readSchema(path: string): SchemaNode {
  return schemaOf(path, readFileSync(path, 'utf8'));
}

/** The schema of the only version in the text of a CRD; `path` is for messages. */
export function schemaOf(path: string, text: string): SchemaNode {
  const crd = parse(text) as CustomResourceDefinition;
  const [version, ...others] = crd.spec.versions;
  if (version === undefined || others.length > 0) throw new Error(`${path}: exactly one version is expected`);
  return version.schema.openAPIV3Schema;
}

/**
 * The node at a path of field names, where `[]` steps into the items of a list: `spec.ingress[].from`.
 * Throws if there is no such node.
 */
export function nodeAt(root: SchemaNode, path: string): SchemaNode {
  let node: SchemaNode | undefined = root;
  for (const step of path.replaceAll('[]', '.[]').split('.')) {
    node = step === '[]' ? node?.items : node?.properties?.[step];
  }
  if (node === undefined) throw new Error(`the schema has no field ${path}`);
  return node;
}

/** The fields that every admitted object has: required ones, and those with a default. */
export function guaranteedFields(node: SchemaNode): Set<string> {
  const names = new Set(node.required);
  for (const [name, field] of Object.entries(node.properties ?? {})) {
    if (field.default !== undefined) names.add(name);
  }
  for (const name of demandedFields(node)) names.add(name);
  return names;
}

/** The fields that a rule `has(self.field)` requires, with a message better than "Required value". */
export function demandedFields(node: SchemaNode): string[] {
  return (node['x-kubernetes-validations'] ?? []).flatMap(({ rule }) => {
    const field = /^has\(self\.(\w+)\)$/.exec(rule)?.[1];
    return field === undefined ? [] : [field];
  });
}

/** A function from a node to the name of its type; undefined for a type without a name. */
export function typeNames(
  root: SchemaNode,
  named: TypePaths = NAMED,
): (node: SchemaNode) => string | undefined {
  const types = Object.entries(named).map(([name, path]) => ({ name, shape: shapeOf(nodeAt(root, path)) }));
  return (node) => types.find(({ shape }) => isDeepStrictEqual(shape, shapeOf(node)))?.name;
}

/** The node without its own description and default, which can differ between two uses of a type. */
function shapeOf(node: SchemaNode): SchemaNode {
  const { description: _description, default: _default, ...shape } = node;
  return shape;
}
