import { type Raw, textsOf } from '../../../policy/semantics/raw.ts';
import { shortList } from '../../../util/list-text.ts';
import type { Check } from '../../check.ts';
import { meshPolicies, sourcesIn } from './mesh-policies.ts';

/** The namespaces that a source names, without patterns. */
function namespacesOf(source: Raw): string[] {
  const ofPrincipals = textsOf(source['principals']).flatMap(
    (text) => /\/ns\/([^/*]+)\/sa\//.exec(text)?.[1] ?? [],
  );
  return [...textsOf(source['namespaces']).filter((text) => !text.includes('*')), ...ofPrincipals];
}

/**
 * Sources of other clusters and trust domains have namespaces that this cluster lacks: only a rule none of whose sources exists
 * is reported.
 */
export const meshPolicySourceUnknown: Check = {
  id: 'mesh-policy-source-unknown',
  title: 'Every rule of an AuthorizationPolicy names a namespace that exists',
  severity: 'low',
  category: 'Boundary',
  controls: ['C-0299'],
  why: 'A source in a namespace that does not exist is nobody: the rule allows or denies nothing, often by a typing error. Whoever creates the namespace later is meant by it.',
  remedy: 'Correct the name of the namespace, or remove the rule.',
  needs: ['Namespace', 'AuthorizationPolicy'],
  run: (context, report) => {
    const { isComplete, namespaces } = context.snapshot;
    if (!isComplete) return;
    const known = new Set(namespaces.map(({ name }) => name));
    for (const { object, rules } of meshPolicies(context)) {
      for (const { rule, field } of rules) {
        const named = sourcesIn(rule).map(namespacesOf);
        const isNobody = (list: readonly string[]) =>
          list.length > 0 && list.every((name) => !known.has(name));
        if (named.length === 0 || !named.every(isNobody)) continue;
        const names = shortList([...new Set(named.flat())]);
        report({ object, field: `${field}.from`, message: `there is no namespace ${names}` });
      }
    }
  },
};
