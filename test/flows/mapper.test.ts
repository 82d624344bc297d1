/** Mapping of observed ends to workloads: names, labels, addresses with times, Services and nodes. */
import assert from 'node:assert/strict';
import type { ObservedEnd, ObservedFlow } from '../../src/flows/flow.ts';
import type { Inventory, InventoryPod } from '../../src/flows/inventory.ts';
import { FlowMapper, type Mapping } from '../../src/flows/mapper.ts';
import { isPodNameOf } from '../../src/flows/pod-names.ts';
import { observedFlow } from './fixture.ts';

const STARTED = Date.UTC(2026, 10, 20);

function pod(kind: string, workload: string, name: string, fields: Partial<InventoryPod> = {}): InventoryPod {
  return {
    namespace: 'shop',
    name,
    labels: { app: workload },
    ips: [],
    workload: { kind, namespace: 'shop', name: workload },
    template: false,
    startedAt: STARTED,
    ...fields,
  };
}

const inventory: Inventory = {
  pods: [
    pod('Deployment', 'web', 'web-6d5f9c7b8d-k2x4q', { ips: ['10.244.1.11', 'fd00:0::11'], node: 'a' }),
    pod('Deployment', 'api', 'api-6d5f9c7b8d-zq7wf', {
      ips: ['10.244.1.12'],
      node: 'b',
      ports: [{ name: 'https', containerPort: 8443 }],
    }),
    pod('Deployment', 'api-canary', 'api-canary-6d5f9c7b8d-zq7wf', {
      labels: { app: 'api', track: 'canary' },
    }),
    pod('StatefulSet', 'db', 'db-0', { ips: ['10.244.1.13'] }),
    pod('DaemonSet', 'agent', 'agent-x5k2p', { ips: ['10.0.0.1'], hostNetwork: true }),
    pod('CronJob', 'report', 'report', { template: true, labels: {} }),
  ],
  services: [
    {
      namespace: 'shop',
      name: 'db',
      selector: { app: 'db' },
      ports: [{ port: 5432, targetPort: 15_432 }],
      clusterIPs: ['10.96.0.20'],
      endpoints: [],
      external: [{ ip: '192.0.2.50', isProxied: false }],
    },
    {
      namespace: 'shop',
      name: 'api',
      selector: { app: 'api', track: 'canary' },
      ports: [{ port: 443, targetPort: 'https' }],
      clusterIPs: ['10.96.0.21'],
      endpoints: [],
      external: [],
    },
    { namespace: 'shop', name: 'all', ports: [], clusterIPs: ['10.96.0.22'], endpoints: [], external: [] },
    {
      namespace: 'default',
      name: 'kubernetes',
      ports: [{ port: 443, targetPort: 6443 }],
      clusterIPs: ['10.96.0.1'],
      endpoints: [{ addresses: ['10.0.0.1'], ports: [{ port: 6443 }] }],
      external: [],
    },
  ],
  nodes: [{ name: 'a', addresses: ['10.0.0.1'] }],
  clusterRanges: ['10.244.0.0/16', '10.96.0.0/12'],
};

function map(source: ObservedEnd, destination: ObservedEnd, fields: Partial<ObservedFlow> = {}): string {
  return textOf(
    new FlowMapper(inventory).map(observedFlow({ source, destination }, { time: STARTED + 1000, ...fields })),
  );
}

function textOf(mapping: Mapping): string {
  if (mapping.kind === 'unmapped') return `${mapping.reason}: ${mapping.end}`;
  if (mapping.kind !== 'mapped') return mapping.kind;
  const [from, to] = [mapping.from, mapping.to].map((end) => {
    if (end.kind === 'workload') return `${end.workload.kind}/${end.workload.name}`;
    return end.kind === 'node' ? `node/${end.name}` : end.ip;
  });
  return `${from} ${to} ${mapping.port}`;
}

/** The destination of a flow from the workload web. */
function to(destination: ObservedEnd, fields: Partial<ObservedFlow> = {}): string {
  return map({ namespace: 'shop', pod: 'web-6d5f9c7b8d-k2x4q' }, destination, fields);
}

const web = 'Deployment/web';

