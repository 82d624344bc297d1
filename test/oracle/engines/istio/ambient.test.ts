/**
 * The tunnel of ambient mode, judged by istiod: it accepts what is written for generated profiles, and what it tells each
 * ztunnel lets the same connections pass as the model of test/engines/istio, with which the plans are tested.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { KubeObject } from '../../../../src/api/meta.ts';
import { LABEL_SERVICE_ACCOUNT } from '../../../../src/api/names.ts';
import { acceptanceFailure, acceptanceOf } from '../../../../src/engines/istio/ambient/acceptance.ts';
import { type ControlPlane, sharedControlPlane } from '../../../env/index.ts';
import { goIsThere } from '../../../env/tooling/go-tool.ts';
import { isTunnelDeny } from '../../../../src/engines/istio/ambient/objects.ts';
import { profiles, SOURCES, TARGETS, tcp } from '../../../engines/istio/ambient/arbitrary.ts';
import { AmbientNamespace, meshProfile, TRUST_DOMAIN } from '../../../engines/istio/ambient/world.ts';
import { meshAllows } from '../../../engines/istio/model.ts';
import { eventually, Sandbox } from '../../../support/cluster.ts';
import { removeConfigMaps } from './istiod.ts';
import { AmbientJudge, ztunnelAllows } from './ambient-judge.ts';
import { installDefinitions, removeDefinitions } from './definitions.ts';
import { cases, IS_FULL, SEED } from '../scale.ts';

const isWanted = IS_FULL && goIsThere;
const why = IS_FULL
  ? 'it needs Go'
  : 'npm run test:engines builds istiod, which takes eight minutes of CPU time';
const SOON = 60_000;

(isWanted ? describe : describe.skip)(
  `tunnel of ambient mode${isWanted ? '' : ` (skipped: ${why})`}`,
  function () {
    this.timeout('20m');
    let plane: ControlPlane;
    let box: Sandbox;
    let shop: string;
    let judge: AmbientJudge;

    const collection = () => `/apis/security.istio.io/v1/namespaces/${shop}/authorizationpolicies`;
    const list = async () =>
      ((await box.read(collection())) as unknown as { items: readonly KubeObject[] }).items;
    /** The objects in the namespace of this run. */
    const placed = (objects: readonly KubeObject[]) =>
      objects.map((object) => {
        const { name, labels } = object.metadata;
        const spec = (object as { readonly spec?: object }).spec;
        return {
          apiVersion: object.apiVersion,
          kind: object.kind,
          metadata: { name, namespace: shop, labels },
          spec,
        };
      });
    const apply = (objects: readonly object[]) =>
      plane.kubectlRun(['apply', '--server-side', '--force-conflicts', '-f', '-'], {
        stdin: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
      });
    const clear = () => plane.kubectlRun(['-n', shop, 'delete', 'authorizationpolicies', '--all']);

    before(async () => {
      plane = await sharedControlPlane();
      box = new Sandbox(plane, 'ambient');
      shop = await box.namespace('shop', null);
      await box.relabel(shop, { 'istio.io/dataplane-mode': 'ambient' });
      const root = await box.namespace('root', null);
      await installDefinitions(plane);
      for (const { name, labels } of TARGETS) await box.pod(shop, name, labels);
      judge = await AmbientJudge.start(plane, root, TRUST_DOMAIN);
    });
    after(async () => {
      await judge?.stop();
      await removeConfigMaps(plane);
      await box?.remove();
      await removeDefinitions(plane);
    });

    it('is accepted by istiod, and passed on to ztunnel with the meaning of the model, for generated profiles', async () => {
      const samples = fc.sample(profiles, { numRuns: cases(10), seed: SEED });
      let allowed = 0;
      let denied = 0;
      for (const made of samples) {
        const namespace = new AmbientNamespace();
        namespace.settle([made]);
        if (namespace.objects.length === 0) continue;
        await clear();
        const objects = placed(namespace.objects);
        await apply(objects);
        await eventually(async () => {
          const items = await list();
          assert.equal(items.length, objects.length);
          assert.equal(acceptanceFailure(items), undefined);
        }, SOON);
        await eventually(async () => {
          const view = await judge.view();
          const names = view.policies.filter((each) => each.namespace === shop).map(({ name }) => name);
          assert.deepEqual(names.sort(), objects.map(({ metadata }) => metadata.name).sort());
          for (const to of TARGETS)
            for (const from of [undefined, ...SOURCES])
              for (const port of [80, 90]) {
                const account = from && `${from.namespace}/sa/${from.labels[LABEL_SERVICE_ACCOUNT]}`;
                const principal = account === undefined ? undefined : `${TRUST_DOMAIN}/ns/${account}`;
                const expected = meshAllows(objects, to.labels, {
                  ip: '10.0.0.1',
                  port,
                  ...(principal !== undefined && { principal }),
                });
                const place = { namespace: shop, name: to.name, port };
                assert.equal(
                  ztunnelAllows(view, place, principal),
                  expected,
                  `${principal} to ${to.name}:${port}`,
                );
                if (expected) allowed += 1;
                else denied += 1;
              }
        }, SOON);
      }
      assert.ok(allowed > 50 && denied > 50, `${allowed} allowed, ${denied} denied`);
    });

    it('takes an object that is to be deleted for one that permits nothing, and accepts it', async () => {
      const made = meshProfile([{ name: 'r', from: [{ namespaces: ['front'] }], ports: [tcp(80)] }]);
      const namespace = new AmbientNamespace();
      namespace.settle([made]);
      const { emptied } = namespace.plan([made]);
      const objects = namespace.objects.map((each) => (isTunnelDeny(each) ? each : (emptied(each) ?? each)));
      assert.notDeepEqual(objects, namespace.objects);
      await clear();
      for (const [forms, isOpen] of [
        [namespace.objects, true],
        [objects, false],
      ] as const) {
        await apply(placed(forms));
        await eventually(async () => assert.equal(acceptanceFailure(await list()), undefined), SOON);
        await eventually(async () => {
          const place = { namespace: shop, name: 'web', port: 80 };
          const view = await judge.view();
          const passes = (principal?: string) => ztunnelAllows(view, place, principal);
          assert.deepEqual([passes(`${TRUST_DOMAIN}/ns/front/sa/well`), passes()], [isOpen, true]);
        }, SOON);
      }
    });

    it('refuses connections without an identity under strict mutual TLS, and no others', async () => {
      await clear();
      const [to] = TARGETS;
      assert.ok(to);
      const place = { namespace: shop, name: to.name, port: 80 };
      const principal = `${TRUST_DOMAIN}/ns/front/sa/well`;
      const allowed = async () => {
        const view = await judge.view();
        return [ztunnelAllows(view, place, principal), ztunnelAllows(view, place, undefined)];
      };
      const { metadata } = placed([{ metadata: { name: 'p.default-deny' } }])[0] ?? {};
      await eventually(async () => assert.deepEqual(await allowed(), [true, true]), SOON);
      await apply([
        {
          apiVersion: 'security.istio.io/v1',
          kind: 'PeerAuthentication',
          metadata,
          spec: { mtls: { mode: 'STRICT' } },
        },
      ]);
      await eventually(async () => assert.deepEqual(await allowed(), [true, false]), SOON);
      await plane.kubectlRun(['-n', shop, 'delete', 'peerauthentications', '--all']);
    });

    it('is not accepted in an older form, and not as a dry run', async () => {
      await clear();
      const policy = (metadata: object, namespaces: readonly string[]) => ({
        apiVersion: 'security.istio.io/v1',
        kind: 'AuthorizationPolicy',
        metadata: { name: 'one', namespace: shop, ...metadata },
        spec: { action: 'ALLOW', rules: [{ from: [{ source: { namespaces } }] }] },
      });
      const accepted = async () => {
        const [only] = await list();
        assert.ok(only);
        return acceptanceOf(only).kind;
      };
      await apply([policy({}, ['a'])]);
      await eventually(async () => assert.equal(await accepted(), 'accepted'), SOON);
      await judge.stop();
      await apply([policy({}, ['b'])]);
      assert.equal(await accepted(), 'awaited');
      judge = await AmbientJudge.start(plane, `${box.id}-root`, TRUST_DOMAIN);
      await eventually(async () => assert.equal(await accepted(), 'accepted'), SOON);
      await apply([policy({ annotations: { 'istio.io/dry-run': 'true' } }, ['c'])]);
      await eventually(async () => assert.equal(await accepted(), 'refused'), SOON);
    });
  },
);
