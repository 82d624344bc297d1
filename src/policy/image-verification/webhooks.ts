/** Tells for which namespaces an API server calls the webhook of a verifier when a pod is created. Pure. */
import type { KubeObject } from '../../api/meta.ts';
import { listOf, type Raw, recordOf, selectorOf, textOf, textsOf } from '../semantics/raw.ts';
import { matches } from '../semantics/selector.ts';
import { type Answer, anyOf, type Evidence, type PlacedNamespace, WEBHOOK_KINDS } from './evidence.ts';

/** True if one of the rules, of a webhook or of a policy, is for the creation of pods. */
export function matchesNewPods(rules: unknown): boolean {
  return listOf(rules)
    .map(recordOf)
    .some(
      ({ apiGroups, apiVersions, resources, operations, scope }) =>
        textsOf(apiGroups).some((group) => group === '' || group === '*') &&
        textsOf(apiVersions).some((version) => version === 'v1' || version === '*') &&
        textsOf(resources).some((resource) => ['pods', '*', '*/*'].includes(resource)) &&
        textsOf(operations).some((operation) => operation === 'CREATE' || operation === '*') &&
        scope !== 'Cluster',
    );
}

/** True for a selector that selects by labels. Those of a pod are not known here. */
export function hasRequirements(selector: unknown): boolean {
  const { matchLabels, matchExpressions } = recordOf(selector);
  return Object.keys(recordOf(matchLabels)).length > 0 || listOf(matchExpressions).length > 0;
}

/** The webhooks of such a name that pods are sent to; the answer is about the pods of a namespace. */
export function calledFor({ objects }: Evidence, name: RegExp): (namespace: PlacedNamespace) => Answer {
  const webhooks = WEBHOOK_KINDS.flatMap((kind) => objects(kind))
    .flatMap((each) => listOf((each as KubeObject & Raw)['webhooks']))
    .map(recordOf)
    .filter((webhook) => name.test(textOf(webhook['name'])) && matchesNewPods(webhook['rules']));
  return ({ labels }) =>
    anyOf(
      webhooks
        .filter(({ namespaceSelector }) => matches(selectorOf(namespaceSelector), labels))
        .map(({ objectSelector, matchConditions }) =>
          hasRequirements(objectSelector) || listOf(matchConditions).length > 0 ? 'unclear' : 'yes',
        ),
    );
}
