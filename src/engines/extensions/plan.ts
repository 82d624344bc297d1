/**
 * The writes that lead from the observed extensions of a namespace to the desired ones. Pure.
 *
 * An extension only adds: it isolates no pod. So these writes need no order among themselves, but one beside the plan of the
 * NetworkPolicies: `widen` comes before it, and `narrow` after it. On an engine whose policies isolate, the plan of the
 * NetworkPolicies has a place for each (`Companions`). At every prefix of the three together,
 *   I1 never wider: an extension allows what it allowed before, or what the desired ones allow;
 *   I2 never cut:   what the observed or the desired extensions allow is allowed while NetworkPolicies change. A flow that an
 *                   extension ceases to allow, and that a NetworkPolicy or the lack of isolation allows from now on, is
 *                   handed over; so is the reverse.
 * A plan from any prefix has the same guarantees: what was added is desired, and what is left over is deleted at the end.
 */
import type { KubeObject, ObjectMeta, StringMap } from '../../api/meta.ts';
import {
  alternativeName,
  ANNOTATION_DIGESTS,
  ANNOTATION_RULES,
  LABEL_PROFILE,
  OWN_LABELS,
} from '../../api/names.ts';
import type { PolicyType } from '../../api/network-policy.ts';
import type { ExtensionPolicy } from '../../policy/extensions.ts';
import { formatNotes, notesOf, type RuleNote } from '../../policy/notes.ts';
import { exceptionNameOf, withOwnerLabels } from '../../policy/ownership.ts';
import { isOwnReference } from '../../policy/semantics/normalize.ts';
import { updatedMetadata } from '../../policy/planning/updated-metadata.ts';
import { canonicalJSON } from '../../util/canonical-json.ts';
import { byKey } from '../../util/order.ts';
import type { ObjectStep } from '../object-step.ts';
import { isAsWritten, withDigests, writtenRules } from '../digests.ts';
import type { ExtensionEngine, ExtensionFrame } from './engine.ts';

export interface ExtensionPlan {
  /** To be carried out before the plan of the NetworkPolicies. */
  readonly widen: readonly ObjectStep[];
  /** To be carried out after it. */
  readonly narrow: readonly NarrowingStep[];
}

/** An object is deleted, or updated from the form that `widen` left. */
export type NarrowingStep = Exclude<ObjectStep, { verb: 'create' }>;

export interface ExtensionPlanContext {
  readonly engine: ExtensionEngine;
  /** The profile that owns an observed object; undefined for a foreign one. */
  readonly ownerOf: (object: KubeObject) => string | undefined;
  /** Profiles whose observed extensions stay as they are, but for those of exceptions that are over. */
  readonly kept: ReadonlySet<string>;
  /** Directions in which no observed extension is deleted; absent: none. */
  readonly staying?: readonly PolicyType[] | undefined;
  /**
   * False while the kind can't be written. Then desired objects stay as they are: an older definition hides fields of them, so
   * that their rules can't be read.
   */
  readonly isWritable?: boolean;
}

