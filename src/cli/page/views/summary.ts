/** The summary that leads the printed page: numbers, the isolation of each namespace, and what may pass between them. */
import { type Child, h } from '../dom.ts';
import { type Isolation, isolation, isOutside, type Link, type Model, type Node } from '../model/nodes.ts';
import { counted } from '../../../util/list-text.ts';

/** Lines of a table that are printed; the rest is counted. */
const MAX_LINES = 300;

const KINDS: Readonly<Record<Exclude<Isolation, 'outside'>, string>> = {
  closed: 'isolated both ways',
  partly: 'partly isolated',
  open: 'open',
  host: 'on the host network only',
};

/** @param findings a sentence about the findings; absent if the page has none */
export function summary(model: Model, findings?: string): HTMLElement {
  const namespaces = model.nodes('namespaces').filter((node) => !isOutside(node));
  const workloads = model.nodes('workloads').filter((node) => !isOutside(node));
  const pods = namespaces.reduce((sum, node) => sum + node.pods, 0);
  return h(
    'section',
    { class: 'summary of-reach' },
    h('h2', {}, 'Summary'),
    h(
      'p',
      {},
      `${counted(namespaces.length, 'namespace')}, ${counted(workloads.length, 'workload')}, ${counted(pods, 'pod')}. ` +
        `Of the workloads: ${isolationCounts(workloads)}.`,
    ),
    findings !== undefined && h('p', {}, findings),
    summaryTable(
      'Namespaces',
      ['Namespace', 'Pods', 'Ingress isolated', 'Egress isolated'],
      namespaces.map(namespaceLine),
    ),
    summaryTable(
      'Allowed between namespaces',
      ['From', 'To', 'Ports'],
      model
        .links('namespaces')
        .filter(({ from, to }) => from !== to)
        .map(linkLine),
    ),
  );
}

function isolationCounts(workloads: readonly Node[]): string {
  const kinds = Object.entries(KINDS).map(([kind, text]) => {
    const count = workloads.filter((node) => isolation(node) === kind).length;
    return `${count} ${text}`;
  });
  return kinds.join(', ');
}

function namespaceLine({ label, pods, host, isolated: [ingress, egress] }: Node): string[] {
  const of = (count: number) => (pods === host ? 'host network' : `${count} of ${pods - host}`);
  return [label, String(pods), of(ingress), of(egress)];
}

function linkLine({ from, to, ports, partial }: Link): string[] {
  return [from.label, to.label, partial ? `${ports} (some pods)` : ports];
}

/** A table on paper, cut after MAX_LINES lines. */
export function summaryTable(
  title: string,
  heads: readonly string[],
  lines: readonly (readonly string[])[],
): HTMLElement {
  const cells = (name: 'th' | 'td', texts: readonly string[]) => texts.map((text) => h(name, {}, text));
  const rest: Child =
    lines.length > MAX_LINES && h('p', {}, `and ${lines.length - MAX_LINES} more, on the page itself`);
  return h(
    'section',
    {},
    h('h3', {}, title),
    h(
      'table',
      {},
      h('thead', {}, h('tr', {}, ...cells('th', heads))),
      h('tbody', {}, ...lines.slice(0, MAX_LINES).map((line) => h('tr', {}, ...cells('td', line)))),
    ),
    rest,
  );
}
