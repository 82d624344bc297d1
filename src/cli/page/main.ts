/** The page: filters on the left, a view in the middle, and beside it what is known of what was selected. */
import type { PageData } from '../reach/page-data.ts';
import { nodeDetails, pairDetails } from './views/details.ts';
import { button, h } from './dom.ts';
import { graphView } from './views/graph/view.ts';
import { listView } from './views/list.ts';
import { matrixView } from './views/matrix.ts';
import { type Level, Model, type Node } from './model/nodes.ts';
import { shown } from './model/selection.ts';
import { readState, type State, type View, VIEWS, writeState } from './model/view-state.ts';
import { counted } from '../../util/list-text.ts';

/** Workloads that can be taken in at once; with more, the page begins with namespaces. */
const FEW_WORKLOADS = 40;
const SEARCH_DELAY = 150; // ms

const data = JSON.parse(document.querySelector('#data')?.textContent ?? '') as PageData;
const model = new Model(data);
const initial: State = {
  view: 'graph',
  level: model.nodes('workloads').length <= FEW_WORKLOADS ? 'workloads' : 'namespaces',
  search: '',
  namespaces: [],
  peers: true,
  addresses: true,
  from: undefined,
  to: undefined,
};
let state = readState(location.hash, initial);

const view = h('main', { id: 'view', tabindex: '-1' });
const details = h('aside', { 'aria-label': 'Details', class: 'details' });
const announcer = h('p', { class: 'hidden', role: 'status', 'aria-live': 'polite' });
const controls = buildControls();
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
  render();
});
window.addEventListener('keydown', (event) => {
  const typing = event.target instanceof HTMLInputElement;
  if (event.key === '/' && !typing) {
    event.preventDefault();
    controls.search.focus();
  }
  if (event.key === 'Escape') update({ from: undefined, to: undefined });
});
render();

function update(change: Partial<State>, how: 'push' | 'replace' = 'push'): void {
  const next = { ...state, ...change };
  if (writeState(next) === writeState(state)) return;
  state = next;
  history[how === 'push' ? 'pushState' : 'replaceState'](null, '', writeState(state));
  render();
}

function select(node: Node, second?: Node): void {
  update({ from: node.id, to: second?.id });
}

function render(): void {
  controls.show();
  const visible = shown(model, state);
  const focused = focusKey();
  const views: Readonly<Record<View, () => HTMLElement>> = {
    graph: () => graphView(visible, state, select),
    matrix: () => matrixView(visible, model, state, select),
    list: () => listView(visible, select),
  };
  const scrolled = view.querySelector('.scroll');
  const [top = 0, left = 0] = [scrolled?.scrollTop, scrolled?.scrollLeft];
  view.replaceChildren(views[state.view]());
  view.querySelector('.scroll')?.scrollTo({ top, left });
  if (focused !== undefined)
    view.querySelector<HTMLElement>(`[aria-label="${CSS.escape(focused)}"]`)?.focus();
  renderDetails();
  controls.count.textContent = `${counted(visible.nodes.filter(({ ns }) => ns !== undefined).length, state.level.slice(0, -1))}, ${counted(visible.links.length, 'link')}`;
}

/** What had the focus in the view, to give it back to its successor. */
function focusKey(): string | undefined {
  const active = document.activeElement;
  return active !== null && view.contains(active)
    ? (active.getAttribute('aria-label') ?? undefined)
    : undefined;
}

function renderDetails(): void {
  const [from, to] = [model.node(state.from), model.node(state.to)];
  const names = h('datalist', { id: 'names' });
  for (const node of [
    ...model.nodes('workloads'),
    ...model.nodes('namespaces').filter(({ ns }) => ns !== undefined),
  ]) {
    names.append(h('option', { value: node.label }));
  }
  const field = (label: string, name: 'from' | 'to', node: Node | undefined) => {
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
      if (found !== undefined || input.value === '') update({ [name]: found?.id });
    });
    return h('label', {}, h('span', {}, label), input, message);
  };
  const body =
    from !== undefined && to !== undefined
      ? pairDetails(model, from, to, select)
      : from !== undefined
        ? nodeDetails(model, from, select)
        : h(
            'p',
            { class: 'note' },
            'Select something in the view, or name two ends above, to see what may pass between them and why. Traffic of a pod with itself and with its own node is always allowed and is not shown.',
          );
  const clear =
    from !== undefined &&
    button({ class: 'link clear' }, 'clear', () => update({ from: undefined, to: undefined }));
  details.replaceChildren(
    h('form', { class: 'ask' }, field('From', 'from', from), field('To', 'to', to), clear, names),
    body,
  );
  details.querySelector('form')?.addEventListener('submit', (event) => event.preventDefault());
  const heading = details.querySelector('h2')?.textContent;
  const verdict = details.querySelector('.verdict')?.textContent ?? '';
  const said = heading === undefined ? '' : `${heading}. ${verdict}`;
  if (announcer.textContent !== said) announcer.textContent = said;
}

