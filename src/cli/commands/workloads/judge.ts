/**
 * Judges objects of manifests by `spec.workloads` of the profiles that select their namespaces: by the admission policies of
 * config/workloads, with the bindings that the operator would write, and by the Pod Security Standards. Pure.
 */
import type { KubeObject, StringMap } from '../../../api/meta.ts';
import type { SegmentationProfile } from '../../../api/profile.ts';
import type { PodSpec } from '../../../audit/pod-spec.ts';
import { BASELINE } from '../../../audit/pods/baseline/index.ts';
import { fieldOf, type PodCheck } from '../../../audit/pods/pod-check.ts';
import { RESTRICTED } from '../../../audit/pods/restricted/index.ts';
import { relationOf } from '../../../cluster-state/relation.ts';
import { type AdmissionPolicy, refusalsOf } from '../../../manifests/admission-policy.ts';
import type { BindingSpec } from '../../../policy/admission/binding.ts';
import { demandOf } from '../../../policy/pod-security/demand.ts';
import { levelText, MODES, type VersionedLevel } from '../../../policy/pod-security/levels.ts';
import { isLimited, workloadBindings } from '../../../policy/workloads/groups.ts';
import { AUDIT_KINDS, KNOWN_KINDS, type KnownKind } from '../../../snapshot/objects.ts';
import type { Snapshot, SnapshotNamespace } from '../../../snapshot/snapshot.ts';
import { compareText } from '../../../util/order.ts';
import { withDefaults } from './defaults.ts';
import policies from '../../generated/workload-policies.json' with { type: 'json' };

/** The effect on the object; for a workload, on its pods. */
export type Effect = 'refused' | 'warned' | 'audited';

