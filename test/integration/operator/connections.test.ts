/** Connections on a real cluster: where their policies are, what follows the Service, and edits from and to rules. */
import assert from 'node:assert/strict';
import { eventually, PROMPTLY } from '../../support/cluster.ts';
import { OperatorSuite } from '../../support/suite.ts';

const app = (name: string) => ({ matchLabels: { app: name } });
const named = (name: string) => ({ matchLabels: { 'kubernetes.io/metadata.name': name } });

describe('a connection', () => {
  const at = new OperatorSuite('connection');

  /** A profile over three namespaces, with a connection from the first to a Service of the second. */
  async function connected() {
    const [shop, pay, other] = [
      await at.box.namespace('shop'),
      await at.box.namespace('pay'),
      await at.box.namespace('other'),
    ];
    const ports = [{ port: 80, targetPort: 8443 }];
    await at.box.service(pay, 'payments', { selector: { app: 'payments' }, ports });
    const connection = {
      name: 'shop-to-pay',
      description: 'Orders are paid.',
      from: [{ namespaces: [shop], podSelector: app('checkout') }],
      to: [{ service: { namespace: pay, name: 'payments' } }],
    };
    const baseline = { dns: 'Deny' as const, admissionWebhooks: 'Deny' as const };
    const profile = await at.box.profile('flows', { baseline, connections: [connection] });
    await at.box.ready(profile);
    return { shop, pay, other, profile, connection };
  }

  it('has policies where its ends lie, and nowhere else', async () => {
    const { shop, pay, other, profile } = await connected();
    assert.deepEqual(await at.box.policyNames(shop), [
      `${profile}.default-deny`,
      `${profile}.egress.shop-to-pay`,
    ]);
    assert.deepEqual(await at.box.policyNames(pay), [
      `${profile}.default-deny`,
      `${profile}.ingress.shop-to-pay`,
    ]);
    assert.deepEqual(await at.box.policyNames(other), [`${profile}.default-deny`]);
    const ports = [{ protocol: 'TCP', port: 8443 }];
    const egress = await at.box.policy(shop, `${profile}.egress.shop-to-pay`);
    assert.deepEqual(egress.spec.podSelector, app('checkout'));
    assert.deepEqual(egress.spec.egress, [
      { to: [{ namespaceSelector: named(pay), podSelector: app('payments') }], ports },
    ]);
    const ingress = await at.box.policy(pay, `${profile}.ingress.shop-to-pay`);
    assert.deepEqual(ingress.spec.podSelector, app('payments'));
    assert.deepEqual(ingress.spec.ingress, [
      { from: [{ namespaceSelector: named(shop), podSelector: app('checkout') }], ports },
    ]);
  });

  it('follows its Service at both ends, and keeps both as they are when it is deleted', async () => {
    const { shop, pay, profile } = await connected();
    const portsAt = async () => [
      (await at.box.policy(shop, `${profile}.egress.shop-to-pay`)).spec.egress?.[0]?.ports?.[0]?.port,
      (await at.box.policy(pay, `${profile}.ingress.shop-to-pay`)).spec.ingress?.[0]?.ports?.[0]?.port,
    ];
    await at.box.editService(pay, 'payments', { ports: [{ port: 80, targetPort: 9443 }] });
    await eventually(async () => assert.deepEqual(await portsAt(), [9443, 9443]), PROMPTLY);
    await at.box.deleteService(pay, 'payments');
    await eventually(async () => {
      const { status, message } = await at.box.condition(profile, 'PeersResolved');
      assert.equal(status, 'False');
      assert.match(message, /shop-to-pay/);
    }, PROMPTLY);
    assert.deepEqual(await portsAt(), [9443, 9443]);
  });

  it('can be edited to a pair of rules of its name, and back, by updates in place', async () => {
    const { shop, pay, profile, connection } = await connected();
    const identities = async () => [
      (await at.box.policy(shop, `${profile}.egress.shop-to-pay`)).metadata.uid,
      (await at.box.policy(pay, `${profile}.ingress.shop-to-pay`)).metadata.uid,
    ];
    const before = await identities();
    const { name, from, to } = connection;
    const ports = [{ protocol: 'TCP' as const, port: 8443 }];
    await at.box.edit(profile, {
      connections: [],
      egress: [{ name, podSelector: app('checkout'), inNamespaces: { names: [shop] }, to }],
      ingress: [{ name, podSelector: app('payments'), inNamespaces: { names: [pay] }, from, ports }],
    });
    await at.box.ready(profile, PROMPTLY);
    assert.deepEqual(await identities(), before);
    await at.box.edit(profile, { connections: [connection], egress: [], ingress: [] });
    await at.box.ready(profile, PROMPTLY);
    assert.deepEqual(await identities(), before);
  });
});
