/** The objects of guards: their names, labels and owner. Pure. */
import type { KubeObject } from '../../api/meta.ts';
import {
  alternativeName,
  ANNOTATION_DIGESTS,
  API_VERSION,
  guardName,
  KIND,
  LABEL_MANAGED_BY,
  LABEL_PROFILE,
  LABEL_ROLE,
  MANAGER,
  OWN_LABELS,
} from '../../api/names.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import { DIRECTIONS, type PolicyType } from '../../api/network-policy.ts';
import type { GuardKind } from '../engine.ts';
import { updatedMetadata } from '../../policy/planning/updated-metadata.ts';
import { isProfileReference } from '../../policy/semantics/normalize.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import { type FramedRule, isAsWritten, withDigests, writtenRules } from '../digests.ts';
import type { GuardCarrier, GuardForm } from './carrier.ts';
import type { PlacedGuard } from './priority.ts';

/** The kind that carries guards, and their priorities. */
export interface GuardSetting {
  readonly kind: GuardKind;
  readonly firstPriority: number;
  readonly lastPriority: number;
}

/** The name of a profile's guard, or its first alternative name that no foreign object has. */
export function freeGuardName(
  profile: string,
  foreign: ReadonlySet<string>,
  { namePrefix = '' }: Pick<GuardCarrier, 'namePrefix'>,
): string {
  let name = guardName(profile);
  while (foreign.has(namePrefix + name)) name = alternativeName(profile, name);
  return namePrefix + name;
}

export interface GuardIdentity {
  readonly name: string;
  readonly apiVersion: string;
  /** The meaning of the object. */
  readonly form: GuardForm;
}

/**
 * The object of a guard. It goes with its profile, also if that retains its policies: nobody would keep it as wide as these.
 *
 * @param made as the carrier makes it
 */
export function guardObject(
  made: KubeObject,
  { metadata: { name: profile, uid } }: SegmentationProfile,
  { name, apiVersion, form }: GuardIdentity,
): KubeObject {
  const owner = {
    apiVersion: API_VERSION,
    kind: KIND,
    name: profile,
    controller: true,
    blockOwnerDeletion: false,
  };
  const object = {
    ...made,
    apiVersion,
    metadata: {
      name,
      labels: { [LABEL_MANAGED_BY]: MANAGER, [LABEL_PROFILE]: profile, [LABEL_ROLE]: 'guard' },
      ...(uid !== undefined && { ownerReferences: [{ ...owner, uid }] }),
    },
  };
  return withDigests(object, framedRules(form));
}

/** The object that replaces the observed one: what others have added to its metadata stays. */
export function replacedGuard(object: KubeObject, before: KubeObject): KubeObject {
  return { ...object, metadata: updatedMetadata(before.metadata, object.metadata) };
}

/** The observed object with the labels and the owner of a guard; its spec stays, and what it says of the rules that were written. */
export function reclaimedGuard(before: KubeObject, profile: SegmentationProfile): KubeObject {
  const { apiVersion = '', metadata } = before;
  const form: GuardForm = { subject: {}, rules: {} };
  const { metadata: wanted } = guardObject(before, profile, { name: metadata.name, apiVersion, form });
  const { [ANNOTATION_DIGESTS]: _, ...others } = wanted.annotations ?? {};
  const digests = metadata.annotations?.[ANNOTATION_DIGESTS];
  const annotations = { ...others, ...(digests !== undefined && { [ANNOTATION_DIGESTS]: digests }) };
  return replacedGuard({ ...before, metadata: { ...wanted, annotations } }, before);
}

/**
 * The part of an observed form that is as it was written, and whether that is all that was written. An older definition hides
 * fields of passes, which then pass more.
 */
export function writtenForm(
  object: KubeObject,
  form: GuardForm,
): { readonly form: GuardForm; readonly isWhole: boolean } {
  const isWritten = writtenRules(object) ?? (() => true);
  const rules: Partial<Record<PolicyType, readonly object[]>> = {};
  for (const direction of DIRECTIONS) {
    const observed = form.rules[direction];
    if (observed === undefined) continue;
    rules[direction] = observed.filter((rule) => isWritten(framedRule(form, direction, rule)));
  }
  return { form: { subject: form.subject, rules }, isWhole: isAsWritten(object) };
}

function framedRules(form: GuardForm): FramedRule[] {
  return DIRECTIONS.flatMap((direction) =>
    (form.rules[direction] ?? []).map((rule) => framedRule(form, direction, rule)),
  );
}

/** The name of a rule means nothing. */
function framedRule({ subject }: GuardForm, direction: PolicyType, rule: object): FramedRule {
  return { frame: [subject, direction], rule: { ...rule, name: undefined } };
}

/** The guards of other profiles, as their objects have them. */
export function placedGuards(
  objects: readonly KubeObject[],
  carrier: Pick<GuardCarrier, 'read' | 'rankOf'>,
): PlacedGuard[] {
  return objects.flatMap((object) => {
    const guard = carrier.read(object);
    const priority = guard?.priority ?? carrier.rankOf(object)?.priority;
    return priority === undefined ? [] : [{ priority, subject: guard?.form.subject }];
  });
}

/** True if spec, own labels, own annotation and owner are equal. */
export function isSameGuard(before: KubeObject, wanted: KubeObject): boolean {
  return ownParts(before) === ownParts(wanted);
}

function ownParts({ metadata, spec }: KubeObject & { spec?: unknown }): string {
  const { labels = {}, annotations = {}, ownerReferences = [] } = metadata;
  const owners = ownerReferences.filter(isProfileReference).map(({ uid, name }) => `${uid} ${name}`);
  return canonicalJSON([
    spec,
    OWN_LABELS.map((key) => labels[key] ?? null),
    annotations[ANNOTATION_DIGESTS] ?? null,
    owners,
  ]);
}
