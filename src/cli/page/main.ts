/** The page: filters on the left, a view in the middle, and details of the selection on the right. */
import type { PageData } from '../reach/page-data.ts';
import { nodeDetails, pairDetails } from './views/details.ts';
import { buildControls, themeButton } from './controls.ts';
import { button, h } from './dom.ts';
import { graphView } from './views/graph/view.ts';
import { listView } from './views/list.ts';
import { matrixView } from './views/matrix.ts';
import { summary } from './views/summary.ts';
import { isOutside, Model, type Node } from './model/nodes.ts';
import { printWholeGraph } from './print.ts';
import { filtered } from './model/selection.ts';
import { readState, type State, type View, writeState } from './model/view-state.ts';
import { counted } from '../../util/list-text.ts';

/** With more workloads than this, the page begins with namespaces. */
const FEW_WORKLOADS = 40;

const data = JSON.parse(document.querySelector('#data')?.textContent ?? '') as PageData;
const model = new Model(data);
const initial: State = {
  view: 'graph',
  level: model.nodes('workloads').length <= FEW_WORKLOADS ? 'workloads' : 'namespaces',
  search: '',
  namespaces: [],
  peers: true,
  addresses: true,
  group: '',
  folded: [],
  from: undefined,
  to: undefined,
};
let state = readState(location.hash, initial);

const view = h('main', { id: 'view', tabindex: '-1' });
const details = h('aside', { 'aria-label': 'Details', class: 'details' });
const announcer = h('p', { class: 'hidden', role: 'status', 'aria-live': 'polite' });
const controls = buildControls({ model, state: () => state, update });
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
  summary(model),
  h('div', { class: 'body' }, controls.filters, view, details),
  announcer,
);
document.querySelector<HTMLAnchorElement>('a.skip')?.addEventListener('click', (event) => {
  event.preventDefault();
  view.focus();
});
window.addEventListener('hashchange', () => {
  const next = readState(location.hash, initial);
  if (writeState(next) === writeState(state)) return;
  state = next;
  redraw();
});
window.addEventListener('keydown', (event) => {
  const typing = event.target instanceof HTMLInputElement;
  if (event.key === '/' && !typing) {
    event.preventDefault();
    controls.search.focus();
  }
  if (event.key === 'Escape') update({ from: undefined, to: undefined });
});
printWholeGraph(view);
redraw();

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

/** The focus moves from a folded row to its card, and from an unfolded card to its first row. */
function fold({ id, label }: Node): void {
  const hadFocus = focusKey() !== undefined;
  const isFolded = state.folded.includes(id);
  update({ folded: isFolded ? state.folded.filter((each) => each !== id) : [...state.folded, id] });
  if (hadFocus) view.querySelector<SVGElement>(`[data-unit="${CSS.escape(id)}"]`)?.focus();
  announcer.textContent = `${label} ${isFolded ? 'unfolded' : 'folded'}`;
}

function redraw(): void {
  controls.show();
  const visible = filtered(model, state);
  const focused = focusKey();
  const views: Readonly<Record<View, () => HTMLElement>> = {
    graph: () =>
      graphView({ model, shown: visible, state, window: view.getBoundingClientRect(), select, fold }),
    matrix: () => matrixView({ nodes: visible.nodes, model, state, select }),
    list: () => listView(visible, select),
  };
  const scrolled = view.querySelector('.scroll');
  const [top = 0, left = 0] = [scrolled?.scrollTop, scrolled?.scrollLeft];
  view.replaceChildren(views[state.view]());
  view.querySelector('.scroll')?.scrollTo({ top, left });
  if (focused !== undefined)
    view.querySelector<HTMLElement>(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
  drawDetails();
  controls.count.textContent = `${counted(visible.nodes.filter((node) => !isOutside(node)).length, state.level.slice(0, -1))}, ${counted(visible.links.length, 'link')}`;
}

/** The label of the element of the view that has the focus, so that its successor can get it. */
function focusKey(): string | undefined {
  const active = document.activeElement;
  return active !== null && view.contains(active)
    ? (active.getAttribute('aria-label') ?? undefined)
    : undefined;
}

function drawDetails(): void {
  const [from, to] = [model.node(state.from), model.node(state.to)];
  const clear =
    from !== undefined &&
    button({ class: 'link clear' }, 'clear', () => update({ from: undefined, to: undefined }));
  const form = h(
    'form',
    { class: 'ask' },
    endField('From', 'from', from),
    endField('To', 'to', to),
    clear,
    nameList(),
  );
  form.addEventListener('submit', (event) => event.preventDefault());
  details.replaceChildren(form, detailsOf(from, to));
  announce();
}

function detailsOf(from: Node | undefined, to: Node | undefined): HTMLElement {
  if (from !== undefined && to !== undefined) return pairDetails(model, from, to, select);
  if (from !== undefined) return nodeDetails(model, from, select);
  return h(
    'p',
    { class: 'note' },
    'Select something in the view, or name two ends above, to see what may pass between them and why. Traffic of a pod with itself and with its own node is always allowed and is not shown.',
  );
}

/** A field for the name of an end. */
function endField(label: string, key: 'from' | 'to', node: Node | undefined): HTMLElement {
  const input = h('input', {
    list: 'names',
    value: node?.label ?? '',
    placeholder: 'namespace or namespace/workload',
    autocomplete: 'off',
  });
  const message = h('span', { class: 'error', role: 'alert' });
  input.addEventListener('change', () => {
    const found = byLabel(input.value);
    message.textContent = found === undefined && input.value !== '' ? `There is no ${input.value}.` : '';
    if (found !== undefined || input.value === '') update({ [key]: found?.id });
  });
  return h('label', {}, h('span', {}, label), input, message);
}

/** The names that the fields of the ends suggest. */
function nameList(): HTMLElement {
  const namespaces = model.nodes('namespaces').filter((node) => !isOutside(node));
  const nodes = [...model.nodes('workloads'), ...namespaces];
  return h('datalist', { id: 'names' }, ...nodes.map(({ label }) => h('option', { value: label })));
}

/** Tells screen readers the verdict on the selection. */
function announce(): void {
  const heading = details.querySelector('h2')?.textContent;
  const verdict = details.querySelector('.verdict')?.textContent ?? '';
  const text = heading === undefined ? '' : `${heading}. ${verdict}`;
  if (announcer.textContent !== text) announcer.textContent = text;
}

function byLabel(label: string): Node | undefined {
  const wanted = label.trim();
  return [...model.nodes('namespaces'), ...model.nodes('workloads')].find((node) => node.label === wanted);
}
