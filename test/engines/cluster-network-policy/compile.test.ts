import assert from 'node:assert/strict';
import { CLUSTER_NETWORK_POLICY } from '../../../src/engines/cluster-network-policy/carrier.ts';
import type { CompiledGuard } from '../../../src/engines/guards/carrier.ts';
import type { Guard, GuardDirection, GuardPass } from '../../../src/policy/guard/guard.ts';

const SUBJECT = { matchLabels: { team: 'red' } };
const OWN: GuardPass = {
  peer: { kind: 'pods', namespaceSelector: SUBJECT, podSelector: {} },
  rules: ['own-namespaces'],
};
const REST = {
  Ingress: { name: 'rest', action: 'Deny', from: [{ namespaces: {} }] },
  Egress: { name: 'rest', action: 'Deny', to: [{ namespaces: {} }, { networks: ['0.0.0.0/0', '::/0'] }] },
};

function guard(
  direction: 'Ingress' | 'Egress',
  passes: readonly GuardPass[],
  podRanges: GuardDirection['podRanges'] = [],
): Guard {
  const directions = [{ direction, passes: [OWN, ...passes], unresolved: [], podRanges }];
  return { profile: 'p', subject: SUBJECT, directions };
}

function compiled(given: Guard): CompiledGuard {
  const made = CLUSTER_NETWORK_POLICY.compile(given);
  assert.equal(made.kind, 'compiled');
  return made;
}

const addresses = (cidr: string, rules = ['r'], ...except: string[]): GuardPass => ({
  peer: { kind: 'addresses', cidr, except },
  rules,
});
const everyone = (...ports: number[]): GuardPass => ({
  peer: { kind: 'everyone' },
  ...(ports.length > 0 && {
    ports: ports.map((port) => ({ protocol: 'TCP' as const, from: port, to: port })),
  }),
  rules: ['everyone'],
});

