/** The rules of policies of other kinds that observed flows used. Pure. */
import { LayeredEvaluator } from '../../../analysis/layers/layered-evaluator.ts';
import { isAllowing, type LayerRule } from '../../../analysis/layers/layered-view.ts';
import type { Namespace } from '../../../analysis/cluster.ts';
import { DIRECTIONS } from '../../../api/network-policy.ts';
import type { SnapshotLayers } from '../../../snapshot/layers.ts';
import { layerObjectText } from '../explain/layer-text.ts';
import type { Answer } from '../explain/questions.ts';

/** Names a rule. */
export interface RuleName {
  /** The profile, or the foreign policy: a NetworkPolicy by its namespace and name, another kind with the kind before. */
  readonly owner: string;
  /**
   * The rule's name, as in `connection web-to-cart`, `rule from-web`, `baseline.dns`; of a foreign policy, `ingress rule 1`, or
   * the field of another kind.
   */
  readonly rule: string;
}

/** A rule that allows a flow. */
export interface UsedRule extends RuleName {
  /** False if nobody can tell if it does. */
  readonly isCertain: boolean;
}

/** The part of the operator's own rules for names that is for the DNS queries: a query is no use of the name. */
const QUERIES = 'requests (toPorts.rules.dns)';

export class LayerUsage {
  readonly #layers: SnapshotLayers;
  readonly #evaluator: LayeredEvaluator;

  constructor(namespaces: readonly Namespace[], layers: SnapshotLayers) {
    this.#layers = layers;
    this.#evaluator = new LayeredEvaluator(namespaces, layers);
  }

  /** All rules that allow something. */
  rules(): RuleName[] {
    const rules = [...new Set(this.#layers.roles.values())].filter(isAllowing).map(({ rule }) => rule);
    return rules.flatMap((rule) => this.#nameOf(rule) ?? []);
  }

  /** The rules that allow the flow of an answer, or may. */
  usedBy({ from, to, port: { port, protocol }, family }: Answer): UsedRule[] {
    const flow = { from: from.endpoint, to: to.endpoint, port, protocol, ...(family && { family }) };
    const found = this.#evaluator.allowing(flow);
    return DIRECTIONS.flatMap((direction) =>
      found[direction].flatMap((rule) => {
        const name = this.#nameOf(rule);
        return name === undefined ? [] : [{ ...name, isCertain: rule.unknown === undefined }];
      }),
    );
  }

  /**
   * Undefined for a rule that is none of its own: those of guards and overlays stand for NetworkPolicies, and others for whole
   * objects.
   */
  #nameOf({ object, field, unknown }: LayerRule): RuleName | undefined {
    if (field === '') return undefined;
    const origin = this.#layers.originOf(object);
    if (origin === undefined) return { owner: layerObjectText(object), rule: field };
    const [, index] = /^spec\.(?:ingress|egress)\[(\d+)\]$/.exec(field) ?? [];
    const note = index === undefined || unknown === QUERIES ? undefined : origin.notes[Number(index)];
    return note && { owner: origin.profile, rule: ruleText(note) };
  }
}

/** Text of a rule, connection or part of the baseline of a profile. */
export function ruleText({ rule, kind }: { readonly rule: string; readonly kind?: 'connection' }): string {
  if (kind !== undefined) return `${kind} ${rule}`;
  return rule.startsWith('baseline.') ? rule : `rule ${rule}`;
}
