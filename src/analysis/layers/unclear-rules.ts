/** The rules of layers on which unknown verdicts may depend. Pure. */
import { TIED } from './decision.ts';
import { isUncertain, type LayeredView, type LayerRule, type StandInRole } from './layered-view.ts';

/** Each rule once, with the part that can't be evaluated. */
export function unclearRules(roles: LayeredView['roles']): LayerRule[] {
  const all = [...new Set(roles.values())];
  const ties = Map.groupBy(all, (role) => tieOf(role)?.among);
  const policiesOf = (role: StandInRole) =>
    new Set(ties.get(tieOf(role)?.among)?.map((each) => tieOf(each)?.policy));
  const rules = all.flatMap((role) => {
    if (isUncertain(role)) return [role.rule];
    return tieOf(role) !== undefined && policiesOf(role).size > 1 ? [{ ...role.rule, unknown: TIED }] : [];
  });
  return [...new Map(rules.map((rule) => [JSON.stringify(rule), rule])).values()];
}

function tieOf(role: StandInRole) {
  return role.kind === 'ranked' ? role.rank.tie : undefined;
}
