/** `explain`: says if one end reaches another, why, and which connection would allow it. */
import { stripVTControlCharacters } from 'node:util';
import type { DirectionExplanation, Explanation } from '../../../analysis/explain.ts';
import type { Command } from '../../shell/command.ts';
import { layersFor } from '../../snapshot/layers.ts';
import { ONLY_NETWORK_POLICIES } from '../../snapshot/load.ts';
import { caveats } from './caveats.ts';
import { layerObjectText } from './layer-text.ts';
import { answerTable, explanationLines, groupByVerdict } from './explanation.ts';
import { EXIT } from '../../shell/failure.ts';
import type { Flag } from '../../shell/flags.ts';
import { toJson, toYaml } from '../../shell/output.ts';
import { type Answer, Questions } from './questions.ts';
import { type Suggestion, suggest } from './suggestions.ts';
import type { Snapshot } from '../../../snapshot/snapshot.ts';
import type { Terminal } from '../../shell/terminal.ts';
import { obstacleText, suggestionText, suggestionValue } from './suggestion-output.ts';
import { counted } from '../../../util/list-text.ts';

export const AS_ENFORCED: Flag = {
  name: 'as-enforced',
  help: 'answer as if every profile were enforced now, those under Audit too',
};

/** Groups of answers that are explained one by one; more are shown as a table. */
const MAX_EXPLAINED = 4;
const MAX_EXPLAINED_WIDE = 20;
/** Connections and policies that are suggested; more are only counted. */
const MAX_SUGGESTED = 4;

export const explain: Command = {
  name: 'explain',
  summary: 'say whether one end reaches another, why, and what to add if it should',
  usage: 'FROM TO',
  words: [2, 2],
  description: [
    'Says whether FROM reaches TO, and why: at each end, the policy, the profile and the rule that decide. Where it\n' +
      'is denied, it shows the smallest connection or policy that would allow it. An end is a workload, pod or Service (cart,\n' +
      'deploy/cart, svc/cart, or with its namespace shop/deploy/cart), a namespace (ns/shop), a node (node/a) or an\n' +
      'IP address. Ports are those of the pods; at a Service, its own lead to them.',
    'What it says is what policies mean, and not a measurement: the network plugin has to enforce them, and cloud\n' +
      'firewalls may deny more. Policies of Cilium, Calico and Istio and ClusterNetworkPolicies count with NetworkPolicies.\n' +
      'Where a verdict depends on a part of them that can not be evaluated, it is UNKNOWN, with that part. Policies never\n' +
      "limit pods on the host network, a pod's traffic to itself, or what comes from its own node.",
    'Exits with 0 if all of it is allowed, with 1 if something is denied, with 2 if a verdict is unknown.',
  ],
  examples: [
    {
      what: 'every port that payments serves',
      line: 'explain shop-checkout/deploy/checkout shop-payments/svc/payments',
    },
    { what: 'one port', line: 'explain checkout shop-payments/payments --port 8443 -n shop-checkout' },
    { what: 'an address outside the cluster', line: 'explain shop-storefront/web 203.0.113.7 --port 443' },
    {
      what: 'every pair of workloads of two namespaces',
      line: 'explain ns/shop-storefront ns/shop-payments',
    },
    { what: 'before a profile under Audit is enforced', line: 'explain web db -n shop --as-enforced' },
    {
      what: 'with a changed profile, before it is applied',
      line: 'explain web db -n shop -f profile.yaml --cluster',
    },
  ],
  flags: [
    {
      name: 'port',
      short: 'p',
      value: 'PORT',
      help: 'a port or its name, such as 8443, 53/UDP or http [those that TO serves]',
    },
    AS_ENFORCED,
    ONLY_NETWORK_POLICIES,
  ],
  formats: ['table', 'wide', 'json', 'yaml', 'name'],
  takes: { cluster: true, namespaces: false },
  completes: 'endpoints',
  async run(call) {
    const { words, flags, format, terminal } = call;
    const snapshot = await call.load({ forLayers: true });
    const [from = '', to = ''] = words;
    const asEnforced = flags.has('as-enforced');
    const policies = snapshot.effective(asEnforced);
    const layers = layersFor(snapshot, flags);
    const { answers, service, notes } = new Questions(snapshot, policies, layers).ask(
      from,
      to,
      flags.get('port'),
    );
    const { suggestions, obstacles } = suggest(answers, snapshot, policies);
    const remarks = [
      ...notes,
      ...caveats({
        answers,
        snapshot,
        policies,
        asEnforced,
        isLayered: !flags.has(ONLY_NETWORK_POLICIES.name),
      }),
      ...obstacles.map(obstacleText),
    ];
    if (
      service !== undefined &&
      answers.some(({ port }) => service.ports.every((each) => each.port !== port.port))
    ) {
      remarks.push(
        `Service ${service.namespace}/${service.name} leads to other ports of its pods; policies see those`,
      );
    }
    if (format === 'json' || format === 'yaml') {
      const document = documentOf(answers, suggestions, remarks);
      terminal.write(format === 'json' ? toJson(document) : toYaml(document));
    } else if (format === 'name') {
      for (const name of [...decidingPolicies(answers), ...decidingLayers(answers)]) terminal.print(name);
    } else {
      show(answers, suggestions, { wide: format === 'wide', policies: policiesByName(policies), terminal });
    }
    if (format !== 'json' && format !== 'yaml') for (const each of remarks) terminal.note(each);
    return { allowed: EXIT.yes, denied: EXIT.no, unknown: EXIT.failure }[verdictOf(answers)];
  },
};

