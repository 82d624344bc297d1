/** Sums of observed flows, and their bounds. */
import assert from 'node:assert/strict';
import { addressCells } from '../../src/flows/address-cells.ts';
import type { ObservedFlow } from '../../src/flows/flow.ts';
import { FlowTable, type FlowTableOptions } from '../../src/flows/flow-table.ts';
import { FlowMapper } from '../../src/flows/mapper.ts';
import { JsonObjects } from '../../src/flows/json-objects.ts';
import { observedFlow } from './fixture.ts';

const mapper = new FlowMapper({
  pods: [
    {
      namespace: 'shop',
      name: 'db-0',
      labels: {},
      ips: ['10.244.1.13'],
      workload: { kind: 'StatefulSet', namespace: 'shop', name: 'db' },
      template: false,
    },
  ],
  services: [],
  nodes: [],
  clusterRanges: [],
});
const allow = (cidr: string, except: string[] = []) => ({
  apiVersion: 'networking.k8s.io/v1' as const,
  kind: 'NetworkPolicy' as const,
  metadata: { name: 'a', namespace: 'shop' },
  spec: {
    podSelector: {},
    policyTypes: ['Ingress' as const],
    ingress: [{ from: [{ ipBlock: { cidr, except } }] }],
  },
});

function tableOf(options: Partial<FlowTableOptions> = {}): FlowTable {
  return new FlowTable({ mapper, cellOf: addressCells([]), ...options });
}

function flow(ip: string, fields: Partial<ObservedFlow> = {}): ObservedFlow {
  return observedFlow({ source: { ip }, destination: { ip: '10.244.1.13' } }, fields);
}

describe('table of flows', () => {
  it('counts once a flow that both ends recorded', () => {
    const table = tableOf();
    for (const observedAt of ['source', 'source', 'destination'] as const)
      table.add(flow('192.0.2.1', { observedAt, count: 2 }));
    assert.deepEqual(
      table.groups.map(({ count }) => count),
      [4],
    );
  });

  it('keeps verdicts, ports and protocols apart, and the first and last time', () => {
    const table = tableOf();
    table.add(flow('192.0.2.1', { time: 3000 }));
    table.add(flow('192.0.2.1', { time: 2000 }));
    table.add(flow('192.0.2.1', { verdict: 'denied' }));
    table.add(flow('192.0.2.1', { port: 80 }));
    table.add(flow('192.0.2.1', { protocol: 'UDP', time: undefined }));
    assert.deepEqual(
      table.groups.map(({ firstSeen, lastSeen }) => [firstSeen, lastSeen]),
      [
        [2000, 3000],
        [1000, 1000],
        [1000, 1000],
        [undefined, undefined],
      ],
    );
    assert.deepEqual(table.window, { first: 1000, last: 3000 });
  });

  it('sums up addresses that no ipBlock tells apart', () => {
    const table = tableOf({ cellOf: addressCells([allow('192.0.2.0/24', ['192.0.2.128/25'])]) });
    for (const ip of ['192.0.2.1', '192.0.2.2', '192.0.2.200', '198.51.100.1', '203.0.113.1'])
      table.add(flow(ip));
    assert.deepEqual(
      table.groups.map(({ from }) => (from.kind === 'addresses' ? [...from.ips] : [])),
      [['192.0.2.1', '192.0.2.2'], ['192.0.2.200'], ['198.51.100.1', '203.0.113.1']],
    );
  });

  it('remembers some addresses of a scan, and that there were more', () => {
    const table = tableOf();
    for (let index = 0; index < 1000; index++) table.add(flow(`198.51.${index >> 8}.${index & 255}`));
    const [{ from, count }] = table.groups as [(typeof table.groups)[0]];
    assert.ok(from.kind === 'addresses' && from.hasMore && from.ips.size === 64);
    assert.equal(count, 1000);
  });

  it('counts what has no room', () => {
    const table = tableOf({ maxGroups: 10 });
    for (let port = 1; port <= 15; port++) table.add(flow('192.0.2.1', { port }));
    table.add(flow('192.0.2.1', { port: 1 }));
    assert.deepEqual([table.groups.length, table.overflow, table.flows], [10, 5, 16]);
  });

  it('leaves out flows from before a time, and counts them', () => {
    const table = tableOf({ since: 1500 });
    table.add(flow('192.0.2.1'));
    table.add(flow('192.0.2.1', { time: 1500 }));
    assert.deepEqual([table.flows, table.skipped.get('too-old')], [1, 1]);
  });
});

describe('JSON objects of a text', () => {
  it('are cut out wherever the text is cut', () => {
    const text = '[\n {"a": "}{\\"]", "b": {"c": [1]}},\n {"d": "\\\\"}\n]\n{"e":\n1}';
    const whole = new JsonObjects().push(text);
    assert.deepEqual(
      whole.map((each) => JSON.parse(each) as unknown),
      [{ a: '}{"]', b: { c: [1] } }, { d: '\\' }, { e: 1 }],
    );
    for (let cut = 0; cut <= text.length; cut++) {
      const objects = new JsonObjects();
      assert.deepEqual([...objects.push(text.slice(0, cut)), ...objects.push(text.slice(cut))], whole);
    }
  });
});