/** @param observed all objects of the engine's kind in the namespace */
export function planExtensions(
  observed: readonly KubeObject[],
  desired: readonly ExtensionPolicy[],
  { engine, ownerOf, kept, staying = [], isWritable = true }: ExtensionPlanContext,
): ExtensionPlan {
  const owned = observed.map((object) => ({ object, owner: ownerOf(object) }));
  const taken = new Set(
    owned.flatMap(({ object, owner }) => (owner === undefined ? object.metadata.name : [])),
  );
  const named = desired.map((policy) => ({ policy, name: freeName(policy, taken, engine) }));
  const wanted = new Set(named.map(({ name }) => name));
  const isStaying = (object: KubeObject) => {
    const direction = staying.length === 0 ? undefined : engine.read(object)?.frame.direction;
    return direction !== undefined && staying.includes(direction) && !wanted.has(object.metadata.name);
  };
  const isKept = (object: KubeObject, owner: string) =>
    (kept.has(owner) && !isEndedException(object, wanted)) || isStaying(object);
  const own = new Map(
    owned.flatMap(({ object, owner }): [string, KubeObject][] =>
      owner === undefined || isKept(object, owner) ? [] : [[object.metadata.name, object]],
    ),
  );
  const widen: ObjectStep[] = [];
  const narrow: NarrowingStep[] = [];
  for (const { policy, name } of named) {
    if (kept.has(policy.metadata.labels?.[LABEL_PROFILE] ?? '')) continue;
    const before = own.get(name) ?? earlierForm(policy, { own, wanted, engine });
    if (before !== undefined) own.delete(before.metadata.name);
    if (!isWritable) continue;
    const noted = wantedOf({ ...policy, metadata: { ...policy.metadata, name } }, before, engine);
    if (noted === 'unreadable') continue;
    const isCreated = before?.metadata.name !== name && noted.rules.length > 0;
    if (isCreated) widen.push({ verb: 'create', object: objectOf(noted, engine) });
    if (before === undefined) continue;
    if (isCreated || noted.rules.length === 0) narrow.push({ verb: 'delete', before });
    else planUpdate(noted, before, { engine, widen, narrow });
  }
  for (const before of own.values()) narrow.push({ verb: 'delete', before });
  for (const { object: before, owner } of isWritable ? owned : []) {
    if (owner === undefined || !isKept(before, owner) || !isAsWritten(before)) continue;
    // Somebody may have removed the labels that tell whose it is; after a restart, nothing else may.
    const object = withOwnerLabels(before, owner);
    if (object !== before) narrow.push({ verb: 'update', object, before });
  }
  return { widen, narrow };
}

/** True for an object of an exception that is over: it ends also where the other objects of its profile stay. */
function isEndedException({ metadata }: KubeObject, wanted: ReadonlySet<string>): boolean {
  return exceptionNameOf(metadata) !== undefined && !wanted.has(metadata.name);
}

/** The name of the object, or its first free alternative name; always the same one. */
function freeName(
  { metadata }: ExtensionPolicy,
  taken: ReadonlySet<string>,
  { namePrefix = '' }: ExtensionEngine,
): string {
  let { name } = metadata;
  while (taken.has(namePrefix + name)) name = alternativeName(metadata.labels?.[LABEL_PROFILE] ?? '', name);
  return namePrefix + name;
}

/**
 * An own object that the policy had under another name: for other pods, or under an alternative name while a foreign object had
 * its own. It has the same labels and direction, and no desired policy has its name.
 */
function earlierForm(
  { metadata: { labels = {} }, direction }: ExtensionPolicy,
  {
    own,
    wanted,
    engine,
  }: { own: ReadonlyMap<string, KubeObject>; wanted: ReadonlySet<string>; engine: ExtensionEngine },
): KubeObject | undefined {
  const ofPolicy = canonicalJSON(picked(labels, OWN_LABELS));
  return [...own.values()].find((object) => {
    const { name, labels: found = {} } = object.metadata;
    if (wanted.has(name) || canonicalJSON(picked(found, OWN_LABELS)) !== ofPolicy) return false;
    const { frame } = engine.read(object) ?? {};
    return frame === undefined || frame.direction === direction;
  });
}

interface NotedObject {
  readonly metadata: ObjectMeta;
  readonly frame: ExtensionFrame;
  readonly rules: readonly NotedRule[];
}

interface NotedRule {
  readonly rule: object;
  readonly note: RuleNote | undefined;
}

/**
 * The desired object, with the last known rules of peers that are unresolved. `unreadable`: one of these is not as it was
 * written, so that the observed object has to stay; unless somebody has made another object of it, which is replaced by the
 * rules that are known.
 */
function wantedOf(
  policy: ExtensionPolicy,
  before: KubeObject | undefined,
  engine: ExtensionEngine,
): NotedObject | 'unreadable' {
  const { frame, rules } = engine.compile(policy);
  const isUnresolved = (note: RuleNote | undefined) =>
    policy.unresolved.some(({ rule, peer }) => note?.rule === rule && note.peer === peer);
  const isEarlier = before !== undefined && before.metadata.name !== policy.metadata.name;
  const known = before && rulesOf(before, (isEarlier && engine.read(before)?.frame) || frame, engine);
  const kept = (known?.rules ?? []).filter(({ note }) => isUnresolved(note));
  const noted = before === undefined ? [] : notesOf(before).filter(isUnresolved);
  if (kept.length < noted.length && (known?.isRead === true || rules.length === 0)) return 'unreadable';
  return { metadata: policy.metadata, frame, rules: distinct([...rules, ...kept]) };
}

