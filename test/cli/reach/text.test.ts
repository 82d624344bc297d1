import assert from 'node:assert/strict';
import type { Namespace } from '../../../src/analysis/cluster.ts';
import { pageData, toHtml } from '../../../src/cli/reach/html.ts';
import { groupText, reachWithin } from '../../../src/cli/reach/model.ts';
import { linkTable, matrixText } from '../../../src/cli/reach/table.ts';
import { toCsv, toDocument, toDot, toMermaid } from '../../../src/cli/reach/text.ts';
import { EVIL, SHOP_REACH } from './fixture.ts';

const TEXT = { title: 'Who may talk to whom', source: 'test', view: 'graph' as const };

describe('the text of a reach', () => {
  it('lists links, and marks partial ones', () => {
    const [, rows] = linkTable(SHOP_REACH);
    assert.deepEqual(
      rows.filter(([from]) => from === 'checkout/checkout'),
      [
        ['checkout/checkout', 'payments/payments', 'TCP 8443'],
        ['checkout/checkout', '203.0.113.0/24', 'TCP 443'],
      ],
    );
    assert.deepEqual(
      rows.filter(([from, to]) => from === 'monitoring/prometheus' && to.startsWith('old')),
      [['monitoring/prometheus', 'old/billing', 'all ports (some pods)']],
    );
  });

  it('is CSV by RFC 4180', () => {
    const lines = toCsv(SHOP_REACH).split('\r\n');
    assert.equal(lines[0], 'from_namespace,from_kind,from_name,to_namespace,to_kind,to_name,ports,all_pods');
    assert.ok(lines.includes('checkout,Deployment,checkout,payments,Deployment,payments,TCP 8443,yes'));
    assert.ok(lines.includes('checkout,Deployment,checkout,,Addresses,203.0.113.0/24,TCP 443,yes'));
    assert.ok(lines.includes('monitoring,Deployment,prometheus,old,Deployment,billing,all ports,no'));
    assert.equal(lines.at(-1), '');
  });

  it('is JSON whose links name groups by id', () => {
    const { groups, links } = toDocument(SHOP_REACH);
    const ids = new Set(groups.map(({ id }) => id));
    assert.equal(ids.size, groups.length);
    for (const { from, to } of links) assert.ok(ids.has(from) && ids.has(to));
    assert.deepEqual(
      links.find(({ from, to }) => from.endsWith('/checkout') && to.endsWith('/payments')),
      {
        from: 'checkout/Deployment/checkout',
        to: 'payments/Deployment/payments',
        ports: [{ protocol: 'TCP', from: 8443, to: 8443 }],
        partial: false,
      },
    );
    assert.equal(
      links.find(({ from, to }) => from === 'monitoring/Deployment/prometheus' && to === 'any address')
        ?.ports,
      'all',
    );
  });

  it('is Mermaid and DOT with workloads inside of their namespaces', () => {
    assert.match(toMermaid(SHOP_REACH), /subgraph ns\d+\["payments"\]\n {4}n\d+\["payments"\]\n {2}end/);
    assert.match(toMermaid(SHOP_REACH), /n\d+ -\.->\|"all ports"\| n\d+/);
    assert.match(toDot(SHOP_REACH), /subgraph cluster_\d+ \{\n {4}label="payments";/);
    assert.match(toDot(SHOP_REACH), /label="TCP 8443"\];/);
  });

  it('is a matrix if the terminal is wide enough', () => {
    assert.equal(matrixText(SHOP_REACH, 40), undefined);
    const { lines = [] } = matrixText(SHOP_REACH, 80) ?? {};
    assert.deepEqual(lines, [
      '                           1 2 3 4 5 6 7 8',
      '1 checkout/cart            · · · · · · · ·',
      '2 checkout/checkout        · · · · · ○ · ○',
      '3 monitoring/node-exporter · · · ● ● · ● ●',
      '4 monitoring/prometheus    ○ ○ ● · ● ○ ● ●',
      '5 old/billing              · · ● ● ● · ● ●',
      '6 payments/payments        · · · · · · · ·',
      '7 any address              · · ● ● ● · · ·',
      '8 203.0.113.0/24           · · ● ● ● · · ·',
    ]);
  });

  it('can be limited to namespaces and the groups that they talk to', () => {
    const part = reachWithin(SHOP_REACH, new Set(['payments']));
    assert.deepEqual(part.groups.map(groupText), [
      'checkout/checkout',
      'monitoring/prometheus',
      'payments/payments',
    ]);
    assert.deepEqual(linkTable(part)[1], [
      ['checkout/checkout', 'payments/payments', 'TCP 8443'],
      ['monitoring/prometheus', 'payments/payments', 'TCP 9090'],
    ]);
    const [rule] =
      part.policies.find(({ policy }) => policy.metadata.name === 'shop.ingress.from-checkout')?.Ingress ??
      [];
    assert.deepEqual(rule, { peers: [0], ports: 'TCP 8443' });
  });
});

describe('the HTML page of a reach', () => {
  it('has the origin of each rule in its data', () => {
    const { policies } = pageData(SHOP_REACH, TEXT);
    const one = policies.find(({ name }) => name === 'shop.ingress.from-checkout');
    assert.equal(one?.profile, 'shop');
    assert.equal(one?.ingress?.[0]?.rule, 'from-checkout');
    assert.equal(one?.ingress?.[0]?.description, `Orders are paid. ${EVIL}`);
    assert.equal(policies.find(({ name }) => name === 'tenant')?.profile, undefined);
  });

  it('has the labels whose values several namespaces share', () => {
    const namespaces: readonly Namespace[] = [
      { name: 'checkout', labels: { team: 'shop', 'kubernetes.io/metadata.name': 'checkout' } },
      { name: 'payments', labels: { team: 'shop', 'kubernetes.io/metadata.name': 'payments' } },
      { name: 'old', labels: { 'kubernetes.io/metadata.name': 'old' } },
    ];
    assert.deepEqual(pageData(SHOP_REACH, { ...TEXT, namespaces }).labels, [
      {
        key: 'team',
        values: [
          ['checkout', 'shop'],
          ['payments', 'shop'],
        ],
      },
    ]);
  });

  it('has no markup of object names, and refers to no other resource', () => {
    const html = toHtml(SHOP_REACH, { title: `A & B ${EVIL}`, source: EVIL, view: 'graph' });
    assert.ok(!html.includes('<img'));
    assert.equal(html.match(/<\/script>/g)?.length, 2);
    assert.doesNotMatch(html, /(?:src|href)\s*=\s*["']?(?:https?:)?\/\//);
  });
});
