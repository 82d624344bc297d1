/** Edits the text of a profile: its comments stay, and the order of what is not converted. Pure. */
import {
  type Document,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type Node,
  parseAllDocuments,
  type ToStringOptions,
  visit,
  type YAMLMap,
  YAMLSeq,
} from 'yaml';
import type { Connection } from '../../../api/profile.ts';
import { KIND } from '../../../api/names.ts';
import type { Step } from './conversion.ts';

/** Ways in which people lay out YAML; the one that gives a file's own text is used. */
const LAYOUTS: readonly ToStringOptions[] = [2, 4].flatMap((indent) =>
  [true, false].flatMap((indentSeq) =>
    [false, true].map((flowCollectionPadding) => ({
      indent,
      indentSeq,
      flowCollectionPadding,
      lineWidth: 0,
    })),
  ),
);

/** The text of a file after the steps of each of its profiles. @param steps by the name of the profile */
export function editText(text: string, steps: ReadonlyMap<string, readonly Step[]>): string {
  const parts = text.split(/^(?=---)/m);
  return parts.map((part) => editDocument(part, steps)).join('');
}

function editDocument(text: string, steps: ReadonlyMap<string, readonly Step[]>): string {
  // Texts that kubectl, which reads YAML 1.1, would take for other types are quoted.
  const [document] = parseAllDocuments(text, { compat: 'yaml-1.1' }) as Document[];
  if (document === undefined || document.get('kind') !== KIND) return text;
  const own = steps.get(String(document.getIn(['metadata', 'name']))) ?? [];
  if (own.length === 0) return text;
  const layout = layoutOf(document, text);
  const spec = document.get('spec');
  if (!isMap(spec)) return text;
  for (const step of own) {
    if (step.kind === 'connect') connect(document, spec, step);
    else
      document.setIn(
        ['spec', step.field, indexOf(spec, step.field, step.rule), 'inNamespaces'],
        document.createNode({ names: step.names }),
      );
  }
  return document.toString(layout);
}

/** The layout that gives the text itself or, if none does, most of its lines. */
function layoutOf(document: Document, text: string): ToStringOptions {
  const lines = new Set(text.split('\n'));
  const hits = (layout: ToStringOptions) =>
    document
      .toString(layout)
      .split('\n')
      .filter((line) => lines.has(line)).length;
  return LAYOUTS.toSorted((a, b) => hits(b) - hits(a))[0] ?? {};
}

function connect(document: Document, spec: YAMLMap, step: Extract<Step, { kind: 'connect' }>): void {
  const removed = (['egress', 'ingress'] as const).map((field) => takeRule(spec, field, step[field]));
  const node = document.createNode(withoutDefaults(step.connection)) as YAMLMap;
  if (removed.flat().some(hasFlowStyle)) for (const end of endsIn(node)) end.flow = true;
  const comment = removed.flatMap(commentsOf).join('\n');
  if (comment !== '') node.commentBefore = comment;
  const known = spec.get('connections');
  if (isSeq(known)) {
    known.add(node);
    return;
  }
  const list = new YAMLSeq();
  list.add(node);
  const pair = document.createPair('connections', list);
  const at = spec.items.findIndex(
    ({ key }) => isScalar(key) && ['ingress', 'egress'].includes(String(key.value)),
  );
  spec.items.splice(at < 0 ? spec.items.length : at, 0, pair as never);
}

/** Removes a rule from its list, and the list if it was the last. The rule's node has the list's comments too then. */
function takeRule(spec: YAMLMap, field: 'ingress' | 'egress', name: string): readonly Node[] {
  const list = spec.get(field);
  if (!isSeq(list)) return [];
  const index = indexOf(spec, field, name);
  const [node] = list.items.splice(index, 1);
  const found = isNode(node) ? [node] : [];
  // A comment above the first rule belongs to the list.
  if (index === 0 && list.commentBefore) {
    const [first] = found;
    if (first) first.commentBefore = [list.commentBefore, first.commentBefore].filter(Boolean).join('\n');
    list.commentBefore = null;
  }
  if (list.items.length > 0) return found;
  const at = spec.items.findIndex(({ key }) => isScalar(key) && key.value === field);
  const [pair] = spec.items.splice(at, 1);
  return [...(isNode(pair?.key) ? [pair.key] : []), ...found];
}

function indexOf(spec: YAMLMap, field: string, name: string): number {
  const list = spec.get(field);
  return isSeq(list) ? list.items.findIndex((item) => isMap(item) && item.get('name') === name) : -1;
}

/** The connection as people write it: TCP is the default of a port. */
function withoutDefaults({ ports, ...connection }: Connection): object {
  const written = ports?.map(({ protocol, ...port }) =>
    protocol === 'TCP' && port.port !== undefined ? port : { protocol, ...port },
  );
  return { ...connection, ...(written !== undefined && { ports: written }) };
}

/** The peers and ports of a connection. */
function endsIn(connection: YAMLMap): YAMLMap[] {
  return ['from', 'to', 'ports'].flatMap((side) => {
    const list = connection.get(side);
    return isSeq(list) ? list.items.filter((item) => isMap(item)) : [];
  });
}

/** True if a list or mapping in the node is written in brackets. */
function hasFlowStyle(node: Node): boolean {
  let found = false;
  visit(node, {
    Collection: (_, { flow }) => {
      found ||= flow === true;
    },
  });
  return found;
}

/** All comments in these nodes, in order. */
function commentsOf(nodes: readonly Node[]): string[] {
  const found: string[] = [];
  for (const node of nodes) {
    visit(node, {
      Node: (_, each) => {
        for (const comment of [each.commentBefore, each.comment]) if (comment) found.push(comment);
      },
    });
  }
  return found;
}
