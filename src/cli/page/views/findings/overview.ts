/** The head of the list of findings: counts by severity, the filters in words, and which checks did not run. */
import { SEVERITIES } from '../../../../audit/finding.ts';
import { counted, shortList } from '../../../../util/list-text.ts';
import { button, type Child, h } from '../../dom.ts';
import { type Findings, type PageFinding, toggled, WORST_FIRST } from '../../model/findings.ts';
import type { Node } from '../../model/nodes.ts';
import type { State } from '../../model/view-state.ts';
import { auditFacts, omittedText } from './texts.ts';

export interface FindingListInput {
  readonly findings: Findings;
  readonly node: (id: string | undefined) => Node | undefined;
  readonly select: (finding: PageFinding) => void;
  readonly update: (change: Partial<State>) => void;
}

/** The state in which no filter leaves a finding out. */
const NO_FILTERS: Partial<State> = {
  severities: [],
  category: '',
  check: '',
  text: '',
  namespaces: [],
  subject: undefined,
};

export function overview(input: FindingListInput, state: State, count: number): HTMLElement {
  const { findings, update } = input;
  const filters = filterTexts(input, state);
  const omitted = omittedText(findings);
  return h(
    'div',
    { class: 'overview' },
    h('div', { class: 'tiles', role: 'group', 'aria-label': 'Findings by severity' }, ...tiles(input, state)),
    h('p', { class: 'audit-facts' }, auditFacts(findings)),
    omitted !== '' && h('p', { class: 'warning' }, omitted),
    skippedChecks(findings),
    filters.length > 0 &&
      h(
        'p',
        { class: 'filtered' },
        `${counted(count, 'finding')} of ${filters.join(', ')} `,
        button({ class: 'link' }, 'clear filters', () => update(NO_FILTERS)),
      ),
    count === 0 &&
      h('p', { class: 'none' }, filters.length > 0 ? 'Nothing matches the filters.' : 'No findings.'),
  );
}

function tiles({ findings: { audit }, update }: FindingListInput, { severities }: State): HTMLElement[] {
  return WORST_FIRST.map((severity) => {
    const count = audit.severities[SEVERITIES.indexOf(severity)] ?? 0;
    const element = button(
      {
        class: `tile ${count === 0 ? 'zero' : severity}`,
        'aria-pressed': String(severities.includes(severity)),
      },
      h('strong', {}, String(count)),
      () => update({ severities: toggled(severities, severity) }),
    );
    element.append(' ', h('span', {}, severity));
    return element;
  });
}

/** The filters that are set, as words. */
function filterTexts(
  { node }: FindingListInput,
  { severities, category, check, text, namespaces, subject }: State,
): string[] {
  return [
    ...(subject === undefined ? [] : [node(subject)?.label ?? subject]),
    ...(severities.length === 0 ? [] : [`severity ${severities.toReversed().join(' or ')}`]),
    ...(category === '' ? [] : [`category ${category}`]),
    ...(check === '' ? [] : [`check ${check}`]),
    ...(namespaces.length === 0 ? [] : [`namespace ${shortList(namespaces)}`]),
    ...(text.trim() === '' ? [] : [`text “${text.trim()}”`]),
  ];
}

function skippedChecks({ audit: { skipped } }: Findings): Child {
  if (skipped.length === 0) return undefined;
  return h(
    'details',
    { class: 'skipped' },
    h('summary', {}, `${counted(skipped.length, 'check')} did not run`),
    h('ul', {}, ...skipped.map((each) => h('li', {}, h('code', {}, each.check), `: ${each.reason}`))),
  );
}
