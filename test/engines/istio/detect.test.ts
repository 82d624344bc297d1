import assert from 'node:assert/strict';
import { detectIstio } from '../../../src/engines/istio/detect.ts';
import { configMapName, injectorOf, type MeshEvidence } from '../../../src/engines/istio/evidence.ts';
import type { MeshFacts } from '../../../src/policy/mesh.ts';
import { evidenceOf, injectorOfRevision, MESH_CONFIG } from './fixture.ts';

const injectors = (...list: Extract<MeshEvidence, { kind: 'injectors' }>['injectors']): MeshEvidence => ({
  kind: 'injectors',
  injectors: list,
});
const found = (text: string) => ({ kind: 'found', text }) as const;

function controlPlanes(facts: MeshFacts) {
  assert.equal(facts.kind, 'available');
  return facts.controlPlanes;
}

describe('detection of Istio', () => {
  it('confirms it by a ready istiod, and reads from its configuration where sidecars connect to', () => {
    const { verdict, facts } = detectIstio(evidenceOf());
    assert.deepEqual(verdict, {
      status: 'True',
      reason: 'Confirmed',
      message: 'Istio: Service istio-system/istiod has ready pods',
    });
    const [{ injects, ...rest }] = controlPlanes(facts);
    assert.deepEqual(rest, {
      service: { namespace: 'istio-system', name: 'istiod' },
      port: 15012,
      metricsPorts: [15020, 15090],
      trustDomain: 'shop.example',
      rootNamespace: 'istio-system',
    });
    assert.equal(injects.length, 4);
  });

  it('takes another address, status port and trust domain from the configuration', () => {
    const text = 'defaultConfig: {discoveryAddress: "control.mesh.svc.cluster.local:1234", statusPort: 4321}';
    const [{ service, port, metricsPorts, trustDomain }] = controlPlanes(detectIstio(evidenceOf(text)).facts);
    assert.deepEqual(service, { namespace: 'mesh', name: 'control' });
    assert.deepEqual([port, metricsPorts, trustDomain], [1234, [4321, 15090], 'cluster.local']);
  });

  it('takes the injector and the defaults of Istio where the configuration says nothing', () => {
    const [{ service, port }] = controlPlanes(detectIstio(evidenceOf('')).facts);
    assert.deepEqual([service, port], [{ namespace: 'istio-system', name: 'istiod' }, 15012]);
  });

  it('knows each revision once, also if a tag has webhooks of its own', () => {
    const canary = injectorOfRevision('canary', 'istiod-canary');
    const tag = injectorOf({ ...canary, metadata: { ...canary.metadata, name: 'istio-revision-tag-prod' } });
    const own = found('defaultConfig: {discoveryAddress: "istiod-canary.istio-system.svc:15012"}');
    const both = [injectorOf(canary), tag].map((injector) => ({
      injector,
      configuration: own,
      isReady: true,
    }));
    const base = evidenceOf();
    assert.equal(base.kind, 'injectors');
    const names = controlPlanes(detectIstio(injectors(...base.injectors, ...both)).facts);
    assert.deepEqual(
      names.map(({ service, injects }) => [service.name, injects.length]),
      [
        ['istiod', 4],
        ['istiod-canary', 4],
      ],
    );
    assert.deepEqual(['default', 'canary'].map(configMapName), ['istio', 'istio-canary']);
  });

  const {
    injectors: [known],
  } = evidenceOf() as Extract<MeshEvidence, { kind: 'injectors' }>;
  assert.ok(known);
  const unclear: [what: string, MeshEvidence, status: string, reason: string, message: RegExp][] = [
    [
      'nothing injects sidecars',
      injectors(),
      'False',
      'MeshNotFound',
      /no MutatingWebhookConfiguration.*correct mesh/,
    ],
    [
      'the webhooks can not be read',
      { kind: 'unreadable', message: 'no permission' },
      'Unknown',
      'EvidenceUnreadable',
      /no permission/,
    ],
    [
      'the configuration can not be read',
      injectors({ ...known, configuration: { kind: 'missing', isUnreadable: true, message: 'forbidden' } }),
      'Unknown',
      'EvidenceUnreadable',
      /forbidden/,
    ],
    [
      'there is no configuration',
      injectors({ ...known, configuration: { kind: 'missing', isUnreadable: false, message: 'absent' } }),
      'Unknown',
      'ConfigurationUnusable',
      /absent/,
    ],
    [
      'the configuration is no YAML',
      evidenceOf('defaultConfig: ['),
      'Unknown',
      'ConfigurationUnusable',
      /can't be used: line \d+/,
    ],
    [
      'sidecars connect to another cluster',
      evidenceOf('defaultConfig: {discoveryAddress: "istiod.mesh.example.com:15012"}'),
      'Unknown',
      'ConfigurationUnusable',
      /istiod\.mesh\.example\.com:15012, which is no Service of the cluster/,
    ],
    [
      'istiod is called by a URL',
      injectors({ ...known, injector: { ...known.injector, service: undefined } }),
      'Unknown',
      'ConfigurationUnusable',
      /an istiod outside of the cluster/,
    ],
  ];
  for (const [what, evidence, status, reason, message] of unclear) {
    it(`is unclear if ${what}, and then keeps the configuration that it knew`, () => {
      const before = detectIstio(evidenceOf()).facts;
      const { verdict, facts } = detectIstio(evidence);
      assert.deepEqual([verdict.status, verdict.reason, facts.kind], [status, reason, 'missing']);
      assert.match(verdict.message, message);
      assert.equal(detectIstio(evidence, before).facts, before);
    });
  }

  for (const [isReady, reason] of [
    [false, 'ControlPlaneNotReady'],
    [undefined, 'EvidenceUnreadable'],
  ] as const) {
    it(`uses the configuration of an istiod whose readiness is ${isReady}, and says ${reason}`, () => {
      const base = evidenceOf(MESH_CONFIG, isReady);
      assert.equal(base.kind, 'injectors');
      const unready = injectors(...base.injectors.map((each) => ({ ...each, isReady })));
      const { verdict, facts } = detectIstio(unready);
      assert.deepEqual([verdict.status, verdict.reason, facts.kind], ['Unknown', reason, 'available']);
    });
  }
});