export interface JudgedObject {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

export interface Judgement {
  readonly object: JudgedObject;
  readonly effect: Effect;
  /** The admission policy, or the label of Pod Security. */
  readonly constraint: string;
  readonly message: string;
}

const POLICIES: ReadonlyMap<string, AdmissionPolicy> = new Map(policies.map((each) => [each.name, each]));
const EFFECTS: Readonly<Record<BindingSpec['validationActions'][number], Effect>> = {
  Deny: 'refused',
  Warn: 'warned',
  Audit: 'audited',
};
const POD_SECURITY = 'pod-security.kubernetes.io/';
const MODE_EFFECTS = { enforce: 'refused', warn: 'warned', audit: 'audited' } as const;
/** The names of all constraints that a judgement may have. */
export const CONSTRAINTS: readonly string[] = [
  ...POLICIES.keys(),
  ...MODES.map((mode) => `${POD_SECURITY}${mode}`),
];
const ORDER: readonly Effect[] = ['refused', 'warned', 'audited'];

/** The judgements of all objects that manifests describe, those with the worst effect first. */
export function judgeObjects(
  snapshot: Snapshot,
  profiles: readonly SegmentationProfile[],
): { readonly judgements: readonly Judgement[]; readonly judged: readonly JudgedObject[] } {
  const judgements: Judgement[] = [];
  const judged: JudgedObject[] = [];
  for (const namespace of snapshot.namespaces) {
    const enforcing = profiles.filter(
      (profile) => relationOf(profile, namespace, snapshot.protectedNamespaces) === 'enforce',
    );
    if (enforcing.length === 0) continue;
    for (const { known, object } of objectsIn(snapshot, namespace)) {
      judged.push(named(known, object));
      judgements.push(
        ...byPolicies(known, object, enforcing, snapshot),
        ...byLevels(known, object, enforcing),
      );
    }
  }
  const rank = ({ effect }: Judgement) => ORDER.indexOf(effect);
  return {
    judged,
    judgements: judgements.sort((a, b) => rank(a) - rank(b) || compareText(keyOf(a), keyOf(b))),
  };
}

interface Described {
  readonly known: KnownKind;
  readonly object: KubeObject;
}

/** A kind of several versions is judged once. */
const JUDGED_KINDS: ReadonlyMap<string, KnownKind> = new Map(
  [...KNOWN_KINDS, ...AUDIT_KINDS]
    .filter(({ group, plural }) => isLimited(group, plural))
    .map((known) => [known.kind, known]),
);

/** The objects of the namespace that manifests describe, of all kinds that may be limited. */
function* objectsIn({ objects }: Snapshot, { name }: SnapshotNamespace): Generator<Described> {
  for (const known of JUDGED_KINDS.values()) {
    for (const object of objects.of(known.kind)) {
      const { metadata } = object;
      if (metadata.namespace === name && objects.placeOf(known.kind, metadata.name, name) !== undefined)
        yield { known, object };
    }
  }
}

/** By the bindings that the operator would write for each profile. */
function byPolicies(
  known: KnownKind,
  object: KubeObject,
  profiles: readonly SegmentationProfile[],
  { protectedNamespaces }: Snapshot,
): Judgement[] {
  const created = known.kind === 'Pod' ? withDefaults(object) : object;
  return profiles.flatMap((profile) => {
    const all = workloadBindings(profile, [...protectedNamespaces]);
    const bindings = all.filter(({ spec }) => covers(spec, known));
    const denying = all.filter(({ spec }) => spec.validationActions.includes('Deny'));
    const denied = new Set(denying.map(({ spec }) => spec.policyName));
    return bindings.flatMap(({ spec: { policyName, validationActions } }) => {
      const policy = POLICIES.get(policyName);
      const [action = 'Deny'] = validationActions;
      // Under Enforce, a workload is only warned of; its pods are refused.
      const effect = denied.has(policyName) ? 'refused' : EFFECTS[action];
      const messages =
        policy === undefined
          ? []
          : refusalsOf(policy, { kind: known.kind, object: created, params: profile });
      return messages.map((message) => ({
        object: named(known, object),
        effect,
        constraint: policyName,
        message,
      }));
    });
  });
}

function covers(
  { matchResources: { resourceRules = [] } }: BindingSpec,
  { group, plural }: KnownKind,
): boolean {
  return resourceRules.some(
    ({ apiGroups, resources, operations }) =>
      apiGroups.includes(group) && resources.includes(plural) && operations.includes('CREATE'),
  );
}

/** By the levels that all profiles together ask for. A violation is told once, with its worst effect. */
function byLevels(
  known: KnownKind,
  object: KubeObject,
  profiles: readonly SegmentationProfile[],
): Judgement[] {
  const { namespace = '' } = object.metadata;
  const demand = demandOf(profiles, namespace);
  const pod = podOf(object);
  if (demand === undefined || pod === undefined) return [];
  const judgements = new Map<string, Judgement>();
  for (const mode of [...MODES].sort(
    (a, b) => ORDER.indexOf(MODE_EFFECTS[a]) - ORDER.indexOf(MODE_EFFECTS[b]),
  )) {
    const level = demand.levels[mode];
    if (level === undefined) continue;
    const constraint = `${POD_SECURITY}${mode}`;
    for (const text of violations(level, { ...pod, workload: named(known, object) })) {
      if (judgements.has(text)) continue;
      const message = `Pod Security ${levelText(level)}: ${text}`;
      judgements.set(text, { object: named(known, object), effect: MODE_EFFECTS[mode], constraint, message });
    }
  }
  return [...judgements.values()];
}

type JudgedPod = Parameters<PodCheck['judge']>[0];

function violations({ level }: VersionedLevel, pod: Omit<JudgedPod, 'settings'>): string[] {
  const checks = [...Object.values(BASELINE), ...(level === 'restricted' ? Object.values(RESTRICTED) : [])];
  return checks.flatMap((check) =>
    check
      .judge({ ...pod, settings: { registries: [] } })
      .map(({ path, message }) => `${fieldOf(pod.workload, path)}: ${message}`),
  );
}

interface Template {
  readonly metadata?: { readonly annotations?: StringMap };
  readonly spec?: PodSpec;
}

interface PodMaker extends KubeObject {
  readonly spec?: PodSpec & {
    readonly template?: Template;
    readonly jobTemplate?: { readonly spec?: { readonly template?: Template } };
  };
}

/** The pod that the object is or makes; undefined if it makes none. */
function podOf(object: PodMaker): { readonly spec: PodSpec; readonly annotations: StringMap } | undefined {
  const { spec } = object;
  const template = spec?.jobTemplate?.spec?.template ?? spec?.template;
  const { metadata, spec: podSpec } = template ?? { metadata: object.metadata, spec };
  if (podSpec?.containers === undefined) return undefined;
  return { spec: podSpec, annotations: metadata?.annotations ?? {} };
}

function named({ kind }: KnownKind, { metadata: { namespace = '', name } }: KubeObject): JudgedObject {
  return { kind, namespace, name };
}

function keyOf({ object: { namespace, kind, name }, constraint, message }: Judgement): string {
  return [namespace, kind, name, constraint, message].join(' ');
}
