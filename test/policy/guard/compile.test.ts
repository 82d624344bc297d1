import assert from 'node:assert/strict';
import type { NetworkPolicy, NetworkPolicyPort, PolicyType } from '../../../src/api/network-policy.ts';
import type { Peer, SegmentationProfile } from '../../../src/api/profile.ts';
import { detectIstio } from '../../../src/engines/istio/detect.ts';
import type { NamespaceFacts } from '../../../src/policy/facts.ts';
import { compileGuard, type GuardAdditions, NOTHING_ADDED } from '../../../src/policy/guard/compile.ts';
import type { GuardDirection, GuardPass, GuardPeer } from '../../../src/policy/guard/guard.ts';
import type { MeshFacts } from '../../../src/policy/mesh.ts';
import { evidenceOf } from '../../engines/istio/fixture.ts';
import { facts, type FactsInput, profile as profileOf, SHOP } from '../fixture.ts';

const DNS: FactsInput = {
  services: {
    'kube-system/kube-dns': {
      selector: { 'k8s-app': 'kube-dns' },
      ports: [{ protocol: 'UDP', port: 53, targetPort: 1053 }],
    },
  },
};

/** A profile of the namespaces of team red. */
const profile = (spec: Parameters<typeof profileOf>[0] = {}) =>
  profileOf({ namespaceSelector: { matchLabels: { team: 'red' } }, ...spec });

interface Given {
  readonly others?: readonly SegmentationProfile[];
  readonly input?: FactsInput;
  readonly added?: Partial<GuardAdditions>;
}

function guardOf(own: SegmentationProfile, { others = [], input = {}, added = {} }: Given = {}) {
  return compileGuard(own, {
    profiles: [own, ...others],
    namespaces: [SHOP],
    protectedNamespaces: ['kube-system'],
    cluster: facts(input),
    added: { ...NOTHING_ADDED, ...added },
  });
}

function directionOf(own: SegmentationProfile, direction: PolicyType, given?: Given): GuardDirection {
  const found = guardOf(own, given).directions.find((each) => each.direction === direction);
  assert.ok(found);
  return found;
}

/** The passes beside that of the own namespaces. */
function passes(own: SegmentationProfile, direction: PolicyType, given?: Given): readonly GuardPass[] {
  return directionOf(own, direction, given).passes.slice(1);
}

/** The passes for one peer of an egress rule. */
function passesTo(peer: Peer, input?: FactsInput, ports?: NetworkPolicyPort[]): readonly GuardPass[] {
  const rule = { name: 'rule', to: [peer], ...(ports && { ports: ports as { protocol: 'TCP' }[] }) };
  return passes(profile({ egress: [rule] }), 'Egress', { input: input ?? {} });
}

const pods = (namespace: string, podSelector: object = {}): GuardPeer => ({
  kind: 'pods',
  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
  podSelector,
});
const cidr = (text: string, ...except: string[]): GuardPeer => ({ kind: 'addresses', cidr: text, except });
const tcp = (port: number) => ({ protocol: 'TCP' as const, from: port, to: port });
const peersOf = (list: readonly GuardPass[]) => list.map(({ peer }) => peer);

