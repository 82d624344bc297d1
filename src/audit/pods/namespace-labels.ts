import { demandOf } from '../../policy/pod-security/demand.ts';
import {
  isAtLeast,
  levelKey,
  levelOf,
  levelText,
  type Levels,
  MODES,
  type VersionedLevel,
} from '../../policy/pod-security/levels.ts';
import { listText } from '../../util/list-text.ts';
import type { Check } from '../check.ts';
import type { AuditContext } from '../context.ts';

const LABEL = levelKey('enforce');
const LEVELS: readonly string[] = ['privileged', 'baseline', 'restricted'];

/** Why the label keeps no pod out; undefined if it does. */
function weakness(level: string | undefined): string | undefined {
  if (level === undefined)
    return `the label ${LABEL} is not set, so that the default of the API server counts, usually privileged`;
  if (level === 'privileged') return `${LABEL} is privileged, which allows everything`;
  return LEVELS.includes(level) ? undefined : `${LABEL} is "${level}", which is no level`;
}

/** The levels that profiles ask for in a namespace where they are enforced. */
function askedOf({ snapshot }: AuditContext, namespace: string): Levels {
  return demandOf(snapshot.enforcing(namespace), namespace)?.levels ?? {};
}

/** Exemptions in the API server's configuration can void labels; nobody can read them from the cluster. */
export const namespaceLabels: Check = {
  id: 'namespace-pod-security',
  title: 'Every namespace with pods enforces a Pod Security level',
  severity: 'medium',
  category: 'Pods',
  controls: ['CIS 5.2.1', 'C-0192', 'NSA/CISA Pod security'],
  why: 'Without a level the API server admits every pod, and a privileged one leads past every NetworkPolicy.',
  remedy: `Label the namespace with ${LABEL}: restricted, or baseline; first with warn or audit in place of enforce.`,
  needs: ['Namespace', 'Pod'],
  run: (context, report) => {
    for (const { name, labels, isAssumed } of context.namespaces) {
      if (isAssumed === true || context.podsOf(name).length === 0) continue;
      // `namespace-pod-security-below-profile` reports the namespace then.
      if (askedOf(context, name).enforce !== undefined) continue;
      const message = weakness(labels[LABEL]);
      if (message !== undefined) {
        report({ object: { kind: 'Namespace', name }, field: `metadata.labels[${LABEL}]`, message });
      }
    }
  },
};

/** The profiles that ask for the level, as text. */
function askersOf({ snapshot }: AuditContext, namespace: string, mode: (typeof MODES)[number]): string {
  const asking = snapshot
    .enforcing(namespace)
    .filter(({ spec }) => spec.workloads?.podSecurity?.[mode] !== undefined);
  return listText(asking.map(({ metadata }) => `SegmentationProfile ${metadata.name}`));
}

/**
 * Among manifests, a label that is absent is no finding: the operator sets it. It leaves a label alone that somebody else has
 * set, so that a lower level stays in the cluster as well.
 */
export const belowProfile: Check = {
  id: 'namespace-pod-security-below-profile',
  title: 'The Pod Security labels of every namespace are as high as its profiles ask for',
  severity: 'medium',
  category: 'Pods',
  controls: ['CIS 5.2.1', 'C-0192', 'NSA/CISA Pod security'],
  why: 'The API server goes by the labels: it admits pods that the profile means to refuse, and such a pod may lead past every NetworkPolicy.',
  remedy:
    "See the profile's condition PodSecurityReady: running pods that violate the level have to be changed or acknowledged, and a label that somebody else manages is raised by them.",
  needs: ['Namespace', 'SegmentationProfile'],
  run: (context, report) => {
    const { isComplete } = context.snapshot;
    for (const { name, labels, isAssumed } of context.namespaces) {
      if (isAssumed === true) continue;
      const asked = askedOf(context, name);
      for (const mode of MODES) {
        const label = levelKey(mode);
        const level = asked[mode];
        if (level === undefined || (labels[label] === undefined && !isComplete)) continue;
        const current = levelOf(mode, labels);
        if (current !== undefined && isAtLeast(current, level)) continue;
        report({
          object: { kind: 'Namespace', name },
          field: `metadata.labels[${label}]`,
          message: `${stateOf(labels[label], current)}; ${levelText(level)} is asked for by ${askersOf(context, name, mode)}`,
          // The other modes refuse no pod.
          ...(mode !== 'enforce' && { severity: 'low' as const }),
        });
      }
    }
  },
};

function stateOf(value: string | undefined, level: VersionedLevel | undefined): string {
  if (value === undefined) return 'it is not set';
  return level === undefined ? `it is "${value}", which is no level` : `it is ${levelText(level)}`;
}
