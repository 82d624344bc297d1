/** The peers of rules that the tunnel does not carry, or not yet, with the reasons. Pure. */
import { LABEL_EXCEPTION } from '../../../api/names.ts';
import type { NetworkPolicy } from '../../../api/network-policy.ts';
import type { NamespaceFacts } from '../../../policy/facts.ts';
import type { UnresolvedPeer } from '../../../policy/rules.ts';
import type { Choice, WantedPassage } from './choose.ts';
import { rulesBeyondTunnel } from './egress.ts';
import { common, type Entrance, type Passage } from './passages.ts';
import type { Wanted } from './wanted.ts';

/** The rule of a profile or exception. */
interface Named {
  readonly profile: string;
  readonly exception?: string | undefined;
  readonly rule: string;
}

export interface Report extends Named, Pick<UnresolvedPeer, 'reason' | 'message'> {
  readonly hasLastKnown: boolean;
}

export interface ReportContext {
  readonly wanted: Wanted;
  readonly choice: Choice;
  /** The connections that pass now and stay. */
  readonly kept: readonly Passage[];
}

/** The rules that are left out. */
export function leftOutReports({ wanted, choice, kept }: ReportContext): Report[] {
  return [
    ...wanted.unsayable.map((each) =>
      report(each, 'Unsupported', { message: each.message, of: each.entrance, kept }),
    ),
    ...choice.excluded.map(({ wanted: each, by }) => {
      const message =
        `pods that rule ${by.rule} lets in would get the ports of this rule, or the reverse: the mesh tells pods by namespace and ` +
        'service account, and not by labels. Give both rules the same ports, or write serviceAccount peers';
      return report(each, 'Unsupported', { message, of: each, kept });
    }),
  ];
}

/** @param failure why the permits are not accepted; undefined if they are */
export function waitingReports({ choice, kept }: ReportContext, failure: string | undefined): Report[] {
  const message =
    failure ?? 'its AuthorizationPolicies have to be accepted, or other connections to close, first';
  return choice.waiting.map((each) => report(each, 'NotAccepted', { message, of: each, kept }));
}

/** Any overlay would cut connections of a rule that it can't say. So there is none, and the rules with ports stay closed. */
export function blockedReports(
  { wanted, choice, kept }: ReportContext,
  blocking: string | undefined,
): Report[] {
  if (blocking === undefined) return [];
  const reported = new Set<WantedPassage>(choice.excluded.map((each) => each.wanted));
  const message =
    `no AuthorizationPolicy can say rule ${blocking}, and any would cut its connections: none is written in the namespace until ` +
    'that rule is changed';
  return wanted.passages
    .filter((each) => each.needsEntrance && !reported.has(each))
    .map((each) => report(each, 'Unsupported', { message, of: each, kept }));
}

/** The peers of a profile, or of one of its exceptions: each rule and message once. */
export function unresolvedOf(
  profile: string,
  exception: string | undefined,
  reports: readonly Report[],
): UnresolvedPeer[] {
  const own = reports.filter((each) => each.profile === profile && each.exception === exception);
  const byText = Map.groupBy(own, ({ rule, message }) => JSON.stringify([rule, message]));
  return [...byText.values()].flatMap(([first, ...more]) => {
    if (first === undefined) return [];
    const { rule, reason, message } = first;
    const hasLastKnown = [first, ...more].every((each) => each.hasLastKnown);
    return [{ direction: 'Ingress', rule, peer: 'pods of the mesh', reason, message, hasLastKnown }];
  });
}

/** The rules for egress that the tunnel would widen. */
export function egressReports(
  policies: readonly NetworkPolicy[],
  exception: string | undefined,
  { ambient, port }: { readonly ambient: readonly NamespaceFacts[]; readonly port: number },
): UnresolvedPeer[] {
  const own = policies.filter(({ metadata }) => metadata.labels?.[LABEL_EXCEPTION] === exception);
  return rulesBeyondTunnel(own, ambient, port).map((rule) => ({
    direction: 'Egress',
    rule,
    peer: 'pods of the mesh',
    reason: 'Unsupported',
    message:
      `port ${port} carries the connections to pods of the mesh, and only the destination tells their ports apart: write the ` +
      'rule without ports, and hold the ports by the ingress rules of the destination',
    hasLastKnown: false,
  }));
}

function report(
  { profile, exception, rule }: Named,
  reason: UnresolvedPeer['reason'],
  {
    message,
    of: { pods, source },
    kept,
  }: { readonly message: string; readonly of: Entrance; readonly kept: readonly Passage[] },
): Report {
  const every = { pods, source, ports: 'every' } as const;
  const hasLastKnown = kept.some((each) => common(each, every) !== undefined);
  return { profile, exception, rule, reason, message, hasLastKnown };
}