function byLabel(label: string): Node | undefined {
  const wanted = label.trim();
  return [...model.nodes('namespaces'), ...model.nodes('workloads')].find((node) => node.label === wanted);
}

function buildControls() {
  const tabs = VIEWS.map((name) =>
    button(
      { role: 'tab', 'aria-controls': 'view', id: `tab-${name}` },
      name[0]?.toUpperCase() + name.slice(1),
      () => update({ view: name }),
    ),
  );
  const views = h('div', { role: 'tablist', 'aria-label': 'View', class: 'tabs' }, ...tabs);
  views.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const index = (VIEWS.indexOf(state.view) + step + VIEWS.length) % VIEWS.length;
    update({ view: VIEWS[index] ?? 'graph' });
    tabs[index]?.focus();
  });

  const search = h('input', {
    type: 'search',
    placeholder: 'Search names ( / )',
    'aria-label': 'Search names',
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  search.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(() => update({ search: search.value }, 'replace'), SEARCH_DELAY);
  });

  const levels = (['namespaces', 'workloads'] as const).map((level: Level) => {
    const input = h('input', { type: 'radio', name: 'level', value: level });
    input.addEventListener('change', () => update({ level, from: undefined, to: undefined }));
    return { level, input, label: h('label', {}, input, ` ${level}`) };
  });
  const toggle = (text: string, read: () => boolean, write: (on: boolean) => Partial<State>) => {
    const input = h('input', { type: 'checkbox' });
    input.addEventListener('change', () => update(write(input.checked)));
    return { show: () => (input.checked = read()), label: h('label', {}, input, ` ${text}`) };
  };
  const peers = toggle(
    'with those they talk to',
    () => state.peers,
    (on) => ({ peers: on }),
  );
  const addresses = toggle(
    'addresses outside',
    () => state.addresses,
    (on) => ({ addresses: on }),
  );

  const boxes = model.namespaces.map((ns) => {
    const input = h('input', { type: 'checkbox', value: ns });
    input.addEventListener('change', () => {
      const chosen = boxes.filter((box) => box.input.checked).map((box) => box.ns);
      update({ namespaces: chosen });
    });
    const node = model.node(ns);
    return {
      ns,
      input,
      label: h('label', { title: ns }, input, ` ${ns} `, h('small', {}, String(node?.pods ?? 0))),
    };
  });
  const narrow = h('input', {
    type: 'search',
    placeholder: 'Narrow this list',
    'aria-label': 'Narrow the list of namespaces',
  });
  narrow.addEventListener('input', () => {
    for (const { ns, label } of boxes) label.hidden = !ns.includes(narrow.value.trim());
  });
  const count = h('p', { class: 'count', role: 'status' });
  const filters = h(
    'nav',
    { 'aria-label': 'Filters' },
    search,
    h(
      'fieldset',
      {},
      h('legend', {}, 'Show'),
      ...levels.map(({ label }) => label),
      peers.label,
      addresses.label,
    ),
    h(
      'fieldset',
      { class: 'namespaces' },
      h('legend', {}, 'Namespaces'),
      boxes.length > 12 && narrow,
      h('div', { class: 'boxes' }, ...boxes.map(({ label }) => label)),
      button({ class: 'link' }, 'all', () => update({ namespaces: [] })),
    ),
    count,
  );
  return {
    views,
    filters,
    search,
    count,
    show: () => {
      for (const [index, name] of VIEWS.entries()) {
        const current = name === state.view;
        tabs[index]?.setAttribute('aria-selected', String(current));
        tabs[index]?.setAttribute('tabindex', current ? '0' : '-1');
      }
      if (document.activeElement !== search) search.value = state.search;
      for (const { level, input } of levels) input.checked = level === state.level;
      peers.show();
      addresses.show();
      for (const { ns, input } of boxes) input.checked = state.namespaces.includes(ns);
    },
  };
}

/** The system's choice of light or dark until somebody makes another. */
function themeButton(): HTMLButtonElement {
  const isDark = () => {
    const chosen = document.documentElement.dataset['theme'];
    return chosen === undefined ? matchMedia('(prefers-color-scheme: dark)').matches : chosen === 'dark';
  };
  const label = () => (isDark() ? 'Light' : 'Dark');
  const element = button({ class: 'theme' }, label(), () => {
    document.documentElement.dataset['theme'] = isDark() ? 'light' : 'dark';
    element.textContent = label();
  });
  return element;
}
