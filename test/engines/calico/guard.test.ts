import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { parse } from 'yaml';
import type { KubeObject, LabelSelector } from '../../../src/api/meta.ts';
import { parseCalicoSelector } from '../../../src/engines/calico/parse-selector.ts';
import { CALICO_GUARD } from '../../../src/engines/calico/guard/carrier.ts';
import type { CompiledGuard } from '../../../src/engines/guards/carrier.ts';
import { isSameForm } from '../../../src/engines/guards/plan.ts';
import type { Guard, GuardPass, GuardPeer } from '../../../src/policy/guard/guard.ts';
import { containsCidr, parseCidr } from '../../../src/policy/semantics/cidr.ts';
import { matches } from '../../../src/policy/semantics/selector.ts';
import { runs } from '../../policy/fixture.ts';

const SUBJECT: LabelSelector = {
  matchLabels: { team: 'red' },
  matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system'] }],
};
const OWN: GuardPass = {
  peer: { kind: 'pods', namespaceSelector: SUBJECT, podSelector: {} },
  rules: ['own-namespaces'],
};

function guard(direction: 'Ingress' | 'Egress', passes: readonly GuardPass[]): Guard {
  const directions = [{ direction, passes, unresolved: [], podRanges: [] }];
  return { profile: 'p', subject: SUBJECT, directions };
}

function compiled(given: Guard): CompiledGuard {
  const made = CALICO_GUARD.compile(given);
  assert.equal(made.kind, 'compiled');
  return made;
}

interface End {
  readonly namespaceSelector?: string;
  readonly selector?: string;
  readonly nets?: readonly string[];
  readonly notNets?: readonly string[];
  readonly ports?: readonly (number | string)[];
}
interface Rule {
  readonly action: string;
  readonly protocol?: string;
  readonly source?: End;
  readonly destination?: End;
}

/** The other end of a flow: a pod, or an address outside of the cluster. */
type Other =
  | { readonly namespace: Record<string, string>; readonly labels: Record<string, string> }
  | { readonly ip: string };
interface Flow {
  readonly other: Other;
  readonly protocol: 'TCP' | 'UDP';
  readonly port: number;
}

const isIn = (ip: string, cidr: string) => {
  const [range, address] = [parseCidr(cidr), parseCidr(`${ip}/32`)];
  return range !== undefined && address !== undefined && containsCidr(range, address);
};

/** True if the guard says that the flow is passed. */
function isMeant({ peer, ports }: GuardPass, { other, protocol, port }: Flow): boolean {
  const isPeer = (each: GuardPeer): boolean => {
    if (each.kind === 'everyone') return true;
    if (each.kind === 'pods')
      return (
        'labels' in other &&
        matches(each.namespaceSelector, other.namespace) &&
        matches(each.podSelector, other.labels)
      );
    return 'ip' in other && isIn(other.ip, each.cidr) && !each.except.some((cidr) => isIn(other.ip, cidr));
  };
  const isPort =
    ports?.some((each) => each.protocol === protocol && each.from <= port && port <= each.to) ?? true;
  return isPeer(peer) && isPort;
}

/** True if Calico passes the flow by the rule, by the documentation of its fields. */
function isPassed(direction: 'Ingress' | 'Egress', rule: Rule, { other, protocol, port }: Flow): boolean {
  const { namespaceSelector, selector, nets, notNets } =
    (direction === 'Ingress' ? rule.source : rule.destination) ?? {};
  if (rule.protocol !== undefined && rule.protocol !== protocol) return false;
  const selects = (text: string, labels: Record<string, string>) =>
    parseCalicoSelector(text)?.(labels) === true;
  if (namespaceSelector !== undefined || selector !== undefined) {
    if (!('labels' in other)) return false;
    if (!selects(namespaceSelector ?? '', other.namespace) || !selects(selector ?? '', other.labels))
      return false;
  }
  if (nets !== undefined && !('ip' in other && nets.some((cidr) => isIn(other.ip, cidr)))) return false;
  if (notNets?.some((cidr) => 'ip' in other && isIn(other.ip, cidr)) === true) return false;
  const { ports } = rule.destination ?? {};
  return (
    ports?.some((each) => {
      const [from = 0, to = from] = String(each).split(':').map(Number);
      return from <= port && port <= to;
    }) ?? true
  );
}

