// Finds the series and labels in PromQL expressions, from Prometheus's own syntax tree.
import type { Prometheus } from './prometheus.ts';

interface Matcher {
  readonly name: string;
  readonly type: string;
  readonly value: string;
}

export interface Selector {
  readonly metric: string;
  /** All matchers but that of the name. */
  readonly matchers: readonly Matcher[];
}

export interface Usage {
  readonly selectors: readonly Selector[];
  /** Labels by which aggregations group. */
  readonly grouping: readonly string[];
}

type Node = { readonly [key: string]: unknown };

/** @throws Error if Prometheus can't parse the expression */
export async function usageOf(prometheus: Prometheus, expression: string): Promise<Usage> {
  const selectors: Selector[] = [];
  const grouping = new Set<string>();
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) for (const each of value) visit(each);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
    const node = value as Node;
    if (node['type'] === 'vectorSelector' || node['type'] === 'matrixSelector') {
      const matchers = node['matchers'] as Matcher[];
      selectors.push({
        metric: node['name'] as string,
        matchers: matchers.filter(({ name }) => name !== '__name__'),
      });
    }
    if (node['type'] === 'aggregation' && node['without'] !== true) {
      for (const label of node['grouping'] as string[]) grouping.add(label);
    }
    for (const child of Object.values(node)) visit(child);
  };
  visit(await prometheus.api('parse_query', { query: expression }));
  return { selectors, grouping: [...grouping] };
}

/** Formats a selector as PromQL. */
export function selectorText({ metric, matchers }: Selector): string {
  return `${metric}{${matchers.map(({ name, type, value }) => `${name}${type}${JSON.stringify(value)}`).join(', ')}}`;
}
