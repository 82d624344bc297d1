/**
 * The overlay of identities, judged by Istio's own programs: istioctl validates what is written; and istiod and Envoy decide
 * about connections with the right identity, a wrong one and none, as test/engines/istio/model.ts says they do.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import fc from 'fast-check';
import type { KubeObject } from '../../../../src/api/meta.ts';
import { LABEL_SERVICE_ACCOUNT } from '../../../../src/api/names.ts';
import type { NetworkPolicy, NetworkPolicyPeer } from '../../../../src/api/network-policy.ts';
import {
  type AuthorizationMode,
  authorizationPolicies,
  planAuthorization,
} from '../../../../src/engines/istio/overlay.ts';
import type { ObjectStep } from '../../../../src/engines/object-step.ts';
import { compile } from '../../../../src/policy/compile.ts';
import { type ControlPlane, sharedControlPlane } from '../../../env/index.ts';
import { ISTIOCTL } from '../../../env/istio.ts';
import { envoyIsThere } from '../../../env/tooling/envoy.ts';
import { goIsThere, goTool } from '../../../env/tooling/go-tool.ts';
import { meshAllows } from '../../../engines/istio/model.ts';
import { clusterFacts, NAMESPACE, profiles } from '../../../policy/arbitrary.ts';
import { facts } from '../../../policy/fixture.ts';
import { eventually, Sandbox } from '../../../support/cluster.ts';
import { installDefinitions, removeDefinitions } from './definitions.ts';
import { removeConfigMaps } from './istiod.ts';
import { IstioJudge, TRUST_DOMAIN } from './judge.ts';
import { cases, IS_FULL, SEED } from '../scale.ts';

const isWanted = IS_FULL && goIsThere && envoyIsThere;
const why = IS_FULL
  ? 'it needs Go, and Python with pip on Linux'
  : 'npm run test:engines builds istiod, which takes eight minutes of CPU time';
const SOON = 60_000;
const MODES: ReadonlyMap<string, AuthorizationMode> = new Map([['segmented', 'Enforce']]);
const inMesh = (...names: string[]) => ({
  trustDomain: TRUST_DOMAIN,
  isInMesh: (namespace: string) => names.includes(namespace),
});

(isWanted ? describe : describe.skip)(`overlay on Istio${isWanted ? '' : ` (skipped: ${why})`}`, function () {
  this.timeout('40m');
  let plane: ControlPlane;
  let box: Sandbox;
  let shop: string;
  let front: string;
  let other: string;
  let judge: IstioJudge;

  const policy = (name: string, role: string, spec: NetworkPolicy['spec']): NetworkPolicy => ({
    metadata: {
      name: `segmented.${name}`,
      namespace: shop,
      labels: {
        'app.kubernetes.io/managed-by': 'segmentation-operator',
        'segmentation.dev/profile': 'segmented',
        'segmentation.dev/role': role,
      },
    },
    spec,
  });
  const deny = () => policy('default-deny', 'default-deny', { podSelector: {}, policyTypes: ['Ingress'] });
  const named = (...values: string[]): NetworkPolicyPeer => ({
    namespaceSelector: { matchExpressions: [{ key: 'kubernetes.io/metadata.name', operator: 'In', values }] },
  });
  const apply = (objects: readonly object[]) =>
    plane.kubectlRun(['apply', '--server-side', '--force-conflicts', '-f', '-'], {
      stdin: JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
    });
  const clear = () =>
    plane.kubectlRun(['-n', shop, 'delete', 'authorizationpolicies,peerauthentications', '--all']);
  /** The clients: one in plaintext, and accounts in two namespaces. */
  const clients = () => [undefined, `${front}/checkout`, `${front}/report`, `${other}/checkout`];
  const verdicts = () => Promise.all(clients().map((each) => judge.connects(each)));
  const expected = (objects: readonly KubeObject[]) =>
    clients().map((account) => {
      const principal = account && `${TRUST_DOMAIN}/ns/${account.replace('/', '/sa/')}`;
      const connection = { ip: '127.0.0.1', port: judge.port, ...(principal && { principal }) };
      return meshAllows(objects, { app: 'web' }, connection);
    });

  before(async () => {
    plane = await sharedControlPlane();
    box = new Sandbox(plane, 'mesh');
    shop = await box.namespace('shop', null);
    [front, other] = [await box.namespace('front', null), await box.namespace('other', null)];
    const root = await box.namespace('root', null);
    await installDefinitions(plane);
    judge = await IstioJudge.start(plane, shop, root);
  });
  after(async () => {
    await judge?.stop();
    await removeConfigMaps(plane);
    await box?.remove();
    await removeDefinitions(plane);
  });

  it('is valid to istioctl, for generated profiles', async () => {
    const istioctl = await goTool(ISTIOCTL);
    const directory = mkdtempSync(join(tmpdir(), 'istioctl-'));
    try {
      const objects = fc
        .sample(fc.tuple(profiles, clusterFacts, fc.subarray(['alpha', 'beta', 'gamma'])), {
          numRuns: cases(20),
          seed: SEED,
        })
        .flatMap(([made, given, members], index) => {
          const { policies } = compile(made, { name: NAMESPACE, labels: {} }, facts(given));
          return authorizationPolicies({ policies, modes: MODES }, inMesh(...members)).map((each) => ({
            ...each,
            metadata: { ...each.metadata, name: `${each.metadata.name}.${index}` },
          }));
        });
      assert.ok(objects.length > cases(20));
      const file = join(directory, 'objects.yaml');
      writeFileSync(file, objects.map((each) => JSON.stringify(each)).join('\n---\n'));
      const { stdout, stderr } = await promisify(execFile)(istioctl, ['validate', '-f', file]);
      assert.match(stdout + stderr, /is valid/);
      assert.doesNotMatch(stdout + stderr, /[Ww]arning|[Ee]rror/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('lets in the right identity, and neither a wrong one nor plaintext, as the model says', async () => {
    const ofCheckout = {
      ...named(front),
      podSelector: { matchLabels: { [LABEL_SERVICE_ACCOUNT]: 'checkout' } },
    };
    const peer = fc.constantFrom<NetworkPolicyPeer>(
      named(front),
      named(other),
      named(front, other),
      ofCheckout,
      { podSelector: {} },
      { ipBlock: { cidr: '127.0.0.0/8' } },
      { ipBlock: { cidr: '127.0.0.0/8', except: ['127.0.0.0/16'] } },
      { ipBlock: { cidr: '10.0.0.0/8' } },
    );
    const rule = fc.record({
      app: fc.constantFrom('web', 'web', 'db', undefined),
      from: fc.option(fc.array(peer, { minLength: 1, maxLength: 2 }), { freq: 8, nil: undefined }),
      isOwnPort: fc.constantFrom(true, true, true, false),
    });
    const seen = new Set<string>();
    const all = [shop, front, other];
    // Most generated cases let in everybody or nobody.
    const distinct = [
      { app: 'web', from: [named(front)], isOwnPort: true },
      { app: 'web', from: [ofCheckout], isOwnPort: true },
      { app: 'web', from: [named(other)], isOwnPort: true },
      { app: undefined, from: undefined, isOwnPort: true },
    ].map((each) => [[each], all] as const);
    const samples = fc.sample(
      fc.tuple(fc.array(rule, { maxLength: 3 }), fc.subarray(all, { minLength: 2 })),
      { numRuns: cases(3), seed: SEED },
    );
    for (const [index, [rules, members]] of [...distinct, ...samples].entries()) {
      const policies = rules.map(({ app, from, isOwnPort }, i) =>
        policy(`ingress.r${i}.case-${index}`, 'ingress', {
          podSelector: app === undefined ? {} : { matchLabels: { app } },
          policyTypes: ['Ingress'],
          ingress: [
            { ...(from && { from }), ports: [{ port: isOwnPort ? judge.port : 1, protocol: 'TCP' }] },
          ],
        }),
      );
      const objects = authorizationPolicies(
        { policies: [deny(), ...policies], modes: MODES },
        inMesh(...members),
      );
      await clear();
      await apply(objects);
      const wanted = expected(objects);
      seen.add(JSON.stringify(wanted));
      await eventually(async () => {
        const text = await judge.listeners();
        assert.equal(text.includes(`.case-${index - 1}]`), false, 'Envoy has an older configuration');
        const isKnown = rules.every(({ app }, i) => app === 'db' || text.includes(`.r${i}.case-${index}]`));
        assert.ok(isKnown, 'Envoy has not all policies yet');
        assert.deepEqual(await verdicts(), wanted, JSON.stringify(objects));
      }, SOON);
    }
    assert.ok(seen.size > 3, `few verdicts: ${[...seen].join(' ')}`);
  });

  it('never cuts the right identity while it begins and ends', async () => {
    await clear();
    const web = policy('ingress.web', 'ingress', {
      podSelector: { matchLabels: { app: 'web' } },
      policyTypes: ['Ingress'],
      ingress: [{ from: [named(front)], ports: [{ port: judge.port, protocol: 'TCP' }] }],
    });
    // Created before the other one, this policy alone would cut it.
    const all = policy('ingress', 'ingress', {
      podSelector: {},
      policyTypes: ['Ingress'],
      ingress: [{ from: [named(other)], ports: [{ port: judge.port, protocol: 'TCP' }] }],
    });
    const identities = inMesh(front, other);
    const ownerOf = ({ metadata }: KubeObject) => metadata.labels?.['segmentation.dev/profile'];
    const account = `${front}/checkout`;
    await eventually(
      async () => assert.ok((await judge.connects()) && (await judge.connects(account))),
      SOON,
    );
    const stopping = new AbortController();
    let attempts = 0;
    const trying = (async () => {
      for (; !stopping.signal.aborted; attempts++)
        assert.ok(await judge.connects(account), `attempt ${attempts} was cut`);
    })();
    trying.catch(() => {});
    let objects: readonly KubeObject[] = [];
    const carryOut = async (steps: readonly ObjectStep[]) => {
      for (const step of steps) {
        const { name } = (step.verb === 'delete' ? step.before : step.object).metadata;
        objects = objects.filter(({ metadata }) => metadata.name !== name);
        if (step.verb === 'delete')
          await plane.kubectlRun(['-n', shop, 'delete', 'authorizationpolicy', name]);
        else {
          await apply([step.object]);
          objects = [...objects, step.object];
        }
        await sleep(300);
      }
    };
    try {
      for (const [policies, isPlaintext] of [
        [[deny(), all, web], false],
        [[], true],
      ] as const) {
        const desired = { policies, modes: MODES, kept: new Set<string>() };
        await carryOut(planAuthorization(objects, desired, { identities, ownerOf, meshWide: [] }).widen);
        await carryOut(planAuthorization(objects, desired, { identities, ownerOf, meshWide: [] }).narrow);
        await eventually(async () => assert.equal(await judge.connects(), isPlaintext), SOON);
      }
    } finally {
      stopping.abort();
    }
    await trying;
    assert.ok(attempts > 10, `only ${attempts} attempts`);
  });

  it('refuses plaintext with strict mutual TLS, and no identity', async () => {
    await clear();
    await apply([
      {
        apiVersion: 'security.istio.io/v1',
        kind: 'PeerAuthentication',
        metadata: { name: 'segmented.default-deny', namespace: shop },
        spec: { mtls: { mode: 'STRICT' } },
      },
    ]);
    await eventually(async () => assert.deepEqual(await verdicts(), [false, true, true, true]), SOON);
  });
});
