import assert from 'node:assert/strict';
import type { NetworkPolicy } from '../../../src/api/network-policy.ts';
import { detectIstio } from '../../../src/engines/istio/detect.ts';
import { AMBIENT } from '../../../src/engines/istio/mesh-config.ts';
import { compile } from '../../../src/policy/compile.ts';
import { type MeshFacts, NO_MESH } from '../../../src/policy/mesh.ts';
import { lastKnownFrom } from '../../../src/policy/peers/last-known.ts';
import { evidenceOf } from '../../engines/istio/fixture.ts';
import { facts, type FactsInput, profile } from '../fixture.ts';

const { facts: MESH } = detectIstio(evidenceOf());
const MISSING: MeshFacts = {
  kind: 'missing',
  message: 'ConfigMap istio-system/istio does not exist',
  ambient: AMBIENT,
};
const CLUSTER: FactsInput = {
  mesh: MESH,
  services: {
    'istio-system/istiod': {
      selector: { app: 'istiod' },
      ports: [
        { name: 'grpc-xds', port: 15010 },
        { name: 'https-dns', port: 15012 },
        { name: 'https-webhook', port: 443, targetPort: 15017 },
      ],
    },
  },
};
const ALLOWED = profile({ baseline: { mesh: 'Allow' } });
const INJECTED = { 'istio-injection': 'enabled' };

function compiled(
  labels: Record<string, string>,
  input: FactsInput = {},
  last: readonly NetworkPolicy[] = [],
) {
  const namespace = { name: 'shop', labels: { 'kubernetes.io/metadata.name': 'shop', ...labels } };
  return compile(ALLOWED, namespace, facts({ ...CLUSTER, ...input }), lastKnownFrom(last));
}

const specOf = (policies: readonly NetworkPolicy[], name: string) =>
  policies.find(({ metadata }) => metadata.name === `segmented.${name}`)?.spec;
const tcp = (...ports: number[]) => ports.map((port) => ({ protocol: 'TCP', port }));