describe('the guard of a profile', () => {
  it('is for the namespaces that the profile may select, and passes all flows between them', () => {
    const own = profile({ excludeNamespaces: ['old'] });
    const { subject, directions } = guardOf(own);
    assert.deepEqual(subject, {
      matchLabels: { team: 'red' },
      matchExpressions: [
        { key: 'kubernetes.io/metadata.name', operator: 'NotIn', values: ['kube-system', 'old'] },
      ],
    });
    assert.deepEqual(
      directions.map(({ direction, passes: [first] }) => [direction, first?.peer, first?.ports]),
      ['Ingress', 'Egress'].map((direction) => [
        direction,
        { kind: 'pods', namespaceSelector: subject, podSelector: {} },
        undefined,
      ]),
    );
  });

  it('is there in the directions alone that the profile isolates', () => {
    const { directions } = guardOf(profile({ isolation: ['Egress'] }));
    assert.deepEqual(
      directions.map(({ direction }) => direction),
      ['Egress'],
    );
  });

  it('passes the peers of rules on their ports, for all pods of the namespaces', () => {
    const own = profile({
      ingress: [
        {
          name: 'from-front',
          podSelector: { matchLabels: { app: 'web' } },
          from: [{ namespaces: ['front'], podSelector: { matchLabels: { app: 'proxy' } } }],
          ports: [{ protocol: 'TCP', port: 8443 }],
        },
      ],
    });
    assert.deepEqual(passes(own, 'Ingress'), [
      { peer: pods('front', { matchLabels: { app: 'proxy' } }), ports: [tcp(8443)], rules: ['from-front'] },
    ]);
    assert.deepEqual(passes(own, 'Egress'), []);
  });

  it('passes the port that carries all connections of an ambient mesh, to peers of rules for ingress', () => {
    const { facts: known } = detectIstio(evidenceOf());
    // The configuration of the mesh was never read.
    const { facts: missing } = detectIstio({ kind: 'unreadable', message: 'forbidden' });
    const mode = { 'istio.io/dataplane-mode': 'ambient', 'istio-injection': 'disabled' };
    const ambient = { name: 'shop', labels: { ...SHOP.labels, ...mode } };
    const own = profile({
      baseline: { mesh: 'Allow' },
      mesh: { authorization: 'Enforce', mtls: 'Disabled' },
      ingress: [
        { name: 'front', from: [{ namespaces: ['front'] }], ports: [{ protocol: 'TCP', port: 8443 }] },
        {
          name: 'office',
          from: [{ ipBlock: { cidr: '192.0.2.0/24' } }],
          ports: [{ protocol: 'TCP', port: 443 }],
        },
        { name: 'all', from: [{ namespaces: ['ops'] }] },
        { name: 'names', from: [{ namespaces: ['dns'] }], ports: [{ protocol: 'UDP', port: 53 }] },
      ],
      egress: [{ name: 'db', to: [{ namespaces: ['db'] }], ports: [{ protocol: 'TCP', port: 5432 }] }],
    });
    const passed = (
      namespaces: readonly NamespaceFacts[],
      direction: PolicyType,
      { of = own, mesh = known }: { readonly of?: SegmentationProfile; readonly mesh?: MeshFacts } = {},
    ): (readonly [string | undefined, number[] | undefined])[] => {
      const guard = compileGuard(of, {
        profiles: [of],
        namespaces,
        protectedNamespaces: [],
        cluster: facts({ mesh }),
        added: NOTHING_ADDED,
      });
      const found = guard.directions.find((each) => each.direction === direction);
      assert.deepEqual(found?.unresolved, []);
      return (found?.passes ?? [])
        .slice(1)
        .map(({ rules, ports }) => [rules[0], ports?.map(({ from }) => from)] as const);
    };
    const probes = ['baseline.mesh.probes', undefined] as const;
    for (const mesh of [known, missing])
      assert.deepEqual(passed([ambient], 'Ingress', { mesh }), [
        ['front', [8443, 15_008]],
        ['office', [443]],
        ['all', undefined],
        ['names', [53]],
        probes,
        probes,
      ]);
    assert.deepEqual(passed([ambient], 'Egress'), [['db', [5432]]]);
    assert.deepEqual(passed([SHOP], 'Ingress').slice(0, 1), [['front', [8443]]]);
    const { mesh: _, ...withoutMesh } = own.spec;
    const silent = {
      ...own,
      spec: { ...withoutMesh, baseline: { ...own.spec.baseline, mesh: 'Deny' as const } },
    };
    assert.deepEqual(passed([ambient], 'Ingress', { of: silent }).slice(0, 1), [['front', [8443]]]);
  });

  it('passes the pods and target ports of the DNS Service', () => {
    const own = profile({ baseline: { dns: 'Allow' } });
    assert.deepEqual(passes(own, 'Egress', { input: DNS }), [
      {
        peer: pods('kube-system', { matchLabels: { 'k8s-app': 'kube-dns' } }),
        ports: [{ protocol: 'UDP', from: 1053, to: 1053 }],
        rules: ['baseline.dns'],
      },
    ]);
  });

  it('passes every namespace that has the labels of sameNamespaceLabels, whatever their values', () => {
    assert.deepEqual(peersOf(passesTo({ sameNamespaceLabels: ['team', 'stage'] })), [
      {
        kind: 'pods',
        namespaceSelector: {
          matchExpressions: [
            { key: 'team', operator: 'Exists' },
            { key: 'stage', operator: 'Exists' },
          ],
        },
        podSelector: {},
      },
    ]);
  });

  it('passes every port of a peer whose port has a name', () => {
    const [pass] = passesTo({ namespaces: ['db'] }, {}, [{ protocol: 'TCP', port: 'sql' }]);
    assert.deepEqual(pass, { peer: pods('db'), rules: ['rule'] });
  });

  it('passes every address on the ports of a rule for names, and the queries, whatever engine is known', () => {
    const list = passesTo({ fqdn: { names: ['api.example.com'] } }, {}, [{ port: 443 }]);
    const dns = pods('kube-system', { matchLabels: { 'k8s-app': 'kube-dns' } });
    assert.deepEqual(peersOf(list), [cidr('0.0.0.0/0'), cidr('::/0'), dns]);
    assert.deepEqual(list[0]?.ports, [tcp(443)]);
    const engine = { kind: 'available', carries: new Set(['names'] as const) } as const;
    assert.deepEqual(passesTo({ fqdn: { names: ['api.example.com'] } }, { engine }, [{ port: 443 }]), list);
  });

  it('passes all pods of the namespace of a service account whose label proves nothing', () => {
    const account = { serviceAccount: { namespace: 'ci', name: 'runner' } };
    assert.deepEqual(peersOf(passesTo(account)), [
      pods('ci', { matchLabels: { 'segmentation.dev/service-account': 'runner' } }),
    ]);
    const accounts = { 'ci/runner': { unlabelled: 2 } };
    assert.ok(
      peersOf(passesTo(account, { accounts })).some(
        (peer) => JSON.stringify(peer) === JSON.stringify(pods('ci')),
      ),
    );
  });

  it('passes all pods of the namespace of a service account that the network engine knows without its label', () => {
    const engine = { kind: 'available', carries: new Set(['serviceAccount'] as const) } as const;
    const account = { serviceAccount: { namespace: 'ci', name: 'runner' } };
    assert.ok(
      peersOf(passesTo(account, { engine })).some(
        (peer) => JSON.stringify(peer) === JSON.stringify(pods('ci')),
      ),
    );
  });

  it('has a peer that is not resolved, and passes what stands for it', () => {
    const own = profile({
      baseline: { dns: 'Allow' },
      egress: [{ name: 'r', to: [{ service: { namespace: 'db', name: 'sql' } }] }],
    });
    const { unresolved, passes: all } = directionOf(own, 'Egress');
    assert.deepEqual(
      unresolved.map(({ rule, peer, reason }) => [rule, peer, reason]),
      [
        ['baseline.dns', 'entity ClusterDNS', 'ServiceNotFound'],
        ['r', 'service db/sql', 'ServiceNotFound'],
      ],
    );
    assert.deepEqual(peersOf(all.slice(1)), [
      pods('kube-system', { matchLabels: { 'k8s-app': 'kube-dns' } }),
    ]);
  });

  it('passes what other profiles allow that may select the same namespaces', () => {
    const named = (name: string, team: string): SegmentationProfile => {
      const made = profile({
        namespaceSelector: { matchLabels: { team } },
        egress: [{ name: `to-${name}`, to: [{ namespaces: [name] }] }],
      });
      return { ...made, metadata: { ...made.metadata, name } };
    };
    const own = profile();
    const others = [named('red-too', 'red'), named('blue', 'blue')];
    assert.deepEqual(peersOf(passes(own, 'Egress', { others })), [pods('red-too')]);
  });

  it('passes the ends of a connection of which the other end may lie in its namespaces', () => {
    const connections = [
      {
        name: 'in',
        from: [{ namespaces: ['front'] }],
        to: [{ podSelector: {} }],
        ports: [{ protocol: 'TCP' as const, port: 1 }],
      },
      { name: 'elsewhere', from: [{ namespaces: ['kube-system'] }], to: [{ namespaces: ['kube-system'] }] },
    ];
    const own = profile({ connections });
    assert.deepEqual(passes(own, 'Ingress'), [{ peer: pods('front'), ports: [tcp(1)], rules: ['in'] }]);
    // An end that is relative to the other one lies in the guarded namespaces.
    assert.deepEqual(passes(own, 'Egress'), []);
  });

  it('passes the ports that a Service serves as the end of a connection without ports', () => {
    const own = profile({
      connections: [
        {
          name: 'c',
          from: [{ namespaces: ['front'] }],
          to: [{ service: { namespace: 'shop', name: 'web' } }],
        },
      ],
    });
    const input = {
      services: { 'shop/web': { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] } },
    };
    assert.deepEqual(passes(own, 'Ingress', { input })[0]?.ports, [tcp(8080)]);
    assert.equal(passes(own, 'Ingress')[0]?.ports, undefined);
  });

  it('passes everyone on the ports of webhooks of its namespaces', () => {
    const own = profile({ baseline: { admissionWebhooks: 'Allow' } });
    const input: FactsInput = {
      webhooks: [{ namespace: 'shop', name: 'hook', port: 443 }],
      services: { 'shop/hook': { selector: { app: 'hook' }, ports: [{ port: 443, targetPort: 9443 }] } },
    };
    assert.deepEqual(
      passes(own, 'Ingress', { input }).map(({ peer, ports }) => [peer, ports]),
      [[{ kind: 'everyone' }, [tcp(9443)]]],
    );
  });

  it('passes what policies of exceptions allow', () => {
    const added: NetworkPolicy = {
      metadata: { name: 'segmented.exception.debug.egress', namespace: 'shop' },
      spec: {
        podSelector: {},
        policyTypes: ['Egress'],
        egress: [{ to: [{ ipBlock: { cidr: '203.0.113.0/24' } }] }],
      },
    };
    assert.deepEqual(peersOf(passes(profile(), 'Egress', { added: { policies: [added] } })), [
      cidr('203.0.113.0/24'),
    ]);
  });

  it('passes every address for a name of an exception, and keeps what a peer of one was resolved to', () => {
    const dns = {
      namespace: 'kube-system',
      podSelector: {},
      ports: [{ protocol: 'UDP' as const, port: 53 }],
    };
    const extension = {
      metadata: { name: 'debug' },
      direction: 'Egress' as const,
      rules: [
        {
          peer: { kind: 'names' as const, names: ['a.example'], dns },
          ports: [{ port: 443 }],
          note: { rule: 'r' },
        },
      ],
    };
    const list = passes(profile(), 'Egress', { added: { extensions: [extension] } });
    assert.deepEqual(peersOf(list), [pods('kube-system'), cidr('0.0.0.0/0'), cidr('::/0')]);
    assert.deepEqual(list[1]?.ports, [tcp(443)]);
    const unresolved = [
      {
        direction: 'Egress' as const,
        rule: 'r',
        peer: 'service a/b',
        reason: 'ServiceNotFound' as const,
        message: 'm',
        hasLastKnown: true,
      },
    ];
    assert.equal(directionOf(profile(), 'Egress', { added: { unresolved } }).unresolved.length, 1);
    assert.equal(directionOf(profile(), 'Ingress', { added: { unresolved } }).unresolved.length, 0);
  });

  it('knows the ranges of pods, as a source of ingress may be an address', () => {
    const own = profile({ ingress: [{ name: 'r', from: [{ ipBlock: { cidr: '10.0.0.0/8' } }] }] });
    assert.equal(directionOf(own, 'Ingress').podRanges, undefined);
    const input = { nodes: [{ podCIDRs: ['10.244.0.0/24'] }] };
    assert.deepEqual(directionOf(own, 'Ingress', { input }).podRanges, ['10.244.0.0/24']);
    assert.deepEqual(directionOf(own, 'Egress', { input }).podRanges, []);
  });
});
