/** The page: filters on the left, a view in the middle, and details of the selection on the right. */
import type { PageData } from '../reach/page-data.ts';
import { buildControls, themeButton } from './controls.ts';
import { detailsOf } from './details-pane.ts';
import { h } from './dom.ts';
import { graphView } from './views/graph/view.ts';
import { createFindingList } from './views/findings/list.ts';
import { findingSummary } from './views/findings/print-summary.ts';
import { auditFacts, countsText } from './views/findings/texts.ts';
import { flowsView } from './views/flows.ts';
import { listView } from './views/list.ts';
import { matrixView, MAX_NODES } from './views/matrix.ts';
import { summary } from './views/summary.ts';
import { Findings, type PageFinding } from './model/findings.ts';
import { isOutside, Model, type Node } from './model/nodes.ts';
import { printWhole } from './print.ts';
import { Seen } from './model/seen.ts';
import { filtered, type Shown } from './model/selection.ts';
import { readState, type State, type View, VIEWS, writeState } from './model/view-state.ts';
import { counted } from '../../util/list-text.ts';

/** With more workloads than this, the page begins with namespaces. */
const FEW_WORKLOADS = 40;

const data = JSON.parse(document.querySelector('#data')?.textContent ?? '') as PageData;
const model = new Model(data);
const findings = data.audit && new Findings(data.audit, model);
const seen = data.seen && new Seen(data.seen, model);
/** The views that the page has something for. */
const viewNames = VIEWS.filter((name) =>
  name === 'findings'
    ? findings !== undefined
    : (findings === undefined || data.groups.length > 0) && (name !== 'flows' || seen !== undefined),
);
const initial: State = {
  view: viewNames.find((name) => name === data.view) ?? viewNames[0] ?? 'graph',
  level:
    model.levels.includes('workloads') && model.nodes('workloads').length <= FEW_WORKLOADS
      ? 'workloads'
      : 'namespaces',
  search: '',
  namespaces: [],
  peers: true,
  addresses: true,
  group: '',
  folded: [],
  badges: true,
  severities: [],
  category: '',
  check: '',
  text: '',
  flows: '',
  grouping: 'check',
  subject: undefined,
  finding: undefined,
  from: undefined,
  to: undefined,
};
let state = stateOfAddress();

const view = h('main', { id: 'view', tabindex: '-1' });
const details = h('aside', { 'aria-label': 'Details', class: 'details' });
const summaries = h('div', { class: 'summaries' });
const announcer = h('p', { class: 'hidden', role: 'status', 'aria-live': 'polite' });
const controls = buildControls({
  model,
  findings,
  hasFlows: seen !== undefined,
  viewNames,
  state: () => state,
  update,
});
const findingList =
  findings && createFindingList({ findings, node: (id) => model.node(id), select: selectFinding, update });
document.body.append(
  h('a', { class: 'skip', href: '#view' }, 'Skip to the view'),
  h(
    'header',
    {},
    h('div', {}, h('h1', {}, data.title), h('p', {}, data.source)),
    controls.views,
    h('div', { class: 'spacer' }),
    themeButton(),
  ),
  summaries,
  h('div', { class: 'body' }, controls.filters, view, details),
  announcer,
);
document.querySelector<HTMLAnchorElement>('a.skip')?.addEventListener('click', (event) => {
  event.preventDefault();
  view.focus();
});
window.addEventListener('hashchange', () => {
  const next = stateOfAddress();
  if (writeState(next) === writeState(state)) return;
  state = next;
  redraw();
});
window.addEventListener('keydown', (event) => {
  const typing = event.target instanceof HTMLInputElement;
  if (event.key === '/' && !typing) {
    event.preventDefault();
    controls.search().focus();
  }
  if (event.key === 'Escape') update({ from: undefined, to: undefined, finding: undefined });
});
printWhole({ view, summaries, list: findingList, summarize });
redraw();

/** The summaries that lead the printed views; the style shows that of the current view. */
function summarize(): HTMLElement[] {
  if (findings === undefined) return [summary(model)];
  const text = `Findings of audit: ${countsText(findings.audit.severities)}. ${auditFacts(findings)}`;
  return [summary(model, text), findingSummary(findings)];
}

function stateOfAddress(): State {
  const read = readState(location.hash, initial);
  return {
    ...read,
    view: viewNames.includes(read.view) ? read.view : initial.view,
    level: model.levels.includes(read.level) ? read.level : initial.level,
  };
}

function update(change: Partial<State>, how: 'push' | 'replace' = 'push'): void {
  const next = { ...state, ...change };
  if (writeState(next) === writeState(state)) return;
  state = next;
  history[how === 'push' ? 'pushState' : 'replaceState'](null, '', writeState(state));
  redraw();
}

