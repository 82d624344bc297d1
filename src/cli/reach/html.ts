/**
 * A reach as one HTML page without references to other resources. The page's code and style are in src/cli/page, and
 * bundled into src/cli/generated/page.ts. Pure.
 */
import { createHash } from 'node:crypto';
import { EVERY_PORT, formatPorts } from '../../analysis/model/ports.ts';
import type { Namespace } from '../../analysis/cluster.ts';
import type { GroupLink, Reach, ReachRule } from '../../analysis/reach/reach.ts';
import { layerObjectText } from '../commands/explain/layer-text.ts';
import { SCRIPT, STYLE } from '../generated/page.ts';
import { profileNameOf } from '../../policy/ownership.ts';
import { linkPorts, originsOf, type RuleOrigin } from './model.ts';
import type { PageAudit } from '../findings/page-audit.ts';
import type { PageData, PageLabel, PageRule, PageSeen } from './page-data.ts';

export interface PageText {
  readonly title: string;
  /** Where and when the objects were read. */
  readonly source: string;
  /** The namespaces with their labels, by which the graph can be grouped. */
  readonly namespaces?: readonly Namespace[];
  /** The view that the page begins with. */
  readonly view: PageData['view'];
  /** Present if more links between workloads are allowed, so that the reach is by namespace. */
  readonly maxLinks?: number;
  /** The findings of the same snapshot. */
  readonly audit?: PageAudit;
  /** Flows of flow logs; absent if none were read. */
  readonly seen?: PageSeen;
  /** Names of the policies of other kinds that links go by. */
  readonly layers?: readonly string[];
}

/** Where objects were read, the namespace that the page is limited to, and the time of day in UTC. */
export function sourceText(origin: string, namespace: string | undefined, now = new Date()): string {
  const time = `${now.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
  return [origin, ...(namespace === undefined ? [] : [`namespace ${namespace}`]), time].join(', ');
}

/** @param reach by workload, which the page itself joins by namespace; by namespace if `maxLinks` is present */
export function toHtml(reach: Reach, text: PageText): string {
  // The browser runs no script but the page's own, even if a name or description has one in it.
  const policy = [
    "default-src 'none'",
    `script-src '${integrity(SCRIPT)}'`,
    `style-src '${integrity(STYLE)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${escapeHtml(text.title)}</title>
<style>${STYLE}</style>
</head>
<body>
<noscript>This page draws with JavaScript, which is off here.</noscript>
<script type="application/json" id="data">${scriptJson(pageData(reach, text))}</script>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

export function pageData(
  { groups, links, policies }: Reach,
  { title, source, namespaces = [], view, audit, seen, layers = [], maxLinks }: PageText,
): PageData {
  const ports = [formatPorts(EVERY_PORT)];
  const numbers = new Map([[ports[0] ?? '', 0]]);
  const portsIndex = (text: string) => {
    const index = numbers.get(text) ?? ports.push(text) - 1;
    numbers.set(text, index);
    return index;
  };
  const texts = new Map<unknown, string>();
  return {
    title,
    source,
    view,
    ...(audit && { audit }),
    ...(seen && { seen }),
    ...(layers.length > 0 && { layers, ...linkLayersOf(links, layers) }),
    ...(maxLinks !== undefined && { maxLinks }),
    labels: pageLabels(namespaces),
    groups: groups.map(({ namespace, kind, name, pods, hostNetwork, isolated, selectedBy }) => ({
      ...(namespace !== undefined && { ns: namespace }),
      kind,
      name,
      pods,
      host: hostNetwork,
      isolated: [isolated.Ingress, isolated.Egress],
      ingress: selectedBy.Ingress,
      egress: selectedBy.Egress,
    })),
    links: links.flatMap((link) => {
      const { from, to, ports: ranges, unknown, partial } = link;
      const known = (unknown === undefined ? texts.get(ranges) : undefined) ?? linkPorts(link);
      if (unknown === undefined) texts.set(ranges, known);
      return [from, to, 2 * portsIndex(known) + (partial ? 1 : 0)];
    }),
    ports,
    policies: policies.map(({ policy, Ingress, Egress }) => {
      const origins = originsOf(policy);
      const profile = profileNameOf(policy.metadata);
      return {
        ns: policy.metadata.namespace ?? 'default',
        name: policy.metadata.name,
        ...(profile !== undefined && { profile }),
        ...(Ingress && { ingress: pageRules(Ingress, origins) }),
        ...(Egress && { egress: pageRules(Egress, origins) }),
      };
    }),
  };
}

/** @param names all policies of other kinds */
function linkLayersOf(links: Reach['links'], names: readonly string[]): Pick<PageData, 'linkLayers'> {
  if (links.every(({ layers }) => layers === undefined)) return {};
  const indices = new Map(names.map((name, index) => [name, index]));
  const sets: number[][] = [[]];
  const known = new Map<GroupLink['layers'], number>([[undefined, 0]]);
  const setOf = (layers: GroupLink['layers']) => {
    const found = known.get(layers);
    if (found !== undefined) return found;
    const made = sets.push((layers ?? []).flatMap((each) => indices.get(layerObjectText(each)) ?? [])) - 1;
    known.set(layers, made);
    return made;
  };
  return { linkLayers: { links: links.map(({ layers }) => setOf(layers)), sets } };
}

/** The labels of which a value is on two namespaces or more, sorted by key. */
function pageLabels(namespaces: readonly Namespace[]): PageLabel[] {
  const keys = new Set(namespaces.flatMap(({ labels }) => Object.keys(labels)));
  return [...keys]
    .sort()
    .map((key) => ({
      key,
      values: namespaces.flatMap(({ name, labels }): [string, string][] => {
        const value = labels[key];
        return value === undefined ? [] : [[name, value]];
      }),
    }))
    .filter(({ values }) => new Set(values.map(([, value]) => value)).size < values.length);
}

/** A profile's policy has rules in one direction only, and its notes are about these. */
function pageRules(rules: readonly ReachRule[], origins: readonly RuleOrigin[]): PageRule[] {
  return rules.map(({ peers, ports }, index) => ({ peers, ports, ...origins[index] }));
}

function integrity(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

/**
 * JSON without `<`, so that it can't end the script element
 * (https://html.spec.whatwg.org/#restrictions-for-contents-of-script-elements).
 */
function scriptJson(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