describe('mapping of an observed end', () => {
  const cases: readonly [title: string, end: ObservedEnd, result: string, port?: number][] = [
    ['finds a pod by its name', { namespace: 'shop', pod: 'db-0' }, `${web} StatefulSet/db 5432`],
    [
      'finds the workload of a replaced pod by the form of its name',
      { namespace: 'shop', pod: 'web-7f9c8d6b54-w8n2z' },
      `${web} ${web} 5432`,
    ],
    [
      'finds the workload of the pods that a log sums up',
      { namespace: 'shop', pod: 'db-*' },
      `${web} StatefulSet/db 5432`,
    ],
    [
      'finds the CronJob of a finished run',
      { namespace: 'shop', pod: 'report-29401260-q8x5z' },
      `${web} CronJob/report 5432`,
    ],
    [
      'finds a workload by kind and name',
      { namespace: 'shop', workload: { kind: 'deployment', name: 'api' } },
      `${web} Deployment/api 5432`,
    ],
    [
      'finds a workload by its labels',
      { namespace: 'shop', labels: () => ({ app: 'db', 'pod-template-hash': 'x' }) },
      `${web} StatefulSet/db 5432`,
    ],
    [
      'prefers the workload that has more of the labels',
      { namespace: 'shop', labels: () => ({ app: 'api', track: 'canary' }) },
      `${web} Deployment/api-canary 5432`,
    ],
    [
      'does not take the name of another workload for that of a pod',
      { namespace: 'shop', pod: 'web-front' },
      'gone: shop/web-front',
    ],
    [
      'does not look for a named pod that is gone by its address',
      { namespace: 'shop', pod: 'old-0', ip: '10.244.1.13' },
      'gone: shop/old-0',
    ],
    ['does not look in another namespace', { namespace: 'other', pod: 'db-0' }, 'gone: other/db-0'],
    ['finds a pod by its address', { ip: '10.244.1.13' }, `${web} StatefulSet/db 5432`],
    ['finds a pod by another spelling of its address', { ip: 'fd00:0:0:0::11' }, `${web} ${web} 5432`],
    ['finds a node by its address, not a pod on its network', { ip: '10.0.0.1' }, `${web} node/a 5432`],
    [
      'takes an address outside of the cluster as it is',
      { ip: '198.51.100.20' },
      `${web} 198.51.100.20 5432`,
    ],
    [
      'never takes an address of the cluster for one outside',
      { ip: '10.244.9.9' },
      'stale-address: 10.244.9.9',
    ],
    [
      'takes an address of the cluster that the log calls outside as outside',
      { ip: '10.244.9.9', place: 'outside' },
      `${web} 10.244.9.9 5432`,
    ],
    [
      'takes a node that only the log knows by its address',
      { ip: '10.0.0.7', place: 'node' },
      `${web} node/10.0.0.7 5432`,
    ],
    [
      'finds the pods and the port behind the address of a Service',
      { ip: '10.96.0.20' },
      `${web} StatefulSet/db 15432`,
    ],
    [
      'finds the pods behind an external address of a Service',
      { ip: '192.0.2.50' },
      `${web} StatefulSet/db 15432`,
    ],
    [
      'finds the pods behind a Service by its name',
      { service: { namespace: 'shop', name: 'db' } },
      `${web} StatefulSet/db 15432`,
    ],
    [
      'does not guess the pods of a Service without selector',
      { ip: '10.96.0.22' },
      'service: Service shop/all',
    ],
    [
      'finds the address and port behind a Service without selector',
      { ip: '10.96.0.1' },
      `${web} node/a 6443`,
      443,
    ],
    ['says that a record names no end', {}, 'unnamed: an end without name and address'],
    [
      'says that a record sums up addresses',
      { place: 'outside', summary: 'the public network' },
      'summed-up: the public network',
    ],
    [
      'takes the Service of a record that sums up addresses',
      {
        place: 'outside',
        summary: 'the private network',
        service: { namespace: 'default', name: 'kubernetes' },
      },
      `${web} node/a 6443`,
      443,
    ],
  ];
  for (const [title, end, result, port = 5432] of cases)
    it(title, () => assert.equal(to(end, { port }), result));

  it('does not map an address to a pod that started later', () => {
    assert.equal(to({ ip: '10.244.1.13' }, { time: STARTED - 1 }), 'stale-address: 10.244.1.13');
    assert.equal(
      to({ namespace: 'shop', pod: 'db-0', ip: '10.244.1.13' }, { time: STARTED - 1 }),
      `${web} StatefulSet/db 5432`,
    );
  });

  it('does not find a port of a Service that it lacks', () => {
    assert.equal(to({ ip: '10.96.0.20' }, { port: 80 }), 'service: Service shop/db');
    assert.equal(to({ ip: '10.96.0.21' }, { port: 443 }), 'service: Service shop/api');
  });

  it('takes the translated address as the source where a pod is the destination', () => {
    const outside = { ip: '203.0.113.9' };
    assert.equal(
      map(outside, { ip: '10.244.1.13' }, { translatedSource: '10.0.0.1' }),
      'node/a StatefulSet/db 5432',
    );
    assert.equal(to({ ip: '198.51.100.20' }, { translatedSource: '10.0.0.1' }), `${web} 198.51.100.20 5432`);
  });
});