/** The verdict on all flows: denied if one is, else unknown if one is. */
function verdictOf(answers: readonly Answer[]): Explanation['verdict'] {
  const verdicts = answers.map(({ explanation }) => explanation.verdict);
  return (['denied', 'unknown'] as const).find((each) => verdicts.includes(each)) ?? 'allowed';
}

interface ShowOptions {
  readonly wide: boolean;
  readonly policies: ReadonlyMap<string, object>;
  readonly terminal: Terminal;
}

function show(
  answers: readonly Answer[],
  suggested: readonly Suggestion[],
  { wide, policies, terminal }: ShowOptions,
): void {
  const { paint } = terminal;
  const groups = groupByVerdict(answers);
  if (groups.length <= MAX_EXPLAINED || (wide && groups.length <= MAX_EXPLAINED_WIDE)) {
    terminal.print(groups.map((group) => explanationLines(group, paint).join('\n')).join('\n\n'));
    if (wide) showPolicies(answers, policies, terminal);
  } else {
    terminal.print(answerTable(groups, paint));
  }
  if (suggested.length === 0) return;
  if (suggested.length > MAX_SUGGESTED) {
    terminal.note(
      `${counted(suggested.length, 'connection or policy', 'connections or policies')} would have to be added; name two workloads to see theirs`,
    );
    return;
  }
  terminal.print(suggestionText(suggested, paint));
}

function decidingPolicies(answers: readonly Answer[]): string[] {
  const deciding = answers.flatMap(({ explanation: { egress, ingress } }) =>
    [egress, ingress].flatMap(({ allowedBy, isolatedBy, reason, layer }) =>
      layer !== undefined ? [] : reason === 'Rule' ? allowedBy : isolatedBy,
    ),
  );
  return [...new Set(deciding.map(({ namespace, policy }) => `${namespace}/${policy}`))].sort();
}

/** The policies of other kinds that decide, or on which a verdict depends. */
function decidingLayers(answers: readonly Answer[]): string[] {
  const rules = answers
    .flatMap(({ explanation: { egress, ingress } }) => [egress.layer, ingress.layer])
    .flatMap((layer) => (layer === undefined ? [] : [...(layer.by ? [layer.by] : []), ...layer.dependsOn]));
  return [...new Set(rules.map(({ object }) => layerObjectText(object)))].sort();
}

function policiesByName(policies: ReturnType<Snapshot['effective']>): Map<string, object> {
  return new Map(
    policies.map((policy) => [`${policy.metadata.namespace}/${policy.metadata.name}`, policy.spec]),
  );
}

function showPolicies(
  answers: readonly Answer[],
  policies: ReadonlyMap<string, object>,
  terminal: Terminal,
): void {
  for (const name of decidingPolicies(answers)) {
    const spec = policies.get(name);
    if (spec !== undefined)
      terminal.print('', terminal.paint.dim(`# NetworkPolicy ${name}`), toYaml({ spec }).trimEnd());
  }
}

function documentOf(
  answers: readonly Answer[],
  suggested: readonly Suggestion[],
  notes: readonly string[],
): object {
  return {
    allowed: answers.every(({ explanation }) => explanation.allowed),
    verdict: verdictOf(answers),
    flows: answers.map(({ from, to, port, family, explanation }) => ({
      from: from.label,
      to: to.label,
      protocol: port.protocol,
      port: port.port,
      ...(port.to !== undefined && { endPort: port.to }),
      ...(family !== undefined && { family: `IPv${family}` }),
      allowed: explanation.allowed,
      verdict: explanation.verdict,
      ...(explanation.tunnelPort !== undefined && { tunnelPort: explanation.tunnelPort }),
      egress: sideOf(explanation.egress),
      ingress: sideOf(explanation.ingress),
    })),
    suggestions: suggested.map(suggestionValue),
    notes: notes.map((note) => stripVTControlCharacters(note)),
  };
}

function sideOf(explanation: DirectionExplanation): object {
  const { allowed, reason, isolatedBy, allowedBy, meantBy, nearMisses, layer } = explanation;
  return {
    allowed,
    reason,
    isolatedBy,
    allowedBy,
    ...(meantBy.length > 0 && { meantBy }),
    nearMisses,
    ...(layer && { layer }),
  };
}