interface KnownRules {
  readonly rules: readonly NotedRule[];
  /** False if the object is not as the engine makes it. */
  readonly isRead: boolean;
  readonly isOfFrame: boolean;
}

/** The rules of an observed object that are as they were written for the pods and direction of this frame. */
function rulesOf(object: KubeObject, frame: ExtensionFrame, engine: ExtensionEngine): KnownRules {
  const found = engine.read(object);
  if (found === undefined) return { rules: [], isRead: false, isOfFrame: false };
  const isOfFrame = canonicalJSON(found.frame) === canonicalJSON(frame);
  const isWritten = writtenRules(object) ?? (() => isOfFrame);
  const notes = notesOf(object);
  const rules = found.rules
    .map((rule, index) => ({ rule, note: notes[index] }))
    .filter(({ rule }) => isWritten({ frame, rule }));
  return { rules, isRead: true, isOfFrame };
}

/** Plans a single write if the object only gains or only loses rules; else first its union, then its final form. */
function planUpdate(
  wanted: NotedObject,
  before: KubeObject,
  { engine, widen, narrow }: { engine: ExtensionEngine; widen: ObjectStep[]; narrow: NarrowingStep[] },
): void {
  const final = updated(wanted, before, engine);
  if (isSame(before, final)) return;
  const { rules: observed, isOfFrame } = rulesOf(before, wanted.frame, engine);
  const keys = (rules: readonly NotedRule[]) => new Set(rules.map(({ rule }) => canonicalJSON(rule)));
  const gains = !isOfFrame || !keys(wanted.rules).isSubsetOf(keys(observed));
  const loses = !keys(observed).isSubsetOf(keys(wanted.rules));
  if (!loses) widen.push({ verb: 'update', object: final, before });
  else if (!gains) narrow.push({ verb: 'update', object: final, before });
  else {
    const union = { ...wanted, rules: distinct([...observed, ...wanted.rules]) };
    widen.push({ verb: 'update', object: updated(union, before, engine), before });
    narrow.push({ verb: 'update', object: final, before });
  }
}

/** Rules by what they allow and for whom, in an order of their own: an object with the same rules is the same. */
function distinct(rules: readonly NotedRule[]): NotedRule[] {
  const byText = new Map(rules.map((each) => [canonicalJSON(each), each]));
  return [...byText].sort(byKey).map(([, each]) => each);
}

function updated(wanted: NotedObject, before: KubeObject, engine: ExtensionEngine): KubeObject {
  const object = objectOf(wanted, engine);
  return { ...object, metadata: updatedMetadata(before.metadata, object.metadata) };
}

function objectOf({ metadata, frame, rules }: NotedObject, engine: ExtensionEngine): KubeObject {
  const [first, ...more] = rules.map(({ rule }) => rule);
  if (first === undefined) throw new Error(`${metadata.name} has no rule`);
  const annotations = { [ANNOTATION_RULES]: formatNotes(rules.map(({ note }) => note)) };
  const object = { ...engine.withRules(frame, [first, ...more]), metadata: { ...metadata, annotations } };
  return withDigests(
    object,
    rules.map(({ rule }) => ({ frame, rule })),
  );
}

/** True if spec, own labels, own annotations and own ownerReferences are equal. */
function isSame(before: KubeObject, wanted: KubeObject): boolean {
  return ownParts(before) === ownParts(wanted);
}

function ownParts(object: KubeObject & { spec?: unknown; specs?: unknown }): string {
  const { metadata, spec, specs } = object;
  const { labels = {}, annotations = {}, ownerReferences = [] } = metadata;
  return canonicalJSON([
    spec,
    specs ?? null,
    picked(labels, OWN_LABELS),
    picked(annotations, [ANNOTATION_RULES, ANNOTATION_DIGESTS]),
    ownerReferences.filter(isOwnReference).map(({ uid, name }) => `${uid} ${name}`),
  ]);
}

function picked(map: StringMap, keys: readonly string[]): (string | null)[] {
  return keys.map((key) => map[key] ?? null);
}
