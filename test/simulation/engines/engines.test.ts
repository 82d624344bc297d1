/** Schedules with a network engine, each made for one fault. */
import assert from 'node:assert/strict';
import { type Action, NAMESPACES, STABLE } from '../schedule/actions.ts';
import type { Acceptance, EngineScene } from './actions.ts';
import { handmadePlan, writeProfile } from '../schedule/handmade.ts';
import { simulate } from '../simulation.ts';

const KIND = 'networkpolicies.projectcalico.org';

describe('simulation of the controller on Calico', () => {
  const write = writeProfile({
    ingress: [{ name: 'in', from: [{ serviceAccount: { namespace: 'a', name: 'one' } }] }],
  });

  it('keeps extensions where the operator restarts under an older definition, and when that is mended', async () => {
    const older: Action = { do: 'definition', kind: KIND, form: 'older' };
    const mended: Action = { do: 'definition', kind: KIND, form: 'current' };
    const { breach, trace } = await simulate(
      handmadePlan({ engine: 'Calico', setting: 'Calico' }, [write], [older, { do: 'crash' }], [mended]),
      {
        isTraced: true,
      },
    );
    assert.equal(breach, undefined);
    const refused = trace.filter(
      (line) => line.includes('PUT /apis/projectcalico.org') && line.includes(' 400 '),
    );
    assert.ok(refused.length > 0, 'the operator has not tried to write under the older definition');
  });
});

describe('simulation of the controller on Calico without a permission', () => {
  it('isolates pods once a person has granted what the status asks for', async () => {
    const write = writeProfile({
      ingress: [
        { name: 'one', from: [{ serviceAccount: { namespace: 'a', name: 'one' } }] },
        { name: 'two', from: [{ namespaces: ['b'] }] },
      ],
    });
    const forbidden = 'globalnetworkpolicies.projectcalico.org';
    const { breach, trace } = await simulate(
      handmadePlan({ engine: 'Calico', setting: 'Calico', guard: 'GlobalNetworkPolicy' }, [
        { do: 'permission', kind: forbidden, isGranted: false },
        write,
      ]),
      { isTraced: true },
    );
    assert.equal(breach, undefined);
    assert.ok(
      trace.some((line) => line.includes('IsolationUnknown')),
      'the operator has not waited for the permission',
    );
  });
});

describe('simulation of the controller on Cilium', () => {
  const write = writeProfile({
    ingress: [
      { name: 'one', from: [{ ipBlock: { cidr: '192.0.2.10/32' } }] },
      {
        name: 'two',
        podSelector: { matchLabels: { app: 'a' } },
        from: [{ ipBlock: { cidr: '192.0.2.11/32' } }],
      },
    ],
  });
  const isolated: Action = {
    do: 'foreign object',
    engine: 'Cilium',
    namespace: 'a',
    name: 'theirs',
    isThere: true,
    isIsolating: true,
  };

  for (const [engine, ...first] of [
    [{ engine: 'Cilium', setting: 'Cilium' }],
    [
      { engine: 'Cilium', setting: 'Auto' },
      { do: 'agent', engine: 'Cilium', state: 'starting' },
      { do: 'crash' },
    ],
  ] satisfies readonly (readonly [EngineScene, ...Action[]])[])
    it(`never opens pods that a foreign CiliumNetworkPolicy isolates, with the setting ${engine.setting}`, async () => {
      const { breach, counts } = await simulate(
        handmadePlan(engine, [...first, isolated, write], [{ do: 'delete profile', name: 'p' }]),
      );
      assert.equal(breach, undefined);
      assert.ok((counts['transitions'] ?? 0) > 0, 'the plans needed no transition policies');
    });
});

describe('simulation of the controller with guards', () => {
  it('passes what another profile allows while neither selects a namespace', async () => {
    const to = (port: number) => [{ name: `on-${port}`, to: [{ namespaces: ['b'] }], ports: [{ port }] }];
    const guarded = writeProfile({ isolation: ['Egress'], egress: to(8080), guard: { mode: 'Enforce' } });
    const beside = (port: number) => writeProfile({ isolation: ['Egress'], egress: to(port) }, 'q');
    const labels = { 'example.com/member': 'no' };
    const left = NAMESPACES.map((namespace): Action => ({ do: 'label', namespace, labels }));
    const scene: EngineScene = { setting: 'None', guard: 'ClusterNetworkPolicy' };
    const { breach } = await simulate(handmadePlan(scene, [guarded, beside(9090)], left, [beside(9091)]));
    assert.equal(breach, undefined);
  });
});