function select(node: Node, second?: Node): void {
  update({ from: node.id, to: second?.id });
}

/** The finding's node is selected too, for the other views. */
function selectFinding({ id, node }: PageFinding): void {
  update({ view: 'findings', finding: id, from: node?.id, to: undefined });
  // On a narrow screen the details are below the view.
  details.scrollIntoView({ block: 'nearest' });
}

function listFindings(node: Node): void {
  if (findings === undefined) return;
  update({ view: 'findings', subject: node.id, namespaces: [], finding: undefined });
}

/** Shows a node at its own level, and takes back the filters that would hide it. */
function showNode(node: Node, where: 'graph' | 'matrix'): void {
  const level = node.kind === 'Namespace' ? 'namespaces' : 'workloads';
  const isHidden = !node.label.toLowerCase().includes(state.search.trim().toLowerCase());
  const hasTooMany = where === 'matrix' && model.nodes(level).length > MAX_NODES;
  const group = node.ns === undefined ? undefined : model.labelGroup(state.group, node.ns);
  update({
    view: where,
    level,
    ...(isHidden && { search: '' }),
    ...(hasTooMany && { namespaces: node.namespaces }),
    folded: state.folded.filter((id) => id !== node.ns && id !== group?.id),
    from: node.id,
    to: undefined,
  });
}

/** The focus moves from a folded row to its card, and from an unfolded card to its first row. */
function fold({ id, label }: Node): void {
  const hadFocus = focusKey() !== undefined;
  const isFolded = state.folded.includes(id);
  update({ folded: isFolded ? state.folded.filter((each) => each !== id) : [...state.folded, id] });
  if (hadFocus) view.querySelector<SVGElement>(`[data-unit="${CSS.escape(id)}"]`)?.focus();
  announcer.textContent = `${label} ${isFolded ? 'unfolded' : 'folded'}`;
}

/** A view, and the numbers that its filters leave. */
interface Drawn {
  readonly element: HTMLElement;
  readonly count: string;
}

function redraw(): void {
  document.body.dataset['view'] = state.view;
  controls.show();
  const { element, count } = state.view === 'findings' ? drawFindings() : drawReach(state.view);
  if (view.firstElementChild !== element) replaceView(element);
  details.replaceChildren(
    ...detailsOf(
      { model, findings, seen, select, update, links: { showNode, listFindings, select: selectFinding } },
      state,
    ),
  );
  announce();
  controls.count.textContent = count;
}

/** The focus and the scrolling stay where they were. */
function replaceView(element: HTMLElement): void {
  const focused = focusKey();
  const scrolled = view.querySelector('.scroll');
  const [top = 0, left = 0] = [scrolled?.scrollTop, scrolled?.scrollLeft];
  view.replaceChildren(element);
  view.querySelector('.scroll')?.scrollTo({ top, left });
  if (focused !== undefined)
    view.querySelector<HTMLElement>(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
}

function drawFindings(): Drawn {
  if (findings === undefined || findingList === undefined) throw new TypeError('the page has no findings');
  const { element, count } = findingList.draw(state);
  return { element, count: `${count} of ${counted(findings.all.length, 'finding')}` };
}

function drawReach(name: Exclude<View, 'findings'>): Drawn {
  const shown = filtered(model, state);
  if (name === 'flows') return drawFlows(shown);
  const views: Readonly<Record<Exclude<typeof name, 'flows'>, () => HTMLElement>> = {
    graph: () =>
      graphView({
        model,
        shown,
        state,
        window: view.getBoundingClientRect(),
        select,
        fold,
        findings,
        seen,
        listFindings,
      }),
    matrix: () => matrixView({ nodes: shown.nodes, model, state, select }),
    list: () => listView(shown, select),
  };
  const nodes = shown.nodes.filter((node) => !isOutside(node)).length;
  return {
    element: views[name](),
    count: `${counted(nodes, state.level.slice(0, -1))}, ${counted(shown.links.length, 'link')}`,
  };
}

function drawFlows(shown: Shown): Drawn {
  if (seen === undefined) throw new TypeError('the page has no flows');
  const rows = seen.rows(shown, state);
  return { element: flowsView(rows, seen, select), count: counted(rows.length, 'row') };
}

/** The label of the element of the view that has the focus, so that its successor can get it. */
function focusKey(): string | undefined {
  const active = document.activeElement;
  return active !== null && view.contains(active)
    ? (active.getAttribute('aria-label') ?? undefined)
    : undefined;
}

/** Tells screen readers the verdict on the selection. */
function announce(): void {
  const heading = details.querySelector('h2')?.textContent;
  const verdict = details.querySelector('.verdict')?.textContent ?? '';
  const text = heading === undefined ? '' : `${heading}. ${verdict}`;
  if (announcer.textContent !== text) announcer.textContent = text;
}
