/** `suggest`: profiles proposed from observed flows. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { parseAllDocuments } from 'yaml';
import type { Connection, Peer, ProfileSpec } from '../../../src/api/profile.ts';
import { cli, directoryOf } from '../cli.ts';
import { runs } from '../../policy/fixture.ts';

const root = join(import.meta.dirname, '../../..');
const WORKLOADS =
  '-f config/samples/shop/namespaces.yaml -f config/samples/shop/workloads.yaml -f config/samples/flows';
const LOG = 'config/samples/flows/shop.jsonl';

interface Profile {
  readonly metadata: { readonly name: string };
  readonly spec: ProfileSpec;
}

interface Suggested {
  readonly text: string;
  readonly profiles: readonly Profile[];
  readonly notes: string;
}

async function suggest(line: string, stdin = ''): Promise<Suggested> {
  const { code, stdout, stderr } = await cli(`suggest ${line}`, { cwd: root, stdin });
  assert.equal(code, 0, stderr);
  const profiles = parseAllDocuments(stdout).map((each) => each.toJS() as Profile);
  return { text: stdout, profiles, notes: stderr };
}

function connectionsOf({ profiles }: Suggested): readonly Connection[] {
  return profiles.flatMap(({ spec }) => spec.connections ?? []);
}

const csv = (...rows: readonly string[]) =>
  [
    'source_namespace,source_workload,source_ip,destination_namespace,destination_workload,destination_ip,port,protocol,count,verdict',
    ...rows,
    '',
  ].join('\n');

describe('command suggest', () => {
  const directory = directoryOf({ 'suggested.yaml': '' });

  it('proposes connections under Audit that say how often and when they were seen', async () => {
    const suggested = await suggest(`${WORKLOADS} -l example.com/part-of=shop --name shop --flows ${LOG}`);
    const [profile] = suggested.profiles;
    assert.equal(profile?.metadata.name, 'shop');
    assert.equal(profile.spec.mode, 'Audit');
    assert.deepEqual(profile.spec.namespaceSelector, { matchLabels: { 'example.com/part-of': 'shop' } });
    assert.deepEqual(
      connectionsOf(suggested).map(({ name, description }) => `${name}: ${description}`),
      [
        'payments-to-198-51-100-20: Seen 4 times, last on 2026-11-29.',
        'to-cart: Seen 11 times, last on 2026-11-29.',
        'web-to-checkout: Seen 14 times, last on 2026-11-29.',
        'payments-to-ledger: Seen 7 times, last on 2026-11-29.',
        'checkout-to-payments: Seen 7 times, last on 2026-11-29.',
        'ingress-nginx-controller-to-web: Seen 7 times, last on 2026-11-29.',
        'prometheus-to-ledger: Seen once, last on 2026-11-27. Rare: check that it is meant.',
      ],
    );
  });

  it('needs no connection for what the baseline allows', async () => {
    const { text } = await suggest(`${WORKLOADS} --flows ${LOG}`);
    assert.doesNotMatch(text, /port: 53/);
  });

  it('leaves out denied flows and scans of ports, with a reason', async () => {
    const scan = Array.from(
      { length: 20 },
      (_, index) => `shop-checkout,cart,,shop-payments,ledger,,${9000 + index},TCP,1,allowed`,
    );
    const log = csv(
      'shop-payments,payments,,shop-payments,ledger,,5432,TCP,9,allowed',
      'shop-storefront,web,,shop-payments,ledger,,5432,TCP,9,denied',
      ...scan,
    );
    const suggested = await suggest(`${WORKLOADS} --flows -`, log);
    assert.deepEqual(
      connectionsOf(suggested).map(({ name }) => name),
      ['payments-to-ledger'],
    );
    assert.match(suggested.notes, /left out 1 denied flow$/m);
    assert.match(
      suggested.notes,
      /left out a scan: shop-checkout\/deploy\/cart tried 20 ports of shop-payments\/deploy\/ledger, which does not serve them$/m,
    );
  });

  /** 20 workloads: half declare port 8080, and a Service leads to port 9000 of each. */
  const fleet = () =>
    directoryOf({
      'fleet.yaml': [
        '{apiVersion: v1, kind: Service, metadata: {name: fleet, namespace: fleet}, spec: {selector: {fleet: "yes"}, ports: [{port: 80, targetPort: 9000}]}}',
        ...Array.from(
          { length: 20 },
          (_, index) =>
            `{apiVersion: apps/v1, kind: Deployment, metadata: {name: app-${index}, namespace: fleet}, spec: {selector: {matchLabels: {app: app-${index}}}, template: {metadata: {labels: {app: app-${index}, fleet: "yes"}}, spec: {containers: [{name: a, image: a${index % 2 === 0 ? ', ports: [{containerPort: 8080}]' : ''}}]}}}}`,
        ),
      ].join('\n---\n'),
    });
  const toEach = (source: string, port: number, count = 20) =>
    Array.from({ length: count }, (_, index) => `${source},,fleet,app-${index},,${port},TCP,1,allowed`);

  it('leaves out a sweep over workloads, and keeps rare flows of its source to ports that are served', async () => {
    const scanner = 'shop-checkout,cart';
    const manifests = fleet();
    const log = csv(...toEach(scanner, 22), ...toEach(scanner, 8080, 2), ...toEach(scanner, 6379, 1));
    const suggested = await suggest(`${WORKLOADS} -f ${manifests} --flows -`, log);
    assert.deepEqual(
      connectionsOf(suggested).map(({ name, ports }) => [name, ports]),
      [['cart-to-app-0', [{ protocol: 'TCP', port: 8080 }]]],
    );
    assert.match(
      suggested.notes,
      /left out a scan: shop-checkout\/deploy\/cart tried 3 ports of 20 workloads, which do not serve them; 1 rare flow of it to ports that are served is kept$/m,
    );
    const only = await suggest(
      `${WORKLOADS} -f ${fleet()} -n shop-checkout --flows -`,
      csv(...toEach(scanner, 22)),
    );
    assert.match(only.notes, /tried TCP 22 of 20 workloads, which do not serve it$/m);
  });

  it('keeps rare flows that are no scan: few, to ports of Services, or to ports that others use', async () => {
    const job = 'shop-payments,payments';
    const used = toEach('shop-checkout,checkout', 5432).map((row) => row.replace(',1,', ',9,'));
    for (const rows of [toEach(job, 22, 14), toEach(job, 9000), [...toEach(job, 5432), ...used]]) {
      const suggested = await suggest(`${WORKLOADS} -f ${fleet()} --flows -`, csv(...rows));
      assert.doesNotMatch(suggested.notes, /scan/);
      const rare = connectionsOf(suggested).filter(({ from }) =>
        from.some(({ namespaces }) => namespaces?.[0] === 'shop-payments'),
      );
      assert.ok(rare.every(({ description }) => /Rare/.test(description ?? '')));
      assert.equal(rare.flatMap(({ to }) => to).length, rows.filter((row) => row.startsWith(job)).length);
    }
  });

  it('sums up public addresses if they are many, and says that this is more than was seen', async () => {
    const rows = (count: number, prefix: string) =>
      Array.from(
        { length: count },
        (_, index) => `shop-payments,payments,,,,${prefix}.${index + 1},443,TCP,5,allowed`,
      );
    const few = await suggest(`${WORKLOADS} --flows -`, csv(...rows(20, '198.51.100')));
    assert.equal(connectionsOf(few)[0]?.to.length, 20);
    const many = await suggest(`${WORKLOADS} --flows -`, csv(...rows(21, '198.51.100')));
    const [connection] = connectionsOf(many);
    assert.equal(connection?.to[0]?.ipBlock?.cidr, '0.0.0.0/0');
    assert.match(connection.description ?? '', /allows more than was seen/);
    const own = await suggest(`${WORKLOADS} --flows -`, csv(...rows(21, '10.200.0')));
    assert.deepEqual(connectionsOf(own), []);
    assert.match(own.notes, /nothing proposed keeps .*private addresses/);
  });

  it('proposes the entity for flows to the API server', async () => {
    const manifests = directoryOf({
      'api.yaml': [
        '{apiVersion: v1, kind: Service, metadata: {name: kubernetes, namespace: default}, spec: {clusterIP: 10.96.0.1, ports: [{name: https, port: 443, targetPort: 6443}]}}',
        '{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}, endpoints: [{addresses: [192.168.7.2]}], ports: [{name: https, port: 6443}]}',
      ].join('\n---\n'),
    });
    const suggested = await suggest(
      `${WORKLOADS} -f ${manifests} --flows -`,
      csv('shop-payments,payments,,,,10.96.0.1,443,TCP,5,allowed'),
    );
    assert.deepEqual(
      connectionsOf(suggested).map(({ to, ports }) => [to, ports]),
      [[[{ entity: 'KubeAPIServer' }], undefined]],
    );
  });

  it('refuses flows of no namespace that a profile can select', async () => {
    const { code, stderr } = await cli(`suggest ${WORKLOADS} -l a=b --flows ${LOG}`, { cwd: root });
    assert.equal(code, 2);
    assert.match(stderr, /no allowed flow is from or to a pod of a namespace that could be segmented/);
  });

  it('proposes a profile with which preflight cuts nothing, and no connection that no flow used', async () => {
    const workloads = [
      'shop-storefront,web',
      'shop-checkout,checkout',
      'shop-checkout,cart',
      'shop-payments,payments',
      'shop-payments,ledger',
      'ingress-nginx,ingress-nginx-controller',
    ];
    const pod = fc.constantFrom(...workloads).map((name) => `${name},`);
    const address = fc
      .constantFrom('198.51.100.20', '203.0.113.5', '2001:db8::5', '10.200.0.1')
      .map((ip) => `,,${ip}`);
    const port = fc.constantFrom('443,TCP', '53,UDP', '8443,TCP', '8444,TCP', '6379,TCP');
    const flow = fc
      .tuple(pod, fc.oneof(pod, address), fc.boolean(), port, fc.constantFrom(1, 2, 3, 500))
      .map(
        ([a, b, isReversed, port, count]) =>
          `${isReversed ? `${b},${a}` : `${a},${b}`},${port},${count},allowed`,
      );
    const file = join(directory, 'suggested.yaml');
    await fc.assert(
      fc.asyncProperty(fc.array(flow, { minLength: 1, maxLength: 16 }), async (flows) => {
        const log = csv(...flows);
        const suggested = await suggest(`${WORKLOADS} --flows -`, log);
        writeFileSync(file, suggested.text);
        const { code, stdout } = await cli(`preflight ${WORKLOADS} -f ${file} --flows - -o name`, {
          cwd: root,
          stdin: log,
        });
        assert.deepEqual([code, stdout], [0, ''], suggested.text);
        const seen = new Set(flows.map((each) => each.split(',').slice(0, 8).join()));
        for (const each of connectionsOf(suggested)) assertSeen(each, seen);
      }),
      { numRuns: runs(60) },
    );
  });
});

/** Asserts that each combination of the connection's ends and ports is a row of the log. */
function assertSeen({ name, from, to, ports = [] }: Connection, seen: ReadonlySet<string>): void {
  for (const source of from) {
    for (const destination of to) {
      for (const { protocol, port, endPort = port } of ports) {
        for (let number = Number(port); number <= Number(endPort); number++) {
          const row = `${endText(source)},${endText(destination)},${number},${protocol}`;
          assert.ok(seen.has(row), `${name}: ${row}`);
        }
      }
    }
  }
}

function endText({ namespaces, podSelector, ipBlock }: Peer): string {
  if (ipBlock !== undefined) return `,,${ipBlock.cidr.replace(/\/.*/, '')}`;
  const labels = podSelector?.matchLabels ?? {};
  const [namespace = ''] = namespaces ?? [];
  const name = labels['app'] ?? (namespace === 'ingress-nginx' ? 'ingress-nginx-controller' : '');
  return `${namespace},${name},`;
}
