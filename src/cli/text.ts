/** Parts of policies in few words, as kubectl writes them. */
import type { LabelSelector } from '../api/meta.ts';
import type { NetworkPolicyPort } from '../api/network-policy.ts';

export function selectorText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const parts = [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.map(({ key, operator, values = [] }) => {
      if (operator === 'Exists') return key;
      if (operator === 'DoesNotExist') return `!${key}`;
      return `${key} ${operator === 'In' ? 'in' : 'notin'} (${values.join(',')})`;
    }),
  ];
  return parts.join(',') || '<none>';
}

export function portText({ protocol = 'TCP', port, endPort }: NetworkPolicyPort): string {
  return port === undefined
    ? `every ${protocol} port`
    : `${protocol} ${port}${endPort === undefined ? '' : `-${endPort}`}`;
}
