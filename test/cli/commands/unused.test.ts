/** `unused`: rules that no observed flow used, and how much narrower the others could be. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { cli, directoryOf } from '../cli.ts';

const root = join(import.meta.dirname, '../../..');
const PLACES =
  '-f config/samples/shop/namespaces.yaml -f config/samples/shop/workloads.yaml -f config/samples/flows';

const csv = (...rows: readonly string[]) =>
  [
    'source_namespace,source_workload,source_ip,destination_namespace,destination_workload,destination_ip,port,count,verdict',
    ...rows,
    '',
  ].join('\n');

const PROFILE = `
apiVersion: segmentation.dev/v1alpha1
kind: SegmentationProfile
metadata: {name: shop}
spec:
  namespaceSelector: {matchLabels: {example.com/part-of: shop}}
  baseline: {dns: Deny, admissionWebhooks: Deny}
  ingress:
    - name: from-office
      from: [{ipBlock: {cidr: 198.51.100.0/24}}]
      ports: [{port: 8443}]
  connections:
    - name: to-ledger
      from: [{namespaces: [shop-payments, shop-checkout]}]
      to: [{namespaces: [shop-payments], podSelector: {matchLabels: {app: ledger}}}]
      ports: [{port: main}, {port: 9000, endPort: 9010}]
    - name: exact
      from: [{namespaces: [shop-storefront], podSelector: {matchLabels: {app: web}}}]
      to: [{namespaces: [shop-checkout], podSelector: {matchLabels: {app: checkout}}}]
      ports: [{port: 8443}]
    - name: elsewhere
      from: [{namespaces: [gone]}]
      to: [{namespaces: [gone]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: own, namespace: shop-checkout}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress: [{from: [{podSelector: {}}], ports: [{port: 6379}]}]
`;

interface Rule {
  readonly owner: string;
  readonly rule: string;
  readonly count: number;
  readonly narrower?: object;
}

describe('command unused', () => {
  const directory = directoryOf({ 'shop.yaml': PROFILE });
  const run = async (log: string, format = 'json') =>
    cli(`unused ${PLACES} -f ${directory}/shop.yaml --flows - -o ${format}`, { cwd: root, stdin: log });
  const log = csv(
    'shop-storefront,web,,shop-checkout,checkout,,8443,12,allowed',
    'shop-payments,payments,,shop-payments,ledger,,5432,3,allowed',
    ',,198.51.100.7,shop-storefront,web,,8443,2,allowed',
    'shop-checkout,cart,,shop-payments,ledger,,9000,5,denied',
  );

  it('lists the rules that no flow used first, also of foreign policies and of no selected namespace', async () => {
    const { code, stdout } = await run(log, 'name');
    assert.equal(code, 1);
    assert.deepEqual(stdout.trim().split('\n'), [
      'shop connection elsewhere',
      'shop-checkout/own ingress rule 1',
    ]);
  });

  it('says which sources, destinations, ports and addresses of a rule were not used', async () => {
    const { stdout } = await run(log);
    const { rules } = JSON.parse(stdout) as { rules: Rule[] };
    const narrower = Object.fromEntries(rules.map((each) => [each.rule, each.narrower]));
    assert.deepEqual(narrower['connection to-ledger'], {
      unusedSources: [
        'shop-checkout/deploy/cart',
        'shop-checkout/deploy/checkout',
        'shop-payments/deploy/ledger',
      ],
      unusedDestinations: [],
      usedPorts: 'TCP 5432',
    });
    assert.deepEqual(narrower['rule from-office'], {
      unusedSources: [],
      unusedDestinations: [
        'shop-checkout/deploy/cart',
        'shop-checkout/deploy/checkout',
        'shop-payments/deploy/ledger',
        'shop-payments/deploy/payments',
      ],
      usedAddresses: ['198.51.100.7'],
    });
    assert.equal(narrower['connection exact'], undefined);
  });

  it('counts the flows of a rule once, and no denied flow', async () => {
    const { stdout } = await run(log);
    const { rules } = JSON.parse(stdout) as { rules: Rule[] };
    assert.deepEqual(
      rules.filter(({ count }) => count > 0).map(({ rule, count }) => `${rule} ${count}`),
      ['connection exact 12', 'connection to-ledger 3', 'rule from-office 2'],
    );
  });

  it('exits with 0 if every rule was used', async () => {
    const { code, stdout } = await cli(
      'unused -f config/samples/shop -f config/samples/flows --flows config/samples/flows/shop.jsonl',
      { cwd: root },
    );
    assert.equal(code, 0);
    assert.match(stdout, /^Every rule was used\.$/m);
  });
});