describe('simulation of the controller with overlays of a mesh that is not found any more', () => {
  const MESH = { mesh: { authorization: 'Enforce', mtls: 'Strict' } };
  const from = (cidr: string) => ({ name: cidr.replaceAll(/[./]/g, '-'), from: [{ ipBlock: { cidr } }] });
  const [OFFICE, PARTNER] = ['192.0.2.10/32', '192.0.2.11/32'];
  const injected: Action = { do: 'inject', namespace: 'a', isInjected: true };
  const lost: readonly Action[] = [{ do: 'mesh', part: 'injector', isThere: false }, { do: 'crash' }];
  const stays = (...cidrs: readonly string[]) => writeProfile({ ...MESH, ingress: cidrs.map(from) });
  const leaves = (more: object) => writeProfile({ ...more, ingress: [from(PARTNER)] }, 'q');
  const deleted: Action = { do: 'delete profile', name: 'q' };

  for (const [which, ...rounds] of [
    ['asks for one too', [stays(OFFICE), leaves(MESH)], lost, [deleted]],
    ['asks for none', [stays(OFFICE), leaves({})], lost, [deleted]],
    [
      'retains its policies by then',
      [stays(OFFICE), leaves(MESH)],
      lost,
      [leaves({ ...MESH, deletionPolicy: 'Retain' }), deleted],
    ],
    [
      'alone allowed a flow until then',
      [stays(OFFICE), leaves(MESH)],
      [...lost, stays(OFFICE, PARTNER)],
      [deleted],
    ],
    [
      'began the overlay',
      [writeProfile({ ingress: [from(OFFICE)] }), leaves(MESH)],
      lost,
      [stays(OFFICE), deleted],
    ],
  ] as const)
    it(`lets a profile go that ${which}, beside one that stays`, async () => {
      const scene: EngineScene = { setting: 'None', hasMesh: true };
      const [first, ...more] = rounds as readonly (readonly Action[])[];
      const { breach } = await simulate(handmadePlan(scene, [injected, ...(first ?? [])], ...more));
      assert.equal(breach, undefined);
    });
});

describe('simulation of the controller with a kind of the mesh that can not be read any more', () => {
  for (const kind of ['authorizationpolicies.security.istio.io', 'peerauthentications.security.istio.io'])
    it(`lets a deleted profile go where it may no longer read ${kind}`, async () => {
      const write = writeProfile({
        mesh: { authorization: 'Enforce', mtls: 'Strict' },
        ingress: [{ name: 'from-a', from: [{ namespaces: ['a'] }] }],
      });
      const { breach } = await simulate(
        handmadePlan(
          { setting: 'None', hasMesh: true },
          [{ do: 'inject', namespace: 'a', isInjected: true }, write],
          [
            { do: 'permission', kind, isGranted: false },
            { do: 'crash' },
            { do: 'delete profile', name: 'p' },
          ],
        ),
      );
      assert.equal(breach, undefined);
    });
});

describe('simulation of the controller in ambient mode', () => {
  const scene: EngineScene = { setting: 'None', hasMesh: true, hasAmbient: true };
  const ambient = STABLE.map((namespace): Action => ({ do: 'ambient', namespace, isAmbient: true }));
  const istiod = (how: Acceptance): Action => ({ do: 'acceptance', how });
  const from = (namespace: string, port: number) => ({
    name: `from-${namespace}`,
    from: [{ namespaces: [namespace] }],
    ports: [{ port }],
  });
  const write = (...ingress: readonly object[]): Action =>
    writeProfile({
      baseline: { dns: 'Deny', sameNamespace: 'Deny', admissionWebhooks: 'Deny', mesh: 'Allow' },
      mesh: { authorization: 'Enforce', mtls: 'Disabled' },
      ingress,
    });

  it('isolates namespaces that were planned while the policies of the mesh were being read', async () => {
    const { breach } = await simulate(handmadePlan(scene, ambient, [write()]));
    assert.equal(breach, undefined);
  });

  it('opens and closes the tunnel whether istiod accepts its policies late, not at all, or refuses them', async () => {
    const { breach, trace } = await simulate(
      handmadePlan(
        scene,
        ambient,
        [istiod('lost'), write()],
        [istiod('lost'), write(from('b', 8080))],
        [istiod('slow'), write(from('b', 8080), from('c', 9090))],
        [istiod('refused'), write(from('c', 9090))],
        [{ do: 'delete profile', name: 'p' }],
      ),
      { isTraced: true },
    );
    assert.equal(breach, undefined);
    const written = trace.filter((line) =>
      /operator-1 ADDED networkpolicies \S+baseline\.mesh\.tunnel/.test(line),
    );
    assert.ok(written.length > 0, 'the operator has not opened the tunnel');
  });
});
