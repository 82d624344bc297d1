/**
 * Ratify verifies images for Gatekeeper: constraints say for which namespaces. Those of the kind in Ratify's own library are
 * known here. Pure. https://ratify.dev/docs/
 */
import { listOf, type Raw, recordOf, selectorOf, textOf, textsOf } from '../semantics/raw.ts';
import { matches } from '../semantics/selector.ts';
import { type Answer, allOf, type ClaimOn, type Evidence, type PlacedNamespace, specOf } from './evidence.ts';
import { ALL_IMAGES } from './image-scope.ts';
import { calledFor, hasRequirements } from './webhooks.ts';

const WEBHOOK = /^validation\.gatekeeper\.sh$/;

export function ratifyClaims(evidence: Evidence): ClaimOn[] {
  const isCalled = calledFor(evidence, WEBHOOK);
  const constraints = evidence.objects('RatifyVerification');
  if (constraints.length === 0) return otherConstraints(evidence, isCalled);
  return constraints.map((constraint): ClaimOn => {
    const by = `RatifyVerification ${constraint.metadata.name}`;
    const { enforcementAction = 'deny' } = specOf(constraint);
    return (namespace) => {
      const matched = matchesPods(recordOf(specOf(constraint)['match']), namespace);
      if (matched === 'no') return undefined;
      const called = isCalled(namespace);
      if (called === 'no')
        return { kind: 'ineffective', by, why: 'no webhook of Gatekeeper is called for the namespace' };
      if (enforcementAction === 'dryrun' || enforcementAction === 'warn')
        return { kind: 'ineffective', by, why: `its enforcementAction is ${enforcementAction}` };
      if (enforcementAction !== 'deny')
        return { kind: 'unclear', by, why: `its enforcementAction is ${textOf(enforcementAction)}` };
      if (allOf([matched, called]) === 'unclear')
        return { kind: 'unclear', by, why: 'it is not for every pod' };
      return { kind: 'verifies', by, scope: ALL_IMAGES };
    };
  });
}

/** A verifier without constraints of the known kind may serve those of another. */
function otherConstraints(evidence: Evidence, isCalled: (namespace: PlacedNamespace) => Answer): ClaimOn[] {
  const [verifier] = evidence.objects('RatifyVerifier');
  if (verifier === undefined) return [];
  const by = `Verifier ${verifier.metadata.name} of Ratify`;
  return [
    (namespace) =>
      isCalled(namespace) === 'no'
        ? undefined
        : { kind: 'unclear', by, why: 'the constraint of Gatekeeper that uses it is of an unknown kind' },
  ];
}

/** https://open-policy-agent.github.io/gatekeeper/website/docs/howto/#the-match-field */
function matchesPods(match: Raw, { name, labels }: PlacedNamespace): Answer {
  const { kinds, scope, namespaces, excludedNamespaces, namespaceSelector } = match;
  const isLike = (pattern: string) => isWithin(pattern, name);
  const isMatched =
    isForPods(kinds) &&
    scope !== 'Cluster' &&
    (textsOf(namespaces).length === 0 || textsOf(namespaces).some(isLike)) &&
    !textsOf(excludedNamespaces).some(isLike) &&
    matches(selectorOf(namespaceSelector), labels);
  if (!isMatched) return 'no';
  return hasRequirements(match['labelSelector']) || textOf(match['name']) !== '' ? 'unclear' : 'yes';
}

function isForPods(kinds: unknown): boolean {
  const entries = listOf(kinds).map(recordOf);
  const has = (list: unknown, value: string) => textsOf(list).some((each) => each === value || each === '*');
  return (
    entries.length === 0 || entries.some((each) => has(each['apiGroups'], '') && has(each['kinds'], 'Pod'))
  );
}

/** Gatekeeper's patterns have `*` at their beginning or end only. */
function isWithin(pattern: string, name: string): boolean {
  const text = pattern.replace(/^\*/, '').replace(/\*$/, '');
  const [open, ends] = [pattern.startsWith('*'), pattern.endsWith('*')];
  if (open && ends) return name.includes(text);
  if (open) return name.endsWith(text);
  return ends ? name.startsWith(text) : name === text;
}
