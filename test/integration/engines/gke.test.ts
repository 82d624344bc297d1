/**
 * Names on GKE Dataplane V2 by a real operator: FQDNNetworkPolicies, by the CRD of GKE's own module. They isolate as
 * NetworkPolicies do, so that they are written within the plan of these. No agent runs.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { KubeObject } from '../../../src/api/meta.ts';
import { type ControlPlane, sharedControlPlane } from '../../env/index.ts';
import { crdEstablished } from '../../env/plane/crd.ts';
import { goIsThere, goModuleFolder, skippedWithoutGo } from '../../env/tooling/go-tool.ts';
import { auditedRequests, isRefused } from '../../support/audit.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { installOperator, Operators } from '../../support/operator.ts';

const COMPONENT = join(import.meta.dirname, '../../../config/engines/gke');
const SOON = 60_000;

type Policy = KubeObject & { readonly spec: object };

(goIsThere ? describe : describe.skip)(`operator on GKE with names${skippedWithoutGo}`, function () {
  this.timeout('4m');
  const operators = new Operators();
  let plane: ControlPlane;
  let kubeconfig: string;
  let crd: string;
  let box: Sandbox;
  let shop: string;
  let profile: string;
  let since: string;

  const path = () => `/apis/networking.gke.io/v1alpha1/namespaces/${shop}/fqdnnetworkpolicies`;
  const policies = async () =>
    ((await plane.admin.send('GET', path())) as { readonly items: readonly Policy[] }).items;
  const egress = (ports: readonly object[], ...names: readonly string[]) => [
    { name: 'payments', podSelector: { matchLabels: { app: 'web' } }, to: [{ fqdn: { names } }], ports },
  ];
  /** The operator's writes of policies in the namespace, in order. */
  const writes = () =>
    auditedRequests(plane, since)
      .filter((each) => each.objectRef?.namespace === shop && !isRefused(each))
      .filter(({ verb }) => ['create', 'update', 'delete'].includes(verb))
      .map(
        ({ verb, objectRef }) =>
          `${verb} ${objectRef?.resource} ${objectRef?.name?.replace(`${box.id}-`, '')}`,
      );

  before(async () => {
    plane = await sharedControlPlane();
    kubeconfig = await installOperator(plane);
    const module = await goModuleFolder(
      'gke-networking',
      'github.com/GoogleCloudPlatform/gke-networking-api',
    );
    crd = join(module, 'config/crds/networking.gke.io_fqdnnetworkpolicies.yaml');
    await plane.kubectlRun(['apply', '-f', crd]);
    await crdEstablished((args) => plane.kubectlRun(args), 'fqdnnetworkpolicies.networking.gke.io');
    await plane.kubectlRun(['apply', '-k', COMPONENT]);
    box = new Sandbox(plane, 'gke');
    shop = await box.namespace('shop');
    await box.pod(shop, 'web', { app: 'web' });
    await operators.start(kubeconfig, '--engine=GKE');
    since = new Date().toISOString();
    profile = await box.profile('p', {
      isolation: ['Egress'],
      egress: egress([{ port: 443 }], 'api.example.com', '*.example.org'),
    });
    await box.ready(profile, SOON);
  });
  after(async () => {
    await box?.remove();
    await plane?.kubectlRun(['delete', '--ignore-not-found', '-k', COMPONENT]);
    if (crd !== undefined) await plane?.kubectlRun(['delete', '--ignore-not-found', '-f', crd]);
  });

  it('allows names beside the default-deny, and cuts nothing while it begins to isolate', async () => {
    const [policy, ...others] = await policies();
    assert.deepEqual(others, []);
    assert.deepEqual(policy?.spec, {
      podSelector: { matchLabels: { app: 'web' } },
      egress: [
        {
          matches: [{ name: 'api.example.com' }, { pattern: '*.example.org' }],
          ports: [{ protocol: 'TCP', port: 443 }],
        },
      ],
    });
    await eventually(() => {
      const done = writes();
      const at = (text: RegExp) => done.findIndex((each) => text.test(each));
      const [cover, names, deny] = [
        at(/^create networkpolicies p\.transition/),
        at(/^create fqdnnetworkpolicies/),
        at(/^create networkpolicies p\.default-deny/),
      ];
      assert.ok(cover >= 0 && cover < names && names < deny, done.join('\n'));
      assert.ok(at(/^delete networkpolicies p\.transition/) > deny, done.join('\n'));
    }, SOON);
  });

  for (const [what, ports, name] of [
    ['a wildcard of any depth', [{ port: 443 }], '**.example.com'],
    ['a range of ports', [{ port: 8000, endPort: 8010 }], 'api.example.com'],
  ] as const) {
    it(`reports ${what}, which GKE can not say, and stays isolated`, async () => {
      await box.edit(profile, { egress: egress(ports, name) });
      await eventually(async () => {
        assert.equal((await box.condition(profile, 'PeersResolved')).reason, 'Unsupported');
      }, SOON);
      assert.deepEqual(await box.policyNames(shop), [`${profile}.default-deny`, `${profile}.egress`]);
    });
  }

  it('is held by the fence to its own objects', async () => {
    const foreign = {
      apiVersion: 'networking.gke.io/v1alpha1',
      kind: 'FQDNNetworkPolicy',
      metadata: { name: 'foreign', namespace: shop },
      spec: { podSelector: {}, egress: [{ matches: [{ name: 'example.com' }] }] },
    };
    const create = plane.kubectlRun(['--kubeconfig', kubeconfig, 'create', '-f', '-'], {
      stdin: JSON.stringify(foreign),
    });
    await assert.rejects(create, /lacks the labels/);
  });

  it('removes its objects with the profile', async () => {
    await box.removeProfile(profile);
    await eventually(async () => {
      assert.deepEqual(await policies(), []);
      assert.deepEqual(await box.policyNames(shop), []);
    }, SOON);
  });
});
