/** Details of the selection: the links and policies of a node, or why a pair is allowed or denied. */
import { button, type Child, h } from '../dom.ts';
import {
  type Direction,
  type IsolatingPolicy,
  isolation,
  isOutside,
  type Link,
  type Model,
  type Node,
} from '../model/nodes.ts';
import { type Seen, stateOf } from '../model/seen.ts';
import { dayText, STATE_TEXT } from './flows.ts';
import { counted, shortList } from '../../../util/list-text.ts';

type Select = (node: Node, second?: Node) => void;

/** Items of a list that are shown; the rest is counted. */
const MAX_ITEMS = 60;

export interface NodeDetailsOptions {
  readonly select: Select;
  /** A section about the findings of the node. */
  readonly findings: Child;
}

export function nodeDetails(model: Model, node: Node, { select, findings }: NodeDetailsOptions): HTMLElement {
  const { in: incoming, out } = model.linksOf(node);
  const subject = node.pods - node.host;
  return h(
    'section',
    {},
    h('h2', {}, node.label),
    h(
      'p',
      { class: 'facts' },
      isOutside(node) ? 'Addresses outside of the pods' : `${kindText(node)}, ${counted(node.pods, 'pod')}`,
    ),
    node.host > 0 &&
      h(
        'p',
        { class: 'note' },
        `${counted(node.host, 'pod')} of the host network: NetworkPolicies don't apply to them.`,
      ),
    subject > 0 &&
      h(
        'ul',
        { class: `isolation ${isolation(node)}` },
        h('li', {}, isolationText('Ingress', node.isolated[0], subject)),
        h('li', {}, isolationText('Egress', node.isolated[1], subject)),
      ),
    findings,
    policyList(model, node),
    linkList('May connect to', out, ({ to }) => to, select),
    linkList('May be reached from', incoming, ({ from }) => from, select),
  );
}

function kindText({ kind }: Node): string {
  return kind === 'Group' ? 'Namespaces with this label' : kind;
}

function isolationText(what: string, isolated: number, subject: number): string {
  if (isolated === 0) return `${what}: open, no policy isolates it`;
  return isolated >= subject
    ? `${what}: isolated`
    : `${what}: ${isolated} of ${counted(subject, 'pod')} isolated`;
}

function policyList(model: Model, node: Node): Child {
  const policies = new Set([...model.policies(node, 'ingress'), ...model.policies(node, 'egress')]);
  if (policies.size === 0) return undefined;
  const items = [...policies].map(({ ns, name, profile }) =>
    h(
      'li',
      {},
      `${node.kind === 'Namespace' ? '' : `${ns}/`}${name}`,
      profile === undefined && h('em', {}, ' not of a profile'),
    ),
  );
  return h(
    'details',
    {},
    h('summary', {}, policies.size === 1 ? '1 policy' : `${policies.size} policies`),
    h('ul', {}, ...cut(items)),
  );
}

function linkList(
  title: string,
  links: readonly Link[],
  other: (link: Link) => Node,
  select: Select,
): HTMLElement {
  const items = links.map((link) =>
    h(
      'li',
      {},
      button({ class: 'link' }, other(link).label, () => select(link.from, link.to)),
      h('span', { class: 'ports' }, ` ${link.ports}${link.partial ? ' (some pods)' : ''}`),
    ),
  );
  return h(
    'section',
    {},
    h('h3', {}, title),
    items.length === 0 ? h('p', {}, 'nothing') : h('ul', { class: 'links' }, ...cut(items)),
  );
}

function workloadList(links: readonly Link[], select: Select): HTMLElement {
  const items = links.map(({ from, to, ports, partial }) =>
    h(
      'li',
      {},
      button({ class: 'link' }, `${from.label} → ${to.label}`, () => select(from, to)),
      h('span', { class: 'ports' }, ` ${ports}${partial ? ' (some pods)' : ''}`),
    ),
  );
  return h('section', {}, h('h3', {}, 'Workloads that may talk'), h('ul', { class: 'links' }, ...cut(items)));
}

function cut(items: readonly HTMLElement[]): HTMLElement[] {
  if (items.length <= MAX_ITEMS) return [...items];
  return [...items.slice(0, MAX_ITEMS), h('li', { class: 'note' }, `and ${items.length - MAX_ITEMS} more`)];
}

export interface PairDetailsOptions {
  readonly select: Select;
  /** Undefined if the page has no observed flows. */
  readonly seen: Seen | undefined;
}