describe('baseline.mesh', () => {
  it("allows egress to istiod's pods on the port of the mesh configuration, and no other", () => {
    const { policies, unresolved } = compiled(INJECTED);
    assert.deepEqual(unresolved, []);
    assert.deepEqual(specOf(policies, 'egress')?.egress, [
      {
        to: [
          {
            namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'istio-system' } },
            podSelector: { matchLabels: { app: 'istiod' } },
          },
        ],
        ports: tcp(15012),
      },
    ]);
  });

  it('allows the monitoring stack the metrics ports of sidecars, and no other', () => {
    const monitoring = [{ namespaceSelector: { matchLabels: { team: 'sre' } } }];
    const { policies } = compiled(INJECTED, { configuration: { monitoring } });
    assert.deepEqual(specOf(policies, 'ingress')?.ingress, [{ from: monitoring, ports: tcp(15020, 15090) }]);
    assert.equal(specOf(compiled(INJECTED).policies, 'ingress'), undefined);
  });

  it('allows it where pods can get a sidecar by labels of their own, and not where none can', () => {
    assert.notEqual(specOf(compiled({}).policies, 'egress'), undefined);
    const { policies, unresolved } = compiled({ 'istio-injection': 'disabled' });
    assert.deepEqual([specOf(policies, 'egress'), unresolved], [undefined, []]);
  });

  it('allows the probes of the kubelet in an ambient namespace, and reports that its port is not opened', () => {
    const { policies, unresolved } = compiled({ 'istio.io/dataplane-mode': 'ambient' });
    assert.deepEqual(specOf(policies, 'ingress')?.ingress, [
      {
        from: [
          { ipBlock: { cidr: '169.254.7.127/32' } },
          { ipBlock: { cidr: 'fd16:9254:7127:1337:ffff:ffff:ffff:ffff/128' } },
        ],
      },
    ]);
    assert.deepEqual(
      unresolved.map(({ direction, rule, reason }) => [direction, rule, reason]),
      [
        ['Ingress', 'baseline.mesh.tunnel', 'Unsupported'],
        ['Egress', 'baseline.mesh.tunnel', 'Unsupported'],
      ],
    );
  });

  it('leaves the port of an ambient namespace to the mesh, if the profile asks for authorization', () => {
    const asking = profile({
      baseline: { mesh: 'Allow' },
      mesh: { authorization: 'Enforce', mtls: 'Disabled' },
    });
    const labels = { 'istio.io/dataplane-mode': 'ambient', 'istio-injection': 'disabled' };
    assert.deepEqual(compile(asking, { name: 'shop', labels }, facts(CLUSTER)).unresolved, []);
  });

  describe('in an ambient namespace', () => {
    const labels = { 'istio.io/dataplane-mode': 'ambient', 'istio-injection': 'disabled' };
    const ofIngress = profile({
      isolation: ['Ingress'],
      baseline: { mesh: 'Allow' },
      mesh: { authorization: 'Enforce', mtls: 'Disabled' },
    });
    const inMesh = (mesh: MeshFacts, last?: readonly NetworkPolicy[]) =>
      compile(ofIngress, { name: 'shop', labels }, facts({ ...CLUSTER, mesh }), last && lastKnownFrom(last));

    it('allows the probes of the kubelet also while the mesh configuration was never read', () => {
      const { policies, unresolved } = inMesh(MISSING);
      assert.deepEqual(unresolved, []);
      assert.deepEqual(policies, inMesh(MESH).policies);
    });

    it('keeps the probes of the kubelet while the configuration names no mesh, and asks for none elsewhere', () => {
      const before = inMesh(MESH).policies;
      assert.deepEqual(
        inMesh(NO_MESH).unresolved.map(({ rule, reason }) => [rule, reason]),
        [['baseline.mesh.probes', 'NoMesh']],
      );
      assert.deepEqual(inMesh(NO_MESH, before).policies, before);
      const { policies, unresolved } = inMesh(NO_MESH, []);
      assert.deepEqual([policies.length, unresolved], [1, []]);
    });
  });

  const lacking: [what: string, reason: string, FactsInput, RegExp][] = [
    [
      'the configuration names no mesh',
      'NoMesh',
      { mesh: { kind: 'none', message: 'set mesh there' } },
      /set mesh there/,
    ],
    [
      'the mesh configuration was never read',
      'MeshUnavailable',
      { mesh: MISSING },
      /istio-system\/istio does not exist/,
    ],
    ['the mesh is not known yet', 'SourceUnavailable', { unknown: ['mesh'] }, /not known yet/],
    ['Services can not be read', 'SourceUnavailable', { unknown: ['services'] }, /Services cannot be read/],
    [
      'istiod has no Service',
      'ServiceNotFound',
      { services: {} },
      /Service istio-system\/istiod .* does not exist/,
    ],
    [
      'the Service lacks the port',
      'NoPorts',
      { services: { 'istio-system/istiod': { selector: { app: 'istiod' }, ports: [{ port: 443 }] } } },
      /no port 15012/,
    ],
  ];
  for (const [what, reason, input, message] of lacking) {
    it(`keeps its last known form while ${what}`, () => {
      const before = compiled(INJECTED).policies;
      const { policies, unresolved } = compiled(INJECTED, input, before);
      assert.deepEqual(specOf(policies, 'egress'), specOf(before, 'egress'));
      const [only] = unresolved.filter(({ direction }) => direction === 'Egress');
      assert.deepEqual(
        [only?.rule, only?.peer, only?.reason],
        ['baseline.mesh', 'mesh controlPlane', reason],
      );
      assert.match(only?.message ?? '', message);
      assert.equal(only?.hasLastKnown, true);
    });
  }

  it('is off by default, and asks nothing of the mesh then', () => {
    const namespace = { name: 'shop', labels: INJECTED };
    const asked = facts({ mesh: MESH });
    const { policies } = compile(profile({}), namespace, {
      ...asked,
      mesh: () => assert.fail('the mesh was asked for'),
    });
    assert.deepEqual(policies.length, 1);
  });
});
