import type { Check } from '../check.ts';

const LABEL = 'pod-security.kubernetes.io/enforce';
const LEVELS: readonly string[] = ['privileged', 'baseline', 'restricted'];

/** Why the label keeps no pod out; undefined if it does. */
function weakness(level: string | undefined): string | undefined {
  if (level === undefined)
    return `the label ${LABEL} is not set, so that the default of the API server counts, usually privileged`;
  if (level === 'privileged') return `${LABEL} is privileged, which allows everything`;
  return LEVELS.includes(level) ? undefined : `${LABEL} is "${level}", which is no level`;
}

/** Exemptions in the API server's configuration can void labels; nobody can read them from the cluster. */
export const namespaceLabels: Check = {
  id: 'namespace-pod-security',
  title: 'Every namespace with pods enforces a Pod Security level',
  severity: 'medium',
  category: 'Pods',
  controls: ['CIS 5.2.1', 'NSA/CISA Pod security'],
  why: 'Without a level the API server admits every pod, and a privileged one leads past every NetworkPolicy.',
  remedy: `Label the namespace with ${LABEL}: restricted, or baseline; first with warn or audit in place of enforce.`,
  needs: ['Namespace', 'Pod'],
  run: (context, report) => {
    for (const { name, labels, isAssumed } of context.namespaces) {
      if (isAssumed === true || context.podsOf(name).length === 0) continue;
      const message = weakness(labels[LABEL]);
      if (message !== undefined) {
        report({ object: { kind: 'Namespace', name }, field: `metadata.labels[${LABEL}]`, message });
      }
    }
  },
};
