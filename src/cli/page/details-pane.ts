/** The details of the selection: of a node or a pair with the fields that ask for it, or of a finding. */
import { type Child, button, h } from './dom.ts';
import type { Findings } from './model/findings.ts';
import { isOutside, type Model, type Node } from './model/nodes.ts';
import type { Seen } from './model/seen.ts';
import type { State } from './model/view-state.ts';
import { nodeDetails, pairDetails } from './views/details.ts';
import { findingDetails, type FindingLinks, nodeFindings } from './views/findings/details.ts';

export interface DetailsInput {
  readonly model: Model;
  /** Undefined if the page has no findings. */
  readonly findings: Findings | undefined;
  /** Undefined if the page has no observed flows. */
  readonly seen: Seen | undefined;
  readonly select: (node: Node, second?: Node) => void;
  readonly update: (change: Partial<State>) => void;
  readonly links: FindingLinks;
}

/** The content for a state. */
export function detailsOf(input: DetailsInput, state: State): readonly HTMLElement[] {
  if (state.view === 'findings') return [ofFinding(input, state)];
  const { model } = input;
  const [from, to] = [model.node(state.from), model.node(state.to)];
  return [askForm(input, from, to), ofNodes(input, from, to)];
}

function ofFinding({ findings, links }: DetailsInput, state: State): HTMLElement {
  const finding = findings?.get(state.finding);
  return finding === undefined
    ? note(
        'Select a finding to see why it matters, and what to write instead. Arrows go up and down the list.',
      )
    : findingDetails(finding, links);
}

function ofNodes(
  { model, findings, seen, select, links }: DetailsInput,
  from: Node | undefined,
  to: Node | undefined,
): HTMLElement {
  if (from !== undefined && to !== undefined) return pairDetails(model, from, to, { select, seen });
  if (from !== undefined) {
    const own: Child = findings && !isOutside(from) && nodeFindings(findings, from, links);
    return nodeDetails(model, from, { select, findings: own });
  }
  return note(
    'Select something in the view, or name two ends above, to see what may pass between them and why. Traffic of a pod with itself and with its own node is always allowed and is not shown.',
  );
}

function note(text: string): HTMLElement {
  return h('p', { class: 'note' }, text);
}

function askForm(input: DetailsInput, from: Node | undefined, to: Node | undefined): HTMLElement {
  const { update } = input;
  const clear =
    from !== undefined &&
    button({ class: 'link clear' }, 'clear', () => update({ from: undefined, to: undefined }));
  const form = h(
    'form',
    { class: 'ask' },
    endField(input, 'from', from),
    endField(input, 'to', to),
    clear,
    nameList(input.model),
  );
  form.addEventListener('submit', (event) => event.preventDefault());
  return form;
}

/** A field for the name of an end. */
function endField({ model, update }: DetailsInput, key: 'from' | 'to', node: Node | undefined): HTMLElement {
  const input = h('input', {
    list: 'names',
    value: node?.label ?? '',
    placeholder: 'namespace or namespace/workload',
    autocomplete: 'off',
  });
  const message = h('span', { class: 'error', role: 'alert' });
  input.addEventListener('change', () => {
    const found = byLabel(model, input.value);
    message.textContent = found === undefined && input.value !== '' ? `There is no ${input.value}.` : '';
    if (found !== undefined || input.value === '') update({ [key]: found?.id });
  });
  return h('label', {}, h('span', {}, key === 'from' ? 'From' : 'To'), input, message);
}

/** The names that the fields of the ends suggest. */
function nameList(model: Model): HTMLElement {
  const namespaces = model.nodes('namespaces').filter((node) => !isOutside(node));
  const nodes = [...model.nodes('workloads'), ...namespaces];
  return h('datalist', { id: 'names' }, ...nodes.map(({ label }) => h('option', { value: label })));
}

function byLabel(model: Model, label: string): Node | undefined {
  const wanted = label.trim();
  return [...model.nodes('namespaces'), ...model.nodes('workloads')].find((node) => node.label === wanted);
}