describe('direction of an observed flow', () => {
  const [client, server] = [{ ip: '10.244.1.11' }, { ip: '10.244.1.12' }];

  it('follows the log if the log says so', () => {
    assert.equal(map(server, client, { reply: 'yes', sourcePort: 8443, port: 41_234 }), 'reply');
  });

  it('follows the declared port of a pod', () => {
    assert.equal(
      map(client, server, { reply: 'unknown', sourcePort: 1234, port: 8443 }),
      'Deployment/web Deployment/api 8443',
    );
    assert.equal(map(server, client, { reply: 'unknown', sourcePort: 8443, port: 1234 }), 'reply');
  });

  it('follows the range of ports that clients choose', () => {
    assert.equal(
      map(client, { ip: '198.51.100.1' }, { reply: 'unknown', sourcePort: 41_234, port: 443 }),
      'Deployment/web 198.51.100.1 443',
    );
    assert.equal(
      map({ ip: '198.51.100.1' }, client, { reply: 'unknown', sourcePort: 443, port: 41_234 }),
      'reply',
    );
  });

  it('follows the well-known ports', () => {
    assert.equal(
      map(client, { ip: '198.51.100.1' }, { reply: 'unknown', sourcePort: 20_641, port: 22 }),
      'Deployment/web 198.51.100.1 22',
    );
    assert.equal(
      map({ ip: '198.51.100.1' }, client, { reply: 'unknown', sourcePort: 22, port: 20_641 }),
      'reply',
    );
  });

  it('is not guessed where both ports could be that of a client', () => {
    assert.equal(
      map(client, { ip: '198.51.100.1' }, { reply: 'unknown', sourcePort: 41_234, port: 50_000 }),
      'direction: 10.244.1.11',
    );
  });

  it('is that of an answer if it comes from the address of a Service', () => {
    assert.equal(
      map({ ip: '10.96.0.20' }, client, { reply: 'unknown', sourcePort: 5432, port: 41_234 }),
      'reply',
    );
  });
});

describe('flow from a node to a pod', () => {
  it('is left out if the pod runs there', () => {
    assert.equal(map({ ip: '10.0.0.1' }, { namespace: 'shop', pod: 'web-6d5f9c7b8d-k2x4q' }), 'local-node');
    assert.equal(
      map(
        { place: 'node', node: 'c', ip: '10.0.0.3' },
        { namespace: 'shop', pod: 'db-0' },
        { observedAt: 'destination' },
      ),
      'local-node',
    );
  });

  it('is mapped if the pod runs elsewhere', () => {
    assert.equal(map({ ip: '10.0.0.1' }, { ip: '10.244.1.12' }), 'node/a Deployment/api 5432');
  });
});

describe('name of a pod', () => {
  const names: readonly [kind: string, name: string, pod: string, isOf: boolean][] = [
    ['Deployment', 'web', 'web-6d5f9c7b8d-k2x4q', true],
    ['Deployment', 'web', 'web-front-6d5f9c7b8d-k2x4q', false],
    ['Deployment', 'web', 'web-6d5f9c7b8d-*', true],
    ['Deployment', 'web', 'web-aeiou-k2x4q', false],
    ['ReplicaSet', 'web-6d5f9c7b8d', 'web-6d5f9c7b8d-k2x4q', true],
    ['DaemonSet', 'agent', 'agent-k2x4q', true],
    ['StatefulSet', 'db', 'db-12', true],
    ['StatefulSet', 'db', 'db-x', false],
    ['Job', 'migrate', 'migrate-3-k2x4q', true],
    ['CronJob', 'report', 'report-29401260-k2x4q', true],
    ['Pod', 'debug', 'debug', true],
    ['Rollout', 'web', 'web-6d5f9c7b8d-k2x4q', false],
  ];
  for (const [kind, name, podName, isOf] of names)
    it(`${podName} is ${isOf ? 'that of a pod' : 'not that of a pod'} of ${kind} ${name}`, () => {
      assert.equal(isPodNameOf({ kind, namespace: 'shop', name }, podName), isOf);
    });
});