describe('a GlobalNetworkPolicy of Calico as a guard', () => {
  it('is for the pods of the namespaces, in the tier of guards', () => {
    const { form } = compiled(guard('Ingress', [OWN]));
    const { spec } = CALICO_GUARD.objectOf(form, 500) as KubeObject & { spec: Record<string, unknown> };
    const own = "kubernetes.io/metadata.name not in {'kube-system'} && team == 'red'";
    assert.deepEqual(spec, {
      tier: 'segmentation',
      order: 500,
      namespaceSelector: own,
      selector: "projectcalico.org/orchestrator == 'k8s'",
      types: ['Ingress'],
      ingress: [
        { action: 'Pass', source: { namespaceSelector: own, selector: 'all()' } },
        { action: 'Deny' },
      ],
    });
  });

  it('needs the tier that config/engines/calico-guard installs', () => {
    const path = join(import.meta.dirname, '../../../config/engines/calico-guard/tier.yaml');
    const { metadata, ...tier } = parse(readFileSync(path, 'utf8')) as KubeObject;
    const { name } = metadata;
    assert.deepEqual(CALICO_GUARD.requires?.installed, { ...tier, metadata: { name } });
    assert.ok(CALICO_GUARD.requires.isRight({ ...tier, metadata }));
  });

  const label = fc.constantFrom('a', 'b');
  const labels = fc.dictionary(fc.constantFrom('app', 'team'), label, { maxKeys: 2 });
  const selector = fc
    .dictionary(fc.constantFrom('app', 'team'), label, { maxKeys: 1 })
    .map((matchLabels) => ({ matchLabels }));
  const ports = fc.option(
    fc.array(
      fc
        .record({
          protocol: fc.constantFrom('TCP' as const, 'UDP' as const),
          from: fc.integer({ min: 1, max: 5 }),
          size: fc.nat(2),
        })
        .map(({ protocol, from, size }) => ({ protocol, from, to: from + size })),
      { minLength: 1, maxLength: 3 },
    ),
    { nil: undefined },
  );
  const peer: fc.Arbitrary<GuardPeer> = fc.oneof(
    fc.record({ kind: fc.constant('pods' as const), namespaceSelector: selector, podSelector: selector }),
    fc.record({
      kind: fc.constant('addresses' as const),
      cidr: fc.constantFrom('192.0.2.0/24', '192.0.2.0/30', '198.51.100.0/24'),
      except: fc.constantFrom<string[]>([], ['192.0.2.1/32']),
    }),
    fc.constant({ kind: 'everyone' as const }),
  );
  const pass = fc
    .record({ peer, ports })
    .map(
      ({ ports: given, ...rest }): GuardPass => ({ ...rest, ...(given && { ports: given }), rules: ['r'] }),
    );
  const flow: fc.Arbitrary<Flow> = fc.record({
    other: fc.oneof(
      fc.record({ namespace: labels, labels }),
      fc.record({
        ip: fc.constantFrom('192.0.2.1', '192.0.2.2', '192.0.2.99', '198.51.100.1', '203.0.113.1'),
      }),
    ),
    protocol: fc.constantFrom('TCP' as const, 'UDP' as const),
    port: fc.integer({ min: 1, max: 8 }),
  });

  it('passes exactly what the guard passes, and is read back', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('Ingress' as const, 'Egress' as const),
        fc.array(pass, { minLength: 1, maxLength: 5 }),
        fc.array(flow, { minLength: 5, maxLength: 5 }),
        (direction, passes, flows) => {
          const { form, open } = compiled(guard(direction, passes));
          const rules = form.rules[direction] as readonly Rule[] | undefined;
          const isOpen = passes.some((each) => each.peer.kind === 'everyone' && each.ports === undefined);
          assert.equal(rules === undefined, isOpen);
          assert.equal(open.length > 0, isOpen);
          if (rules === undefined) return;
          assert.deepEqual(rules.at(-1), { action: 'Deny' });
          for (const each of flows)
            assert.equal(
              rules.slice(0, -1).some((rule) => isPassed(direction, rule, each)),
              passes.some((one) => isMeant(one, each)),
              JSON.stringify({ rules, each }),
            );
          const back = CALICO_GUARD.read(CALICO_GUARD.objectOf(form, 510));
          assert.ok(back);
          assert.equal(back.priority, 510);
          assert.ok(isSameForm(back.form, form));
        },
      ),
      { numRuns: runs(200) },
    );
  });

  it('passes by a union what one form or the other passes', () => {
    const one = compiled(guard('Egress', [OWN])).form;
    const other = compiled(
      guard('Egress', [{ peer: { kind: 'addresses', cidr: '192.0.2.0/24', except: [] }, rules: ['r'] }]),
    ).form;
    const union = CALICO_GUARD.union(one, other);
    assert.deepEqual(union?.rules.Egress?.length, 3);
    assert.deepEqual(union?.rules.Egress?.at(-1), { action: 'Deny' });
    assert.deepEqual(CALICO_GUARD.union(one, { ...other, rules: {} })?.rules, {});
  });

  it('is staged with the same rules, and read back unless somebody changed its action', () => {
    const { staging } = CALICO_GUARD;
    assert.ok(staging);
    const object = CALICO_GUARD.objectOf(compiled(guard('Ingress', [OWN])).form, 500);
    const staged = staging.stage(object) as KubeObject & { spec: object };
    assert.equal(staged.kind, 'StagedGlobalNetworkPolicy');
    assert.deepEqual(staged.spec, {
      stagedAction: 'Set',
      ...(object as KubeObject & { spec: object }).spec,
    });
    const back = staging.staged(staged);
    assert.deepEqual(back && CALICO_GUARD.read(back), CALICO_GUARD.read(object));
    const other = { ...staged, spec: { ...staged.spec, stagedAction: 'Delete' } };
    assert.equal(staging.staged(other), undefined);
  });

  it('is too large with a selector that Calico does not take, and says so', () => {
    const values = Array.from({ length: 60 }, (_, index) => `${'x'.repeat(20)}${index}`);
    const wide: GuardPass = {
      peer: {
        kind: 'pods',
        namespaceSelector: {},
        podSelector: { matchExpressions: [{ key: 'app', operator: 'In', values }] },
      },
      rules: ['r'],
    };
    const made = CALICO_GUARD.compile(guard('Ingress', [OWN, wide]));
    assert.ok(made.kind === 'too-large');
    assert.match(made.message, /1024 characters of a selector/);
  });

  it('ranks objects of its tier that allow or pass before it, and asks for a tier that passes', () => {
    const ranked = (spec: object) => {
      const object = { metadata: { name: 'x' }, spec };
      return CALICO_GUARD.rankOf(object);
    };
    assert.deepEqual(ranked({ tier: 'segmentation', order: 5, ingress: [{ action: 'Allow' }] }), {
      priority: 5,
      precludes: true,
    });
    assert.deepEqual(ranked({ tier: 'segmentation', order: 5, egress: [{ action: 'Deny' }] }), {
      priority: 5,
      precludes: false,
    });
    assert.equal(ranked({ tier: 'default', order: 5 }), undefined);
    const isRight = (spec: object) =>
      CALICO_GUARD.requires?.isRight({ metadata: { name: 'segmentation' }, spec });
    assert.equal(isRight({ order: 900, defaultAction: 'Pass' }), true);
    assert.equal(isRight({ order: 900, defaultAction: 'Deny' }), false);
    assert.equal(isRight({ defaultAction: 'Pass' }), false);
  });
});
