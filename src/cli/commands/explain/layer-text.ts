/** Texts of decisions by policies of network engines and of the mesh. Pure. */
import type { DirectionExplanation } from '../../../analysis/explain.ts';
import type { LayerObject, LayerRule } from '../../../analysis/layers/layered-view.ts';
import { shortList } from '../../../util/list-text.ts';

/** `KIND NAMESPACE/NAME`, as messages name objects. */
export function layerObjectText({ kind, namespace, name }: LayerObject): string {
  if (name === '*') return `the objects of kind ${kind}`;
  return `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
}

function ruleText({ object, field }: LayerRule): string {
  return `${layerObjectText(object)}${field === '' ? '' : `, ${field}`}`;
}

/** The rules on which a verdict depends, each with the part that can't be evaluated. */
export function dependsText(rules: readonly LayerRule[]): string {
  const texts = rules.map((rule) => `${ruleText(rule)} (${rule.unknown ?? 'not evaluated'})`);
  return `depends on ${shortList([...new Set(texts)], { most: 4 })}`;
}

/** Text of a denial by a layer at one end, for a list of reasons; undefined if none denies. */
export function layerDenial({ layer }: DirectionExplanation): string | undefined {
  return layer?.verdict === 'denied' && layer.by !== undefined
    ? `${ruleText(layer.by)} denies it`
    : undefined;
}

/** Text of a decision of a layer at one end; undefined if NetworkPolicies decide. */
export function layerText({ layer }: DirectionExplanation): string | undefined {
  if (layer === undefined) return undefined;
  if (layer.verdict === 'unknown') return `unknown: ${dependsText(layer.dependsOn)}`;
  if (layer.by === undefined) return undefined;
  if (layer.verdict === 'allowed') return `allowed by ${ruleText(layer.by)}`;
  return layer.by.field === ''
    ? `denied: ${ruleText(layer.by)} limits it, and no rule allows this`
    : `denied by ${ruleText(layer.by)}`;
}
