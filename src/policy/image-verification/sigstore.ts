/**
 * ClusterImagePolicies of sigstore's policy-controller, whose webhook is called for namespaces that ask for it by a label.
 * Pure. https://docs.sigstore.dev/policy-controller/overview/
 */
import type { KubeObject } from '../../api/meta.ts';
import { listOf, recordOf, textOf } from '../semantics/raw.ts';
import { type Answer, anyOf, type ClaimOn, type Evidence, specOf } from './evidence.ts';
import { sigstoreScope } from './image-scope.ts';
import { calledFor, hasRequirements } from './webhooks.ts';

const WEBHOOK = /(?:^|\.)policy\.sigstore\.dev$/;

export function sigstoreClaims(evidence: Evidence): ClaimOn[] {
  const isCalled = calledFor(evidence, WEBHOOK);
  return evidence.objects('ClusterImagePolicy').map((policy): ClaimOn => {
    const by = `ClusterImagePolicy ${policy.metadata.name}`;
    const flaw = flawOf(policy);
    const isForPods = judgesPods(policy);
    const globs = listOf(specOf(policy)['images']).map((image) => textOf(recordOf(image)['glob']));
    return (namespace) => {
      if (isForPods === 'no') return undefined;
      const called = isCalled(namespace);
      if (called === 'no')
        return {
          kind: 'ineffective',
          by,
          why: 'no webhook of policy-controller is called for the namespace: label it policy.sigstore.dev/include: "true"',
        };
      if (flaw !== undefined) return { kind: 'ineffective', by, why: flaw };
      if (called === 'unclear')
        return { kind: 'unclear', by, why: 'the webhook of policy-controller is not called for every pod' };
      if (isForPods === 'unclear') return { kind: 'unclear', by, why: 'its match is not for every pod' };
      return { kind: 'verifies', by, scope: sigstoreScope(globs) };
    };
  });
}

/** Why the policy refuses no image; undefined if it does. */
function flawOf(policy: KubeObject): string | undefined {
  const { mode, authorities } = specOf(policy);
  if (mode === 'warn') return 'it only warns';
  const passes = (authority: unknown) => recordOf(recordOf(authority)['static'])['action'] === 'pass';
  return listOf(authorities).some(passes) ? 'an authority passes every image' : undefined;
}

/** Without `match`, a policy is for all kinds. */
function judgesPods(policy: KubeObject): Answer {
  const entries = listOf(specOf(policy)['match']).map(recordOf);
  if (entries.length === 0) return 'yes';
  return anyOf(
    entries
      .filter(({ group, resource }) => textOf(group) === '' && resource === 'pods')
      .map(({ selector }) => (hasRequirements(selector) ? 'unclear' : 'yes')),
  );
}
