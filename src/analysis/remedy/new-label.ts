/** Proposes a label for a workload that no stable label tells from others. Pure. */
import type { Pod } from '../cluster.ts';
import type { NetworkPolicy } from '../../api/network-policy.ts';
import type { LabelSelector } from '../../api/meta.ts';
import { rulesOf } from '../../policy/semantics/normalize.ts';

export interface NewLabel {
  readonly key: string;
  readonly value: string;
}

export interface NewLabelInput {
  /** Name of the workload, from which the value is made. */
  readonly name: string;
  readonly kind: string;
  /** All pods of the cluster. */
  readonly pods: readonly Pod[];
  /** Keys that selectors of policies and Services use: a label of such a key could change what they select. */
  readonly selectedKeys: ReadonlySet<string>;
}

/** The usual keys first. The last resort is numbered until it is free. */
const KEYS = ['app.kubernetes.io/name', 'app', 'app.kubernetes.io/component', 'network-role'];
const MAX_VALUE = 63;

/** A label that no pod has, with a key that no selector uses. Equal input gives an equal label. */
export function newLabel({ name, kind, pods, selectedKeys }: NewLabelInput): NewLabel {
  const value = labelValue(name);
  const isTaken = (key: string, wanted: string) => pods.some(({ labels }) => labels[key] === wanted);
  const usable = KEYS.filter((key) => !selectedKeys.has(key));
  const free = usable.find((key) => !isTaken(key, value));
  if (free !== undefined) return { key: free, value };
  for (let count = 2; ; count++) {
    const key = `network-role-${count}`;
    if (selectedKeys.has(key)) continue;
    const numbered = labelValue(`${kind.toLowerCase()}-${name}`);
    if (!isTaken(key, numbered)) return { key, value: numbered };
  }
}

/** Turns a name into a value of a label: at most 63 characters, alphanumeric at both ends. */
function labelValue(name: string): string {
  return name
    .slice(0, MAX_VALUE)
    .replaceAll(/[^A-Za-z0-9._-]+/g, '-')
    .replaceAll(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '');
}

/** The keys of labels that selectors of pods in these policies use. */
export function podSelectorKeys(policies: readonly NetworkPolicy[]): Set<string> {
  const selectors = policies.flatMap(({ spec }): LabelSelector[] => [
    spec.podSelector ?? {},
    ...(['Ingress', 'Egress'] as const).flatMap((direction) =>
      rulesOf(spec, direction).flatMap(({ peers = [] }) => peers.flatMap((peer) => peer.podSelector ?? [])),
    ),
  ]);
  return new Set(
    selectors.flatMap(({ matchLabels = {}, matchExpressions = [] }) => [
      ...Object.keys(matchLabels),
      ...matchExpressions.map(({ key }) => key),
    ]),
  );
}
