/** Policies of Kyverno that verify images: of the kinds for that, and rules of its older kinds. Pure. https://kyverno.io/docs/ */
import type { KubeObject } from '../../api/meta.ts';
import { listOf, type Raw, recordOf, selectorOf, textOf, textsOf } from '../semantics/raw.ts';
import { matches } from '../semantics/selector.ts';
import { type Claim, type ClaimOn, type Evidence, type PlacedNamespace, specOf } from './evidence.ts';
import { ALL_IMAGES, type ImageScope, kyvernoScope } from './image-scope.ts';
import { isForNewPods } from './kyverno-match.ts';
import { calledFor, hasRequirements, matchesNewPods } from './webhooks.ts';

const WEBHOOK = /(?:^|\.)(?:validate|mutate)\.kyverno\.svc/;
const NOT_CALLED = 'no webhook of Kyverno is called for the namespace';
/** Functions of the expressions of an ImageValidatingPolicy. */
const VERIFIES = /\bverify(?:Image|Attestation)Signatures\b/;

export function kyvernoClaims(evidence: Evidence): ClaimOn[] {
  const policies = [
    ...evidence.objects('ImageValidatingPolicy'),
    ...evidence.objects('NamespacedImageValidatingPolicy'),
  ].flatMap(validatingPolicy);
  const rules = [...evidence.objects('KyvernoClusterPolicy'), ...evidence.objects('KyvernoPolicy')].flatMap(
    (policy) =>
      listOf(specOf(policy)['rules'])
        .map(recordOf)
        .filter((rule) => listOf(rule['verifyImages']).length > 0)
        .map((rule) => ruleOf(policy, rule)),
  );
  const isCalled = calledFor(evidence, WEBHOOK);
  return [...policies, ...rules].map(
    ({ name, on }): ClaimOn =>
      (namespace) => {
        const claim = on(namespace);
        if (claim === undefined) return undefined;
        const by = name;
        const called = isCalled(namespace);
        if (called === 'no') return { kind: 'ineffective', by, why: NOT_CALLED };
        if (called === 'unclear' && claim.kind === 'verifies')
          return { kind: 'unclear', by, why: "Kyverno's webhook is not called for every pod" };
        return { ...claim, by };
      },
  );
}

type OwnClaim = Claim extends infer Each ? (Each extends Claim ? Omit<Each, 'by'> : never) : never;

interface Policy {
  readonly name: string;
  /** The claim, if Kyverno's webhook is called for the namespace. */
  readonly on: (namespace: PlacedNamespace) => OwnClaim | undefined;
}

function nameOf(kind: string, { metadata: { namespace, name } }: KubeObject): string {
  return `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
}

/** https://kyverno.io/docs/policy-types/image-validating-policy/ */
function validatingPolicy(policy: KubeObject): Policy[] {
  const { metadata } = policy;
  const spec = specOf(policy);
  const match = recordOf(spec['matchConstraints']);
  const { admission, mode } = recordOf(spec['evaluation']);
  // In this mode, documents are judged that are no objects of a cluster.
  if (textOf(mode) === 'JSON' || !matchesNewPods(match['resourceRules'])) return [];
  const kind = metadata.namespace === undefined ? 'ImageValidatingPolicy' : 'NamespacedImageValidatingPolicy';
  const actions = textsOf(spec['validationActions']);
  const expressions = listOf(spec['validations']).map((each) => textOf(recordOf(each)['expression']));
  const claim = (): OwnClaim => {
    if (recordOf(admission)['enabled'] === false)
      return { kind: 'ineffective', why: 'it does not judge at admission' };
    if (actions.length > 0 && !actions.includes('Deny'))
      return { kind: 'ineffective', why: `its validationActions are ${actions.join(', ')}` };
    if (!expressions.some((expression) => VERIFIES.test(expression)))
      return { kind: 'ineffective', why: 'none of its validations verifies a signature' };
    if (listOf(spec['matchConditions']).length > 0)
      return { kind: 'unclear', why: 'its matchConditions are not known here' };
    if (hasRequirements(match['objectSelector']) || matchesNewPods(match['excludeResourceRules']))
      return { kind: 'unclear', why: 'its matchConstraints are not for every pod' };
    return { kind: 'verifies', scope: referencesOf(spec) };
  };
  const isForNamespace = ({ name, labels }: PlacedNamespace) =>
    (metadata.namespace === undefined || metadata.namespace === name) &&
    matches(selectorOf(match['namespaceSelector']), labels);
  return [
    {
      name: nameOf(kind, policy),
      on: (namespace) => (isForNamespace(namespace) ? claim() : undefined),
    },
  ];
}

/** Images that an expression selects are not known here: they count as none. */
function referencesOf(spec: Raw): ImageScope {
  const references = listOf(spec['matchImageReferences']).map(recordOf);
  if (references.length === 0) return ALL_IMAGES;
  return kyvernoScope(references.map(({ glob, expression }) => textOf(glob) || textOf(expression)));
}

/** https://kyverno.io/docs/policy-types/cluster-policy/verify-images/ */
function ruleOf(policy: KubeObject, rule: Raw): Policy {
  const { namespace: own } = policy.metadata;
  const spec = specOf(policy);
  const kind = own === undefined ? 'ClusterPolicy' : 'Policy';
  return {
    name: `rule ${textOf(rule['name'])} of ${nameOf(kind, policy)}`,
    on: (namespace) => {
      if (own !== undefined && own !== namespace.name) return undefined;
      const matched = isForNewPods(rule, namespace);
      if (matched === 'no') return undefined;
      const claim = verifications(spec, rule);
      if (claim.kind !== 'verifies') return claim;
      const isConditional = ['preconditions', 'celPreconditions'].some((field) => rule[field] !== undefined);
      if (matched === 'unclear' || isConditional) return { kind: 'unclear', why: 'it is not for every pod' };
      return claim;
    },
  };
}

/** By its attestors a rule verifies; without any it only asks for digests. */
const ATTESTORS = ['attestors', 'attestations', 'key', 'roots', 'issuer', 'subject'] as const;

function verifications(spec: Raw, rule: Raw): OwnClaim {
  if (spec['admission'] === false) return { kind: 'ineffective', why: 'it does not judge at admission' };
  if (listOf(spec['validationFailureActionOverrides']).length > 0)
    return { kind: 'unclear', why: 'its validationFailureActionOverrides are not known here' };
  const verifying = listOf(rule['verifyImages'])
    .map(recordOf)
    .filter((each) => ATTESTORS.some((field) => each[field] !== undefined));
  if (verifying.length === 0) return { kind: 'ineffective', why: 'it has no attestors' };
  const enforced = verifying.filter(
    ({ failureAction }) =>
      (textOf(failureAction) || textOf(spec['validationFailureAction'])).toLowerCase() === 'enforce',
  );
  if (enforced.length === 0) return { kind: 'ineffective', why: 'its failure action is Audit' };
  const patterns = enforced
    .filter(({ skipImageReferences }) => listOf(skipImageReferences).length === 0)
    .flatMap(({ imageReferences, image }) => [...textsOf(imageReferences), ...textsOf([image])]);
  return { kind: 'verifies', scope: kyvernoScope(patterns) };
}
