/** How `render` and `status` report connections. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { cli, directoryOf } from '../cli.ts';

const SHOP = 'config/samples/shop';

describe('kubectl segmentation on a profile with connections', () => {
  const sample = readFileSync(`${SHOP}/profile.yaml`, 'utf8');
  const misspelt = sample
    .replace('namespaces: [shop-checkout]', 'namespaces: [shop-chekout]')
    .replace('service: {namespace: shop-payments', 'service: {namespace: shop-paymnts');
  const directory = directoryOf({ 'misspelt.yaml': misspelt });
  const files = `-f ${directory}/misspelt.yaml -f ${SHOP}/namespaces.yaml -f ${SHOP}/workloads.yaml`;
  const unused =
    'no end of connection checkout-to-payments (from pods app=checkout in namespaces shop-chekout, to service ' +
    'shop-paymnts/payments) lies in a selected namespace';

  it('render writes a policy at each end of the flow, and nowhere else', async () => {
    const { stdout, code } = await cli(`render -f ${SHOP} -o wide`);
    const lines = stdout.split('\n').filter((line) => line.includes('connection checkout-to-payments'));
    assert.equal(code, 0);
    assert.deepEqual(
      lines.map((line) => line.split(/ {3,}/).slice(0, 2).join('/')),
      ['shop-checkout/shop.egress.checkout-to-payments', 'shop-payments/shop.ingress.checkout-to-payments'],
    );
    assert.equal(stdout.trim().split('\n').length, 1 + 13);
  });

  it('render and status name a connection of which no end lies in a selected namespace', async () => {
    const { stderr } = await cli(`render ${files} -o name`);
    assert.ok(stderr.includes(`warning: profile shop: ${unused}, so no policy carries it\n`), stderr);
    const { stdout } = await cli(`status ${files}`);
    assert.ok(stdout.includes(`• profile shop: ${unused}\n`), stdout);
    const { profiles } = JSON.parse((await cli(`status ${files} -o json`)).stdout) as {
      profiles: { unusedConnections: string[] }[];
    };
    assert.equal(profiles[0]?.unusedConnections.length, 1);
  });

  it('render names the connection and the end of a peer that is not resolved', async () => {
    const without = sample.replace('name: payments}', 'name: paiments}');
    const { stderr, code } = await cli(
      `render -f - -f ${SHOP}/namespaces.yaml -f ${SHOP}/workloads.yaml -o name`,
      { stdin: without },
    );
    assert.equal(code, 1);
    assert.match(
      stderr,
      /profile shop, connection checkout-to-payments, end to, in shop-checkout: service shop-payments\/paiments is not resolved/,
    );
  });

  it('graph names the connection behind a rule', async () => {
    const { stdout } = await cli(`graph -f ${SHOP} -o html`);
    assert.match(stdout, /"rule":"connection checkout-to-payments","description":"Orders are paid\."/);
  });
});
