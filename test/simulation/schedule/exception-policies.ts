/** The exceptions that are in force for a combination of inputs, with their policies. Pure. */
import type { SegmentationException } from '../../../src/api/exception.ts';
import type { KubeObject } from '../../../src/api/meta.ts';
import { LABEL_EXCEPTION, LABEL_PROFILE } from '../../../src/api/names.ts';
import { DIRECTIONS, type NetworkPolicy, type PolicyType } from '../../../src/api/network-policy.ts';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import {
  compileException,
  type CompiledException,
  type Granted,
} from '../../../src/policy/exceptions/compile.ts';
import { judge, type Verdict } from '../../../src/policy/exceptions/judge.ts';
import { lastKnownFrom } from '../../../src/policy/peers/last-known.ts';
import { isolatesAll } from '../../../src/policy/planning/effect.ts';
import { isTransitionalCover } from '../../../src/policy/planning/transition.ts';
import { PROFILES } from './actions.ts';
import { cached, type Combination, selects } from './combination.ts';
import { isHeldPolicy } from './forms.ts';

type Policies = readonly NetworkPolicy[];

export interface ExceptionInForce extends CompiledException {
  readonly exception: SegmentationException;
  /** The name of the profile that grants it. */
  readonly profile: string;
}

/** The verdict on each exception of the namespace. @param base the policies that held profiles have */
export function verdicts(
  { exceptions, profiles, labels, now }: Combination,
  namespace: string,
  base: Policies,
): Map<SegmentationException, Verdict> {
  if (labels === undefined || exceptions.length === 0) return new Map();
  const granting = profiles.flatMap(({ asItIs, profile, isHeld }, index) => {
    if (asItIs === undefined) return [];
    const name = PROFILES[index] ?? '';
    // A held profile grants exceptions as it is, also where it has policies and does not select the namespace any more. It
    // isolates what its policies isolate.
    const form = isHeld ? isolating(asItIs, isolationBy(base, name)) : profile;
    if (form === undefined) return [];
    const isPresent = isHeld && base.some((each) => isOf(each, name));
    return isPresent || selects(form, namespace, labels) ? [form] : [];
  });
  return judge(exceptions, granting.filter(isWanted), now);
}

/** The directions in which the profile's own policies isolate every pod. */
function isolationBy(base: Policies, profile: string): readonly PolicyType[] {
  const own = base.filter((each) => isHeldPolicy(each, profile) && !isTransitionalCover(each));
  return DIRECTIONS.filter((direction) => own.some(({ spec }) => isolatesAll(spec, direction)));
}

/** Compiled policies are cached by the identity of the profile. */
const isolatingForms = new WeakMap<SegmentationProfile, Map<string, SegmentationProfile>>();

function isolating(profile: SegmentationProfile, isolation: readonly PolicyType[]): SegmentationProfile {
  const forms = cached(isolatingForms, profile, () => new Map<string, SegmentationProfile>());
  const known = forms.get(isolation.join());
  const form = known ?? { ...profile, spec: { ...profile.spec, isolation } };
  forms.set(isolation.join(), form);
  return form;
}

/** True for a policy of the profile, or of an exception that it grants. */
function isOf(policy: NetworkPolicy, profile: string): boolean {
  return policy.metadata.labels?.[LABEL_PROFILE] === profile || isHeldPolicy(policy, profile);
}

function isWanted({ metadata, spec }: SegmentationProfile): boolean {
  return metadata.deletionTimestamp === undefined || spec.deletionPolicy === 'Retain';
}

/** The exceptions in force. @param base the policies from which last known peers are read, too */
export function exceptionsInForce(
  combination: Combination,
  namespace: string,
  base: Policies,
): ExceptionInForce[] {
  return [...verdicts(combination, namespace, base)].flatMap(([exception, verdict]) =>
    verdict.kind === 'in-force'
      ? [
          {
            exception,
            profile: verdict.profile.metadata.name,
            ...compiled(exception, verdict, { combination, namespace, base }),
          },
        ]
      : [],
  );
}

interface Place {
  readonly combination: Combination;
  readonly namespace: string;
  readonly base: Policies;
}

/** By the identity of facts, namespace labels and profile, then by namespace, exception and end. */
const compilations = new WeakMap<object, WeakMap<object, WeakMap<object, Map<string, CompiledException>>>>();

function compiled(exception: SegmentationException, granted: Granted, place: Place): CompiledException {
  const { combination, namespace, base } = place;
  const { facts, labels = {} } = combination;
  const byLabels = cached(compilations, facts, () => new WeakMap());
  const byProfile = cached(byLabels, labels, () => new WeakMap());
  const known = cached(byProfile, granted.profile, () => new Map());
  const { uid, generation } = exception.metadata;
  const key = `${namespace} ${uid} ${generation} ${granted.end}`;
  const context = { namespace: { name: namespace, labels }, cluster: facts };
  let result = known.get(key);
  if (result === undefined) known.set(key, (result = compileException(exception, granted, context)));
  // Last known peers matter only to unresolved peers.
  if (result.unresolved.length === 0) return result;
  return compileException(exception, granted, { ...context, lastKnown: lastKnownFrom(base) });
}

export function isOfException({ metadata }: Pick<KubeObject, 'metadata'>): boolean {
  return metadata.labels?.[LABEL_EXCEPTION] !== undefined;
}