describe('a ClusterNetworkPolicy as a guard', () => {
  it('passes by ports, and then denies the rest', () => {
    const named: GuardPass = {
      peer: { kind: 'pods', namespaceSelector: {}, podSelector: { matchLabels: { app: 'dns' } } },
      ports: [
        { protocol: 'UDP', from: 53, to: 53 },
        { protocol: 'TCP', from: 8000, to: 8009 },
      ],
      rules: ['baseline.dns'],
    };
    const { form, open } = compiled(guard('Egress', [named, addresses('203.0.113.0/24')]));
    assert.deepEqual(open, []);
    assert.deepEqual(form.rules, {
      Egress: [
        {
          name: 'own-namespaces, r',
          action: 'Pass',
          to: [{ namespaces: SUBJECT }, { networks: ['203.0.113.0/24'] }],
        },
        {
          name: 'baseline.dns',
          action: 'Pass',
          protocols: [
            { tcp: { destinationPort: { range: { start: 8000, end: 8009 } } } },
            { udp: { destinationPort: { number: 53 } } },
          ],
          to: [{ pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: 'dns' } } } }],
        },
        REST.Egress,
      ],
    });
  });

  it('is read back as it was made, and not if somebody has changed an action or the last rule', () => {
    const { form } = compiled(guard('Ingress', [everyone(443)]));
    const object = CLUSTER_NETWORK_POLICY.objectOf(form, 510) as unknown as {
      metadata: { name: string };
      spec: { ingress: { action: string }[] };
    };
    assert.deepEqual(CLUSTER_NETWORK_POLICY.read(object), { form, priority: 510 });
    const accepting = structuredClone(object);
    (accepting.spec.ingress[0] as { action: string }).action = 'Accept';
    assert.equal(CLUSTER_NETWORK_POLICY.read(accepting), undefined);
    const open = structuredClone(object);
    open.spec.ingress.pop();
    assert.equal(CLUSTER_NETWORK_POLICY.read(open), undefined);
  });

  it('passes the addresses of a range without its exceptions', () => {
    const { form } = compiled(
      guard('Egress', [addresses('203.0.113.0/24', ['r'], '203.0.113.128/25', '203.0.113.0/26')]),
    );
    assert.deepEqual((form.rules.Egress?.[0] as { to: object[] } | undefined)?.to[1], {
      networks: ['203.0.113.64/26'],
    });
  });

  it('knows no addresses as sources, and passes all pods on the ports of those that may be pods', () => {
    const rules = (podRanges: GuardDirection['podRanges']) =>
      compiled(
        guard('Ingress', [{ ...addresses('10.0.0.0/8'), ports: everyone(443).ports ?? [] }], podRanges),
      ).form.rules.Ingress;
    assert.equal(rules(['192.168.0.0/16'])?.length, 2);
    for (const known of [undefined, ['10.244.0.0/16']]) {
      assert.deepEqual((rules(known)?.[1] as { from: object[] } | undefined)?.from, [{ namespaces: {} }]);
    }
  });

  it('is open in a direction in which everyone is passed on every port', () => {
    const { form, open } = compiled(guard('Egress', [everyone()]));
    assert.deepEqual(form.rules, {});
    assert.deepEqual(open, [{ direction: 'Egress', rules: ['everyone', 'own-namespaces'] }]);
  });

  it('is too large with more rules than the kind takes, and says how many', () => {
    const passes = Array.from({ length: 24 }, (_, index) => everyone(1000 + index));
    assert.equal(CLUSTER_NETWORK_POLICY.compile(guard('Ingress', passes.slice(1))).kind, 'compiled');
    const made = CLUSTER_NETWORK_POLICY.compile(guard('Ingress', passes));
    assert.equal(made.kind, 'too-large');
    assert.match(
      made.kind === 'too-large' ? made.message : '',
      /26 rules of Ingress, and a ClusterNetworkPolicy has at most 25/,
    );
  });

  it('divides many addresses and ports by the bounds of peers and rules', () => {
    const passes = Array.from({ length: 700 }, (_, index) =>
      addresses(`198.${index >> 8}.${index & 255}.1/32`),
    );
    const rules = compiled(guard('Egress', passes)).form.rules.Egress as { to: { networks?: string[] }[] }[];
    assert.equal(rules.length, 3);
    for (const { to } of rules) {
      assert.ok(to.length <= 25);
      for (const { networks = [] } of to) assert.ok(networks.length <= 25);
    }
    const ports = Array.from({ length: 30 }, (_, index) => 1000 + 2 * index);
    const wide = compiled(guard('Ingress', [everyone(...ports)])).form.rules.Ingress as {
      protocols?: object[];
    }[];
    assert.deepEqual(
      wide.map(({ protocols }) => protocols?.length),
      [undefined, 25, 5, undefined],
    );
  });

  it('has rules of which no name is too long', () => {
    const names = Array.from({ length: 9 }, (_, index) => `${'long'.repeat(9)}-${index}`);
    const [rule] = compiled(guard('Egress', [addresses('203.0.113.1/32', names)])).form.rules.Egress as {
      name: string;
    }[];
    assert.ok((rule?.name.length ?? 0) <= 100, rule?.name);
    assert.match(rule?.name ?? '', / and \d more$/);
  });

  it('ranks foreign objects of the tier Admin that accept or pass before it', () => {
    const foreign = (tier: string, action: string) =>
      CLUSTER_NETWORK_POLICY.rankOf({
        metadata: { name: 'x' },
        spec: { tier, priority: 7, ingress: [{ action }] },
      } as { metadata: { name: string } });
    assert.deepEqual(foreign('Admin', 'Accept'), { priority: 7, precludes: true });
    assert.deepEqual(foreign('Admin', 'Pass'), { priority: 7, precludes: true });
    assert.deepEqual(foreign('Admin', 'Deny'), { priority: 7, precludes: false });
    assert.equal(foreign('Baseline', 'Accept'), undefined);
  });
});
