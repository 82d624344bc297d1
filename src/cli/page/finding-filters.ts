/** The filters of the findings beside search and namespaces: severity, category, check, and the grouping of the list. */
import { h } from './dom.ts';
import type { Control, ControlsInput } from './control.ts';
import { type Findings, toggled, WORST_FIRST } from './model/findings.ts';
import { GROUPINGS } from './model/view-state.ts';

type Input = Pick<ControlsInput, 'state' | 'update'>;

export function buildFindingFilters(findings: Findings, input: Input): Control[] {
  const { checks } = findings.audit;
  const categories = [...new Set(checks.map(({ category }) => category))];
  const category = choice(
    { label: 'Category', key: 'category', any: 'every category', input },
    () => categories,
  );
  const check = choice({ label: 'Check', key: 'check', any: 'every check', input }, () =>
    checks
      .filter((each) => ['', each.category].includes(input.state().category))
      .map(({ id }) => id)
      .sort(),
  );
  const what = h('fieldset', { class: 'choices' }, h('legend', {}, 'What'), category.element, check.element);
  const showWhat = () => {
    category.show();
    check.show();
  };
  return [severityBoxes(findings, input), { element: what, show: showWhat }, groupingChoice(input)];
}

function severityBoxes({ audit }: Findings, { state, update }: Input): Control {
  const boxes = WORST_FIRST.map((severity, index) => {
    const input = h('input', { type: 'checkbox', value: severity });
    input.addEventListener('change', () => update({ severities: toggled(state().severities, severity) }));
    const count = h('small', {}, String(audit.severities.at(-1 - index) ?? 0));
    return { severity, input, label: h('label', {}, input, ` ${severity} `, count) };
  });
  const element = h(
    'fieldset',
    { class: 'severities' },
    h('legend', {}, 'Severity'),
    ...boxes.map(({ label }) => label),
  );
  const show = () => {
    for (const { severity, input } of boxes) input.checked = state().severities.includes(severity);
  };
  return { element, show };
}

interface ChoiceInput {
  readonly label: string;
  readonly key: 'category' | 'check';
  /** Text of the option that filters nothing. */
  readonly any: string;
  readonly input: Input;
}

function choice(
  { label, key, any, input: { state, update } }: ChoiceInput,
  values: () => readonly string[],
): Control {
  const element = h('select', { 'aria-label': label });
  element.addEventListener('change', () =>
    // A check belongs to one category.
    update(key === 'category' ? { category: element.value, check: '' } : { check: element.value }),
  );
  const show = () => {
    const options = values().map((value) => h('option', { value }, value));
    element.replaceChildren(h('option', { value: '' }, any), ...options);
    element.value = state()[key];
  };
  return { element, show };
}

function groupingChoice({ state, update }: Input): Control {
  const options = GROUPINGS.map((grouping) => {
    const input = h('input', { type: 'radio', name: 'grouping', value: grouping });
    input.addEventListener('change', () => update({ grouping }));
    return { grouping, input, label: h('label', {}, input, ` ${grouping}`) };
  });
  const element = h('fieldset', {}, h('legend', {}, 'Group by'), ...options.map(({ label }) => label));
  const show = () => {
    for (const { grouping, input } of options) input.checked = grouping === state().grouping;
  };
  return { element, show };
}
