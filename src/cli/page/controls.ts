/** The controls of the page: tabs for the views, and filters. They read the state and report changes of it. */
import { button, h } from './dom.ts';
import { SEEN_STATES } from './model/seen-state.ts';
import { STATE_TEXT } from './views/flows.ts';
import { unitsOf } from './views/graph/cards.ts';
import type { Control, ControlsInput } from './control.ts';
import { buildFindingFilters } from './finding-filters.ts';

const SEARCH_DELAY_MS = 150;
/** From this number of namespaces on, their list has a search field of its own. */
const MANY_NAMESPACES = 13;

export interface Controls {
  readonly views: HTMLElement;
  readonly filters: HTMLElement;
  /** The search field of the current view. */
  readonly search: () => HTMLInputElement;
  /** Holds the numbers of nodes and links, or of findings, that the filters leave. */
  readonly count: HTMLElement;
  /** Sets every control to the current state. */
  readonly show: () => void;
}

export function buildControls(input: ControlsInput): Controls {
  const { state, findings } = input;
  const views = viewTabs(input);
  const search = searchField('names', 'search', input);
  const reach = reachFilters(input);
  const namespaces = namespaceList(input);
  const found = findings && buildFindingFilters(findings, input);
  const foundSearch = findings && searchField('findings', 'text', input);
  const count = h('p', { class: 'count', role: 'status' });
  const ofReach = [search.element, ...reach.map(({ element }) => element)];
  const ofFindings =
    foundSearch && found ? [foundSearch.element, ...found.map(({ element }) => element)] : [];
  const filters = h('nav', { 'aria-label': 'Filters' }, ...ofReach, ...ofFindings, namespaces.element, count);
  const all = [views, search, ...reach, ...(found ?? []), ...(foundSearch ? [foundSearch] : []), namespaces];
  return {
    views: views.element,
    filters,
    search: () => (state().view === 'findings' && foundSearch ? foundSearch : search).element,
    count,
    show: () => {
      const isOfFindings = state().view === 'findings';
      for (const element of ofReach) element.hidden = isOfFindings;
      for (const element of ofFindings) element.hidden = !isOfFindings;
      for (const { show } of all) show();
    },
  };
}

/** The filters of graph, matrix and list. */
function reachFilters(input: ControlsInput): Control[] {
  const levels = levelSwitch(input);
  const { maxLinks } = input.model.data;
  const toggles = [
    toggle('with those they talk to', 'peers', input),
    toggle('addresses outside', 'addresses', input),
    ...(input.findings === undefined ? [] : [toggle('findings in the graph', 'badges', input)]),
  ];
  const element = h(
    'fieldset',
    {},
    h('legend', {}, 'Show'),
    ...levels.labels,
    ...toggles.map((each) => each.element),
    maxLinks !== undefined &&
      h(
        'p',
        { class: 'note' },
        `More than ${maxLinks} links between workloads are allowed: these are between namespaces. To see workloads, write the page with -n.`,
      ),
  );
  const show = () => {
    for (const each of [levels, ...toggles]) each.show();
  };
  return [{ element, show }, groupControls(input), ...(input.hasFlows ? [flowStates(input)] : [])];
}

/** The choice of the state of flows, in their view. */
function flowStates({ state, update }: ControlsInput): Control {
  const choices = ['', ...SEEN_STATES] as const;
  const options = choices.map((value) => {
    const input = h('input', { type: 'radio', name: 'flows', value });
    input.addEventListener('change', () => update({ flows: value }));
    return { value, input, label: h('label', {}, input, ` ${value === '' ? 'all' : STATE_TEXT[value]}`) };
  });
  const element = h('fieldset', {}, h('legend', {}, 'Flows'), ...options.map(({ label }) => label));
  const show = () => {
    element.hidden = state().view !== 'flows';
    for (const { value, input } of options) input.checked = value === state().flows;
  };
  return { element, show };
}

function viewTabs({ viewNames, state, update }: ControlsInput): Control {
  const tabs = viewNames.map((name) =>
    button(
      { role: 'tab', 'aria-controls': 'view', id: `tab-${name}` },
      name[0]?.toUpperCase() + name.slice(1),
      () => update({ view: name }),
    ),
  );
  const element = h('div', { role: 'tablist', 'aria-label': 'View', class: 'tabs' }, ...tabs);
  element.hidden = viewNames.length < 2;
  element.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const index = (viewNames.indexOf(state().view) + step + viewNames.length) % viewNames.length;
    update({ view: viewNames[index] ?? 'graph' });
    tabs[index]?.focus();
  });
  const show = () => {
    for (const [index, name] of viewNames.entries()) {
      const isCurrent = name === state().view;
      tabs[index]?.setAttribute('aria-selected', String(isCurrent));
      tabs[index]?.setAttribute('tabindex', isCurrent ? '0' : '-1');
    }
  };
  return { element, show };
}

function searchField(
  what: string,
  key: 'search' | 'text',
  { state, update }: ControlsInput,
): Control<HTMLInputElement> {
  const element = h('input', {
    type: 'search',
    placeholder: `Search ${what} ( / )`,
    'aria-label': `Search ${what}`,
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  element.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(() => update({ [key]: element.value }, 'replace'), SEARCH_DELAY_MS);
  });
  // While somebody types, the state lags behind the field.
  const show = () => {
    if (document.activeElement !== element) element.value = state()[key];
  };
  return { element, show };
}

function levelSwitch({ model, state, update }: ControlsInput): { labels: HTMLElement[]; show: () => void } {
  const options = model.levels.map((level) => {
    const input = h('input', { type: 'radio', name: 'level', value: level });
    input.addEventListener('change', () => update({ level, from: undefined, to: undefined }));
    return { level, input, label: h('label', {}, input, ` ${level}`) };
  });
  const show = () => {
    for (const { level, input } of options) input.checked = level === state().level;
  };
  return { labels: options.length > 1 ? options.map(({ label }) => label) : [], show };
}

function toggle(
  text: string,
  key: 'peers' | 'addresses' | 'badges',
  { state, update }: ControlsInput,
): Control {
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

function namespaceList({ model, findings, state, update }: ControlsInput): Control {
  const found = new Map(findings?.audit.namespaces.map(([name, counts]) => [name, sum(counts)]));
  const names = [...new Set([...model.namespaces, ...found.keys()])].filter((name) => name !== '').sort();
  const boxes = names.map((ns) => {
    const input = h('input', { type: 'checkbox', value: ns });
    input.addEventListener('change', () => {
      const chosen = boxes.filter((box) => box.input.checked).map((box) => box.ns);
      update({ namespaces: chosen });
    });
    const size = h('small');
    return { ns, input, size, label: h('label', { title: ns }, input, ` ${ns} `, size) };
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
    const isOfFindings = state().view === 'findings';
    for (const { ns, input, size } of boxes) {
      input.checked = state().namespaces.includes(ns);
      size.textContent = String((isOfFindings ? found.get(ns) : model.node(ns)?.pods) ?? 0);
    }
  };
  return { element, show };
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
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
