/** Label selectors of Kubernetes as selectors of Calico, and back. Pure. */
import type { LabelSelector, LabelSelectorRequirement } from '../../api/meta.ts';

/** Keys and values of labels have no quotes, so that nothing has to be escaped. */
export function calicoSelector({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const terms = [
    ...Object.entries(matchLabels).map(([key, value]) => `${key} == '${value}'`),
    ...matchExpressions.map(termOf),
  ];
  return terms.length === 0 ? 'all()' : terms.sort().join(' && ');
}

function termOf({ key, operator, values = [] }: LabelSelectorRequirement): string {
  const list = `{${[...values]
    .sort()
    .map((value) => `'${value}'`)
    .join(', ')}}`;
  switch (operator) {
    case 'In':
      return values.length === 1 ? `${key} == '${values[0]}'` : `${key} in ${list}`;
    case 'NotIn':
      // Objects without the label match too, as in Kubernetes.
      return `${key} not in ${list}`;
    case 'Exists':
      return `has(${key})`;
    case 'DoesNotExist':
      return `!has(${key})`;
  }
}

/** The label selector that `calicoSelector` has written as `text`; undefined for any other text. */
export function labelSelectorOf(text: string): LabelSelector | undefined {
  if (text === 'all()') return {};
  const requirements: LabelSelectorRequirement[] = [];
  for (const term of text.split(' && ')) {
    const requirement = requirementOf(term);
    if (requirement === undefined) return undefined;
    requirements.push(requirement);
  }
  return { matchExpressions: requirements };
}

function requirementOf(term: string): LabelSelectorRequirement | undefined {
  const [, not, has] = /^(!?)has\(([^()]+)\)$/.exec(term) ?? [];
  if (has !== undefined) return { key: has, operator: not === '!' ? 'DoesNotExist' : 'Exists' };
  const [, equal, value] = /^(\S+) == '([^']*)'$/.exec(term) ?? [];
  if (equal !== undefined && value !== undefined) return { key: equal, operator: 'In', values: [value] };
  const [, key, operator, list] = /^(\S+) (in|not in) \{('[^']*'(?:, '[^']*')*)\}$/.exec(term) ?? [];
  if (key === undefined || list === undefined) return undefined;
  const values = list.split(', ').map((each) => each.slice(1, -1));
  return { key, operator: operator === 'in' ? 'In' : 'NotIn', values };
}