export function pairDetails(
  model: Model,
  from: Node,
  to: Node,
  { select, seen }: PairDetailsOptions,
): HTMLElement {
  const link = model.link(from, to);
  const same = from === to && from.groups.length === 1 && from.pods === 1;
  const verdict = same
    ? 'A pod always reaches itself.'
    : link === undefined
      ? 'Nothing may pass.'
      : `${link.ports.startsWith(UNKNOWN) ? '' : 'Allowed: '}${link.ports}${link.partial ? ', between some of their pods' : ''}`;
  const between = from.groups.length > 1 || to.groups.length > 1 ? model.between(from, to) : [];
  return h(
    'section',
    {},
    h('h2', {}, from.label, h('span', { class: 'arrow' }, ' → '), to.label),
    h('p', { class: `verdict ${link === undefined && !same ? 'denied' : 'allowed'}` }, verdict),
    h(
      'p',
      {},
      button({ class: 'link' }, 'the other way round', () => select(to, from)),
    ),
    seen && seenFlows(seen, from, to),
    endDetails(model, 'egress', from, to),
    endDetails(model, 'ingress', to, from),
    !same && layersNote(model, link),
    between.length > 0 && workloadList(between, select),
  );
}

/** The beginning of the ports of a link of which nobody can tell if they are allowed. */
const UNKNOWN = 'unknown: ';

/** The policies of other kinds by which a pair goes: their rules are not on the page. */
function layersNote({ data: { layers = [] } }: Model, link: Link | undefined): HTMLElement | undefined {
  if (layers.length === 0) return undefined;
  const text =
    link === undefined
      ? `Policies of other kinds may deny it too: ${shortList(layers)}. ${EXPLAIN}`
      : link.layers.length === 0
        ? 'No policy of another kind decides about these ports.'
        : `Policies of other kinds decide about some of these ports, or may: ${shortList(link.layers)}. ${EXPLAIN}`;
  return h('p', { class: 'note' }, text);
}

const EXPLAIN = 'kubectl segmentation explain names the rule that decides.';

/** Flows that were seen between a pair of nodes, the most frequent first. */
function seenFlows(seen: Seen, from: Node, to: Node): HTMLElement {
  const flows = seen.between(from, to).toSorted((a, b) => b.count - a.count);
  const items = flows.map((flow) => {
    const times = flow.count === 1 ? 'once' : `${flow.count.toLocaleString('en-US')} times`;
    const last = flow.last === undefined ? '' : `, last on ${dayText(flow.last)}`;
    return h(
      'li',
      { class: `state ${stateOf(flow)}` },
      `${flow.port}: ${times}${last}, ${STATE_TEXT[stateOf(flow)]}`,
    );
  });
  return h(
    'section',
    {},
    h('h3', {}, 'Seen'),
    items.length === 0 ? h('p', {}, `nothing, of ${seen.data.source}`) : h('ul', {}, ...cut(items)),
  );
}

/** One end of a pair: the rules that allow egress at the source, or ingress at the destination. */
function endDetails(model: Model, direction: Direction, node: Node, other: Node): HTMLElement {
  const title = direction === 'egress' ? `Leaving ${node.label}` : `Entering ${node.label}`;
  const section = (...children: readonly Child[]) =>
    h('section', { class: 'end' }, h('h3', {}, title), ...children);
  if (isOutside(node)) return section(h('p', {}, 'No policy is about addresses outside of the pods.'));
  if (node.pods > 0 && node.host === node.pods) {
    return section(h('p', {}, "Of the host network: NetworkPolicies don't apply."));
  }
  const isolated = node.isolated[direction === 'ingress' ? 0 : 1];
  const policies = model.isolatingPolicies(node, direction, other);
  const allowing = policies.filter(({ rules }) => rules.length > 0);
  const open = isolated < node.pods - node.host;
  return section(
    open &&
      h(
        'p',
        { class: 'open-note' },
        isolated === 0
          ? 'Open: no policy isolates it.'
          : `${counted(node.pods - node.host - isolated, 'pod')} open: no policy isolates them.`,
      ),
    ...allowing.slice(0, MAX_ITEMS).map(allowingPolicy),
    isolated > 0 &&
      allowing.length === 0 &&
      h(
        'p',
        { class: 'denied-note' },
        `Denied: isolated by ${names(policies)}, and no rule of theirs lets ${other.label} through.`,
      ),
  );
}

function allowingPolicy({ policy, rules }: IsolatingPolicy): HTMLElement {
  return h(
    'div',
    { class: 'policy' },
    h(
      'p',
      {},
      h('code', {}, `${policy.ns}/${policy.name}`),
      policy.profile === undefined ? ', not of a profile' : `, of profile ${policy.profile}`,
    ),
    h(
      'ul',
      {},
      ...rules.map(({ rule, ports, description }) =>
        h(
          'li',
          {},
          rule === undefined ? ports : `${rule}: ${ports}`,
          description !== undefined && h('q', {}, description),
        ),
      ),
    ),
  );
}

function names(policies: readonly IsolatingPolicy[]): string {
  const all = policies.map(({ policy }) => `${policy.ns}/${policy.name}`);
  return shortList(all);
}
