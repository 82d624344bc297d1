/** A reach as text: CSV for spreadsheets, JSON for programs, Mermaid and Graphviz's DOT for documents. Pure. */
import { EVERY_PORT, formatPorts } from '../../analysis/model/ports.ts';
import type { Group, GroupLink, Reach } from '../../analysis/reach/reach.ts';
import { layerObjectText } from '../commands/explain/layer-text.ts';
import { groupText, linkText } from './model.ts';

const CSV_HEAD = [
  'from_namespace',
  'from_kind',
  'from_name',
  'to_namespace',
  'to_kind',
  'to_name',
  'ports',
  'all_pods',
];

/**
 * CSV by RFC 4180, with a line for each link. `all_pods` is `no` for a partial link. The columns `unknown_ports` and
 * `layers`, the policies of other kinds that decide, are there if a link has some.
 */
export function toCsv({ groups, links }: Reach): string {
  const of = (index: number) => {
    const { namespace = '', kind, name } = at(groups, index);
    return [namespace, kind, name];
  };
  const hasUnknown = links.some(({ unknown }) => unknown !== undefined);
  const hasLayers = links.some(({ layers }) => layers !== undefined);
  const head = [...CSV_HEAD, ...(hasUnknown ? ['unknown_ports'] : []), ...(hasLayers ? ['layers'] : [])];
  const rows = links.map(({ from, to, ports, unknown = [], partial, layers = [] }) => [
    ...of(from),
    ...of(to),
    ports.length === 0 ? '' : formatPorts(ports),
    partial ? 'no' : 'yes',
    ...(hasUnknown ? [unknown.length === 0 ? '' : formatPorts(unknown)] : []),
    ...(hasLayers ? [layers.map(layerObjectText).join(', ')] : []),
  ]);
  return [head, ...rows].map((row) => `${row.map(quoteCsv).join(',')}\r\n`).join('');
}

function quoteCsv(field: string): string {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}

/** The document of `-o json`: groups with ids, and links between ids. */
export interface ReachDocument {
  readonly groups: readonly {
    readonly id: string;
    readonly namespace?: string;
    readonly kind: string;
    readonly name: string;
    readonly pods: number;
    readonly isolated: { readonly ingress: number; readonly egress: number };
  }[];
  readonly links: readonly {
    readonly from: string;
    readonly to: string;
    readonly ports: 'all' | GroupLink['ports'];
    /** The ports of which it is not known if they are allowed. */
    readonly unknown?: 'all' | GroupLink['ports'];
    /** True if the ports differ between pods of the groups. */
    readonly partial: boolean;
    /** The policies of other kinds that decide about the ports. */
    readonly layers?: readonly string[];
  }[];
}

export function toDocument({ groups, links }: Reach): ReachDocument {
  return {
    groups: groups.map((group) => {
      const { namespace, kind, name, pods, isolated } = group;
      return {
        id: idOf(group),
        ...(namespace !== undefined && { namespace }),
        kind,
        name,
        pods,
        isolated: { ingress: isolated.Ingress, egress: isolated.Egress },
      };
    }),
    links: links.map(({ from, to, ports, unknown, partial, layers }) => ({
      from: idOf(at(groups, from)),
      to: idOf(at(groups, to)),
      ports: ports === EVERY_PORT ? 'all' : ports,
      ...(unknown && { unknown: unknown === EVERY_PORT ? 'all' : unknown }),
      partial,
      ...(layers && { layers: layers.map(layerObjectText) }),
    })),
  };
}

/** Has the kind in it, as workloads of different kinds may have the same name. */
function idOf({ namespace, kind, name }: Group): string {
  return kind === 'Namespace' || namespace === undefined ? name : `${namespace}/${kind}/${name}`;
}

/** A Mermaid flowchart (https://mermaid.js.org), which GitHub and GitLab draw in Markdown. */
export function toMermaid(reach: Reach): string {
  const lines = ['flowchart LR'];
  for (const [namespace, members] of byNamespace(reach)) {
    const inner = members.map(({ index, text, isOutside }) =>
      isOutside ? `n${index}(["${mermaidText(text)}"])` : `n${index}["${mermaidText(text)}"]`,
    );
    if (namespace === undefined) lines.push(...inner.map((line) => `  ${line}`));
    else {
      lines.push(`  subgraph ns${members[0]?.index ?? 0}["${mermaidText(namespace)}"]`);
      lines.push(...inner.map((line) => `    ${line}`), '  end');
    }
  }
  for (const link of reach.links) {
    const arrow = link.partial ? '-.->' : '-->';
    lines.push(`  n${link.from} ${arrow}|"${mermaidText(linkText(link))}"| n${link.to}`);
  }
  return `${lines.join('\n')}\n`;
}

/** Escapes the characters that are special within quotes: quotes, and the beginnings of entities and tags. */
function mermaidText(text: string): string {
  return text
    .replaceAll('#', '#35;')
    .replaceAll('"', '#quot;')
    .replaceAll('<', '#lt;')
    .replaceAll('>', '#gt;');
}

/** A digraph for Graphviz (https://graphviz.org): `| dot -Tsvg`. */
export function toDot(reach: Reach): string {
  const lines = [
    'digraph segmentation {',
    '  rankdir=LR; compound=true;',
    '  node [shape=box, style=rounded, fontname="sans-serif"];',
    '  edge [fontname="sans-serif", fontsize=10];',
  ];
  for (const [namespace, members] of byNamespace(reach)) {
    const inner = members.map(({ index, text, isOutside }) =>
      isOutside ? `n${index} [label=${dotText(text)}, shape=oval];` : `n${index} [label=${dotText(text)}];`,
    );
    if (namespace === undefined) lines.push(...inner.map((line) => `  ${line}`));
    else {
      lines.push(`  subgraph cluster_${members[0]?.index ?? 0} {`, `    label=${dotText(namespace)};`);
      lines.push(...inner.map((line) => `    ${line}`), '  }');
    }
  }
  for (const link of reach.links) {
    const style = link.partial ? ', style=dashed' : '';
    lines.push(`  n${link.from} -> n${link.to} [label=${dotText(linkText(link))}${style}];`);
  }
  lines.push('}');
  return `${lines.join('\n')}\n`;
}

function dotText(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

interface Member {
  readonly index: number;
  readonly text: string;
  readonly isOutside: boolean;
}

/** The groups by namespace; groups that are namespaces or addresses have the key undefined. */
function byNamespace({ groups }: Reach): Map<string | undefined, Member[]> {
  const members = groups.map((group, index) => ({
    namespace: group.kind === 'Namespace' ? undefined : group.namespace,
    index,
    text: group.kind === 'Namespace' || group.namespace === undefined ? groupText(group) : group.name,
    isOutside: group.namespace === undefined,
  }));
  return Map.groupBy(members, ({ namespace }) => namespace);
}

function at<T>(list: readonly T[], index: number): T {
  const item = list[index];
  if (item === undefined) throw new RangeError(`no item ${index}`);
  return item;
}
