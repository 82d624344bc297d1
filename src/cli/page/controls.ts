/** The controls of the page: tabs for the views, and filters. They read the state and report changes of it. */
import { button, h } from './dom.ts';
import type { Model } from './model/nodes.ts';
import { unitsOf } from './views/graph/cards.ts';
import { type State, VIEWS } from './model/view-state.ts';

const SEARCH_DELAY_MS = 150;
/** From this number of namespaces on, their list has a search field of its own. */
const MANY_NAMESPACES = 13;

export interface ControlsInput {
  readonly model: Model;
  readonly state: () => State;
  /** `replace` leaves no entry in the browser's history. */
  readonly update: (change: Partial<State>, how?: 'push' | 'replace') => void;
}

export interface Controls {
  readonly views: HTMLElement;
  readonly filters: HTMLElement;
  readonly search: HTMLInputElement;
  /** Holds the numbers of nodes and links that the filters leave. */
  readonly count: HTMLElement;
  /** Sets every control to the current state. */
  readonly show: () => void;
}

/** An element of the page, and a function that sets it to the current state. */
interface Control<E extends HTMLElement = HTMLElement> {
  readonly element: E;
  readonly show: () => void;
}

export function buildControls(input: ControlsInput): Controls {
  const views = viewTabs(input);
  const search = searchField(input);
  const levels = levelSwitch(input);
  const peers = toggle('with those they talk to', 'peers', input);
  const addresses = toggle('addresses outside', 'addresses', input);
  const groups = groupControls(input);
  const namespaces = namespaceList(input);
  const count = h('p', { class: 'count', role: 'status' });
  const shown = h(
    'fieldset',
    {},
    h('legend', {}, 'Show'),
    ...levels.labels,
    peers.element,
    addresses.element,
  );
  const filters = h(
    'nav',
    { 'aria-label': 'Filters' },
    search.element,
    shown,
    groups.element,
    namespaces.element,
    count,
  );
  const all = [views, search, levels, peers, addresses, groups, namespaces];
  return {
    views: views.element,
    filters,
    search: search.element,
    count,
    show: () => {
      for (const { show } of all) show();
    },
  };
}

function viewTabs({ state, update }: ControlsInput): Control {
  const tabs = VIEWS.map((name) =>
    button(
      { role: 'tab', 'aria-controls': 'view', id: `tab-${name}` },
      name[0]?.toUpperCase() + name.slice(1),
      () => update({ view: name }),
    ),
  );
  const element = h('div', { role: 'tablist', 'aria-label': 'View', class: 'tabs' }, ...tabs);
  element.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const index = (VIEWS.indexOf(state().view) + step + VIEWS.length) % VIEWS.length;
    update({ view: VIEWS[index] ?? 'graph' });
    tabs[index]?.focus();
  });
  const show = () => {
    for (const [index, name] of VIEWS.entries()) {
      const isCurrent = name === state().view;
      tabs[index]?.setAttribute('aria-selected', String(isCurrent));
      tabs[index]?.setAttribute('tabindex', isCurrent ? '0' : '-1');
    }
  };
  return { element, show };
}

function searchField({ state, update }: ControlsInput): Control<HTMLInputElement> {
  const element = h('input', {
    type: 'search',
    placeholder: 'Search names ( / )',
    'aria-label': 'Search names',
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  element.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(() => update({ search: element.value }, 'replace'), SEARCH_DELAY_MS);
  });
  // While somebody types, the state lags behind the field.
  const show = () => {
    if (document.activeElement !== element) element.value = state().search;
  };
  return { element, show };
}

function levelSwitch({ state, update }: ControlsInput): { labels: HTMLElement[]; show: () => void } {
  const options = (['namespaces', 'workloads'] as const).map((level) => {
    const input = h('input', { type: 'radio', name: 'level', value: level });
    input.addEventListener('change', () => update({ level, from: undefined, to: undefined }));
    return { level, input, label: h('label', {}, input, ` ${level}`) };
  });
  const show = () => {
    for (const { level, input } of options) input.checked = level === state().level;
  };
  return { labels: options.map(({ label }) => label), show };
}

function toggle(text: string, key: 'peers' | 'addresses', { state, update }: ControlsInput): Control {
  const input = h('input', { type: 'checkbox' });
  input.addEventListener('change', () => update({ [key]: input.checked }));
  return { element: h('label', {}, input, ` ${text}`), show: () => (input.checked = state()[key]) };
}

/** The choice of a label to group the graph by, and buttons that fold and unfold every card. */
function groupControls({ model, state, update }: ControlsInput): Control {
  const select = h(
    'select',
    { 'aria-label': 'Group by a label of namespaces' },
    h('option', { value: '' }, 'no label'),
    ...model.labelKeys.map((key) => h('option', { value: key }, key)),
  );
  // A chosen label begins folded: that is the overview that the label was chosen for.
  select.addEventListener('change', () =>
    update({ group: select.value, folded: model.labelGroups(select.value).map(({ id }) => id) }),
  );
  const foldAll = button({ class: 'link' }, 'fold all', () =>
    update({ folded: unitsOf(model, state()).map(({ id }) => id) }),
  );
  const unfoldAll = button({ class: 'link' }, 'unfold all', () => update({ folded: [] }));
  const element = h(
    'fieldset',
    { class: 'groups' },
    h('legend', {}, 'Group by'),
    model.labelKeys.length > 0 && select,
    h('div', { class: 'folds' }, foldAll, unfoldAll),
  );
  const show = () => {
    select.value = state().group;
    element.hidden =
      state().view !== 'graph' || unitsOf(model, state()).length + model.labelKeys.length === 0;
  };
  return { element, show };
}

function namespaceList({ model, state, update }: ControlsInput): Control {
  const boxes = model.namespaces.map((ns) => {
    const input = h('input', { type: 'checkbox', value: ns });
    input.addEventListener('change', () => {
      const chosen = boxes.filter((box) => box.input.checked).map((box) => box.ns);
      update({ namespaces: chosen });
    });
    const pods = h('small', {}, String(model.node(ns)?.pods ?? 0));
    return { ns, input, label: h('label', { title: ns }, input, ` ${ns} `, pods) };
  });
  const narrow = h('input', {
    type: 'search',
    placeholder: 'Narrow this list',
    'aria-label': 'Narrow the list of namespaces',
  });
  narrow.addEventListener('input', () => {
    for (const { ns, label } of boxes) label.hidden = !ns.includes(narrow.value.trim());
  });
  const element = h(
    'fieldset',
    { class: 'namespaces' },
    h('legend', {}, 'Namespaces'),
    boxes.length >= MANY_NAMESPACES && narrow,
    h('div', { class: 'boxes' }, ...boxes.map(({ label }) => label)),
    button({ class: 'link' }, 'all', () => update({ namespaces: [] })),
  );
  const show = () => {
    for (const { ns, input } of boxes) input.checked = state().namespaces.includes(ns);
  };
  return { element, show };
}

/** A button that switches between light and dark. Until it is used, the page follows the system. */
export function themeButton(): HTMLButtonElement {
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
