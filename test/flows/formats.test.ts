/** Each format of flow logs, on records as its program writes them. */
import assert from 'node:assert/strict';
import type { ObservedFlow, Reading } from '../../src/flows/flow.ts';
import type { LogLine } from '../../src/flows/formats/format.ts';
import { FORMATS, formatOf } from '../../src/flows/formats/index.ts';

function line(record: string | object): LogLine {
  return typeof record === 'string'
    ? { text: record, json: undefined }
    : { text: JSON.stringify(record), json: record as Readonly<Record<string, unknown>> };
}

/** Reads records of one file, all of a format that the first of them tells. */
function read(name: string, ...records: readonly (string | object)[]): Reading[] {
  const lines = records.map(line);
  assert.equal(formatOf(lines[0] as LogLine)?.name, name);
  const reader = FORMATS.find((each) => each.name === name)?.reader();
  return lines.map((each) => reader?.(each) ?? { kind: 'malformed' });
}

/** The flows of a record, with labels as plain values. */
function flowsOf(reading: Reading | undefined): object[] {
  assert.equal(reading?.kind, 'flows');
  const plain = ({ labels, ...end }: ObservedFlow['source']) => ({
    ...end,
    ...(labels && { labels: labels() }),
  });
  return reading.flows.map((flow) => ({
    ...flow,
    source: plain(flow.source),
    destination: plain(flow.destination),
  }));
}

const AT = Date.UTC(2026, 10, 29, 10, 15, 30);

describe('format hubble', () => {
  const flow = {
    time: '2026-11-29T10:15:30.000000000Z',
    verdict: 'FORWARDED',
    IP: { source: '10.244.1.11', destination: '10.244.2.21', ipVersion: 'IPv4' },
    l4: { TCP: { source_port: 41_234, destination_port: 8443, flags: { SYN: true } } },
    source: {
      ID: 741,
      identity: 11_742,
      namespace: 'shop',
      labels: [
        'k8s:app=web',
        'k8s:io.cilium.k8s.policy.cluster=default',
        'k8s:io.kubernetes.pod.namespace=shop',
      ],
      pod_name: 'web-6d5f9c7b8d-k2x4q',
      workloads: [{ name: 'web', kind: 'Deployment' }],
    },
    destination: { identity: 2, labels: ['reserved:world'] },
    Type: 'L3_L4',
    node_name: 'kind/worker-1',
    is_reply: false,
    traffic_direction: 'EGRESS',
  };

  it('reads names, labels, addresses, ports and direction of a flow', () => {
    const [reading] = read('hubble', { flow, node_name: 'kind/worker-1', time: flow.time });
    assert.deepEqual(flowsOf(reading), [
      {
        time: AT,
        source: {
          namespace: 'shop',
          pod: 'web-6d5f9c7b8d-k2x4q',
          workload: { name: 'web', kind: 'Deployment' },
          labels: { app: 'web' },
          ip: '10.244.1.11',
        },
        destination: { labels: {}, ip: '10.244.2.21', place: 'outside' },
        sourcePort: 41_234,
        port: 8443,
        protocol: 'TCP',
        verdict: 'allowed',
        observedAt: 'source',
        reply: 'no',
        count: 1,
      },
    ]);
  });

  it('reads flows of old versions, which are not in an object "flow"', () => {
    assert.equal(flowsOf(read('hubble', flow)[0]).length, 1);
  });

  it('names the node only where the node itself is the host', () => {
    const host = {
      ...flow,
      source: { identity: 1, labels: ['reserved:host'] },
      traffic_direction: 'INGRESS',
    };
    const remote = { ...host, source: { identity: 6, labels: ['reserved:remote-node'] } };
    const [first, second] = read('hubble', { flow: host }, { flow: remote });
    assert.deepEqual(
      [flowsOf(first), flowsOf(second)].map(([each]) => (each as ObservedFlow).source.node),
      ['worker-1', undefined],
    );
  });

  const cases: readonly [title: string, change: object, result: string][] = [
    [
      'a drop by a policy is a denied flow',
      { verdict: 'DROPPED', drop_reason_desc: 'POLICY_DENIED' },
      'denied no',
    ],
    [
      'a drop for another reason is skipped',
      { verdict: 'DROPPED', drop_reason_desc: 'CT_NO_MAP_FOUND' },
      'failed',
    ],
    [
      'a request that the proxy refused is a denied flow',
      { verdict: 'DROPPED', Type: 'L7', is_reply: null },
      'denied no',
    ],
    ['a request of an allowed connection is skipped', { Type: 'L7' }, 'repeated'],
    ['a flow that is only audited passed', { verdict: 'AUDIT' }, 'allowed no'],
    ['a flow that the proxy took over passed', { verdict: 'REDIRECTED' }, 'allowed no'],
    ['the translation of a Service address is skipped', { verdict: 'TRANSLATED' }, 'repeated'],
    ['an answer is a reply', { is_reply: true }, 'allowed yes'],
    ['an answer is a reply in old versions', { is_reply: undefined, reply: true }, 'allowed yes'],
    ['a flow of which the datapath does not know the direction', { is_reply: null }, 'allowed unknown'],
    ['ICMP is skipped', { l4: { ICMPv4: { type: 8 } } }, 'protocol'],
    ['an event without a transport protocol is skipped', { l4: null }, 'no-flow'],
    ['a flow without port is malformed', { l4: { TCP: {} } }, 'malformed'],
  ];
  for (const [title, change, result] of cases) {
    it(title, () => {
      const [reading] = read('hubble', { flow: { ...flow, ...change } });
      assert.equal(shortOf(reading), result);
    });
  }

  it('skips lost events and events of agents', () => {
    const others = [
      { lost_events: { num_events_lost: '3' } },
      { node_status: {} },
      { agent_event: {} },
      { debug_event: {} },
    ];
    assert.deepEqual(
      read('hubble', { flow }, ...others)
        .slice(1)
        .map(shortOf),
      Array(4).fill('no-flow'),
    );
  });
});

function shortOf(reading: Reading | undefined): string {
  if (reading?.kind === 'skipped') return reading.reason;
  if (reading?.kind !== 'flows') return reading?.kind ?? 'none';
  return reading.flows.map(({ verdict, reply }) => `${verdict} ${reply}`).join();
}

describe('format calico', () => {
  it('reads a flow of fluentd with names of single pods', () => {
    const [reading] = read('calico', {
      start_time: 1_796_033_700,
      end_time: AT / 1000,
      source_ip: '10.244.1.11',
      source_name: 'web-6d5f9c7b8d-k2x4q',
      source_name_aggr: 'web-6d5f9c7b8d-*',
      source_namespace: 'shop',
      source_port: 41_234,
      source_type: 'wep',
      source_labels: { labels: ['app=web', 'pod-template-hash=6d5f9c7b8d'] },
      dest_ip: '198.51.100.20',
      dest_name: '-',
      dest_name_aggr: 'pub',
      dest_namespace: '-',
      dest_port: 443,
      dest_type: 'net',
      dest_labels: null,
      proto: 'tcp',
      action: 'deny',
      reporter: 'src',
      num_flows: 3,
    });
    assert.deepEqual(flowsOf(reading), [
      {
        time: AT,
        source: {
          namespace: 'shop',
          pod: 'web-6d5f9c7b8d-k2x4q',
          labels: { app: 'web', 'pod-template-hash': '6d5f9c7b8d' },
          ip: '10.244.1.11',
        },
        destination: { ip: '198.51.100.20', place: 'outside' },
        sourcePort: 41_234,
        port: 443,
        protocol: 'TCP',
        verdict: 'denied',
        observedAt: 'source',
        reply: 'no',
        count: 3,
      },
    ]);
  });

  const key = {
    source_name: 'web-6d5f9c7b8d-*',
    source_namespace: 'shop',
    source_type: 1,
    dest_name: 'db-*',
    dest_namespace: 'shop',
    dest_type: 1,
    dest_port: 5432,
    proto: 'tcp',
    reporter: 2,
    action: 1,
  };
  const whisker = { protocol: 'tcp', reporter: 'Src', action: 'Allow', dest_namespace: 'Global' };
  const statistics = { start_time: 1_796_033_700, end_time: AT / 1000, num_connections_started: 2 };

  it('reads a flow of Goldmane, which writes the values of enumerations as numbers', () => {
    const labels = { source_labels: ['app=web', 'tier=front'] };
    const [stream, emitter, named] = read(
      'calico',
      { id: 42, flow: { Key: key, ...statistics, ...labels } },
      { Key: { ...key, reporter: 1, action: 2 }, ...statistics },
      {
        Key: {
          ...key,
          source_type: 'WorkloadEndpoint',
          dest_type: 'WorkloadEndpoint',
          reporter: 'Dst',
          action: 'Pass',
        },
        ...statistics,
      },
    );
    assert.deepEqual(flowsOf(stream), [
      {
        time: AT,
        source: { namespace: 'shop', pod: 'web-6d5f9c7b8d-*', labels: { app: 'web', tier: 'front' } },
        destination: { namespace: 'shop', pod: 'db-*' },
        port: 5432,
        protocol: 'TCP',
        verdict: 'allowed',
        observedAt: 'destination',
        reply: 'no',
        count: 2,
      },
    ]);
    assert.deepEqual([emitter, named].map(shortOf), ['denied no', 'allowed no']);
    const [flow] = flowsOf(emitter) as ObservedFlow[];
    assert.equal(flow?.observedAt, 'source');
  });

  it('names networks and nodes that Goldmane and Whisker sum up', () => {
    const network = { dest_name: 'pub', dest_namespace: '-', dest_type: 4, dest_port: 443 };
    const node = { source_name: 'node-1', source_namespace: '-', source_type: 2 };
    const readings = read(
      'calico',
      { flow: { Key: { ...key, ...network }, ...statistics } },
      { flow: { Key: { ...key, ...node }, ...statistics } },
      { ...key, source_type: undefined, dest_type: undefined, ...whisker, dest_name: 'PRIVATE NETWORK' },
    );
    const [first, second, third] = readings.map((each) => (flowsOf(each) as ObservedFlow[])[0]);
    assert.deepEqual(
      [first?.destination, second?.source, third?.destination],
      [
        { place: 'outside', summary: 'the public network' },
        { place: 'node', summary: 'node-1' },
        { place: 'outside', summary: 'the private network' },
      ],
    );
  });

  it('takes the port of the Service, if only a Service names the destination', () => {
    const service = { dest_service_name: 'kubernetes', dest_service_namespace: 'default' };
    const [reading] = read('calico', {
      Key: {
        ...key,
        ...service,
        dest_name: 'pvt',
        dest_namespace: '-',
        dest_type: 4,
        dest_port: 6443,
        dest_service_port: 443,
      },
      ...statistics,
    });
    const [flow] = flowsOf(reading) as ObservedFlow[];
    assert.deepEqual(
      [flow?.destination.service, flow?.port],
      [{ namespace: 'default', name: 'kubernetes' }, 443],
    );
  });

  it('reads a flow in camelCase', () => {
    const [reading] = read('calico', {
      startTime: '2026-11-29T10:15:15Z',
      endTime: '2026-11-29T10:15:30Z',
      sourceName: 'web-*',
      sourceNamespace: 'shop',
      destName: 'db-*',
      destNamespace: 'shop',
      destPort: '5432',
      protocol: 'tcp',
      reporter: 'Src',
      action: 'Deny',
      sourceLabels: 'app=web | tier=front',
    });
    const [flow] = flowsOf(reading) as { source: { labels: object }; verdict: string; time: number }[];
    assert.deepEqual(
      [flow?.source.labels, flow?.verdict, flow?.time],
      [{ app: 'web', tier: 'front' }, 'denied', AT],
    );
  });

  it('skips ICMP and sums of several ports, and refuses what is no port or no action', () => {
    const flow = { source_name: 'a', dest_name: 'b', reporter: 'src', action: 'allow', proto: 'udp' };
    assert.deepEqual(
      read(
        'calico',
        { ...flow, proto: 'icmp' },
        flow,
        { ...flow, dest_port: null },
        { ...flow, dest_port: 0 },
        { ...flow, dest_port: 'http' },
        { ...flow, dest_port: 80, action: 4 },
      ).map(shortOf),
      ['protocol', 'no-port', 'no-port', 'no-port', 'malformed', 'malformed'],
    );
  });
});

describe('format gke', () => {
  const payload = {
    connection: {
      dest_ip: '10.40.0.6',
      dest_port: 8080,
      direction: 'ingress',
      protocol: 'tcp',
      src_ip: '10.40.0.4',
      src_port: 39_296,
    },
    count: 2,
    dest: { pod_name: 'web-0', pod_namespace: 'shop', workload_kind: 'StatefulSet', workload_name: 'web' },
    disposition: 'deny',
    node_name: 'gke-a',
    src: { instance: 'vm-1' },
    timestamp: '2026-11-29T10:15:30.000000001Z',
  };

  it('reads the record of a node, and the same as an entry of Cloud Logging', () => {
    const [own] = read('gke', payload);
    const [entry] = read('gke', {
      insertId: 'x',
      jsonPayload: payload,
      resource: {},
      timestamp: payload.timestamp,
    });
    assert.deepEqual(flowsOf(entry), flowsOf(own));
    assert.deepEqual(flowsOf(own), [
      {
        time: AT,
        source: { ip: '10.40.0.4' },
        destination: {
          namespace: 'shop',
          pod: 'web-0',
          workload: { name: 'web', kind: 'StatefulSet' },
          ip: '10.40.0.6',
        },
        sourcePort: 39_296,
        port: 8080,
        protocol: 'TCP',
        verdict: 'denied',
        observedAt: 'destination',
        reply: 'no',
        count: 2,
      },
    ]);
  });

  it('reads a node, and records that lack names or the count', () => {
    const [reading] = read('gke', {
      ...payload,
      count: undefined,
      dest: { node_name: 'gke-a', workload_kind: 'Node' },
      src: { pod_name: 'client-0', pod_namespace: 'shop' },
    });
    const [flow] = flowsOf(reading) as ObservedFlow[];
    assert.deepEqual(
      [flow?.source, flow?.destination, flow?.count],
      [{ namespace: 'shop', pod: 'client-0', ip: '10.40.0.4' }, { ip: '10.40.0.6', place: 'node' }, 1],
    );
  });
});

describe('format vpc', () => {
  const header =
    'version vpc-id interface-id srcaddr dstaddr pkt-srcaddr pkt-dstaddr srcport dstport protocol tcp-flags start end action log-status flow-direction';
  const record = (flags: number, action = 'ACCEPT') =>
    `5 vpc-0a eni-0b 10.0.1.5 10.0.2.7 10.0.1.91 10.0.2.7 41234 8443 6 ${flags} 1796033700 ${AT / 1000} ${action} OK egress`;

  it("reads the fields that the header names, and prefers the packet's own addresses", () => {
    const [head, first] = read('vpc', header, record(2));
    assert.equal(head?.kind, 'header');
    assert.deepEqual(flowsOf(first), [
      {
        time: AT,
        source: { ip: '10.0.1.91' },
        destination: { ip: '10.0.2.7' },
        sourcePort: 41_234,
        port: 8443,
        protocol: 'TCP',
        verdict: 'allowed',
        observedAt: 'source',
        reply: 'no',
        count: 1,
      },
    ]);
  });

  it('tells flows from answers by the flags of TCP', () => {
    const readings = read(
      'vpc',
      header,
      record(2),
      record(3),
      record(18),
      record(19),
      record(1),
      record(0, 'REJECT'),
    );
    assert.deepEqual(readings.slice(1).map(shortOf), [
      'allowed no',
      'allowed no',
      'allowed yes',
      'allowed yes',
      'allowed unknown',
      'denied unknown',
    ]);
  });

  it('reads the default fields of version 2 without a header, and skips periods without data', () => {
    const readings = read(
      'vpc',
      '2 123456789012 eni-0b 10.0.1.5 10.0.2.7 41234 443 6 20 4249 1796033700 1796033760 ACCEPT OK',
      '2 123456789012 eni-0b - - - - - - - 1796033700 1796033760 - NODATA',
      '2 123456789012 eni-0b 10.0.1.5 10.0.2.7 0 0 1 4 336 1796033700 1796033760 ACCEPT OK',
      '2 123456789012 eni-0b 10.0.1.5',
    );
    assert.deepEqual(readings.map(shortOf), ['allowed unknown', 'no-flow', 'protocol', 'malformed']);
  });
});

describe('format conntrack', () => {
  it('takes the source of the answer as the destination, behind a Service', () => {
    const [reading] = read(
      'conntrack',
      'tcp      6 86398 ESTABLISHED src=10.244.1.11 dst=10.96.7.20 sport=41234 dport=443 src=10.244.2.21 dst=10.244.1.11 sport=8443 dport=41234 [ASSURED] mark=0 use=1',
    );
    assert.deepEqual(flowsOf(reading), [
      {
        time: undefined,
        source: { ip: '10.244.1.11' },
        destination: { ip: '10.244.2.21' },
        sourcePort: 41_234,
        port: 8443,
        protocol: 'TCP',
        verdict: 'allowed',
        observedAt: 'unknown',
        reply: 'no',
        count: 1,
      },
    ]);
  });

  it('notes the address to which the source was translated', () => {
    const [reading] = read(
      'conntrack',
      'ipv4     2 tcp      6 86398 ESTABLISHED src=203.0.113.9 dst=192.0.2.1 sport=41234 dport=30443 packets=10 bytes=900 src=10.244.2.21 dst=10.244.0.1 sport=8443 dport=5521 packets=8 bytes=800 [ASSURED] mark=0 zone=0 use=2',
    );
    assert.equal((flowsOf(reading)[0] as ObservedFlow).translatedSource, '10.244.0.1');
  });

  it('skips TCP without an answer, ICMP and the summary; UDP may be one-way', () => {
    const readings = read(
      'conntrack',
      'tcp      6 117 SYN_SENT src=10.0.0.1 dst=10.0.0.2 sport=41234 dport=80 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=80 dport=41234 mark=0 use=1',
      'udp      17 28 src=10.0.0.1 dst=10.0.0.2 sport=41234 dport=8125 [UNREPLIED] src=10.0.0.2 dst=10.0.0.1 sport=8125 dport=41234 mark=0 use=1',
      'icmp     1 29 src=10.0.0.1 dst=10.0.0.2 type=8 code=0 id=7 src=10.0.0.2 dst=10.0.0.1 type=0 code=0 id=7 mark=0 use=1',
      'conntrack v1.4.8 (conntrack-tools): 3 flow entries have been shown.',
      'tcp      6 117 ESTABLISHED src=10.0.0.1',
    );
    assert.deepEqual(readings.map(shortOf), [
      'failed',
      'allowed unknown',
      'protocol',
      'no-flow',
      'malformed',
    ]);
  });
});

describe('format envoy', () => {
  const sidecar = {
    start_time: '2026-11-29T10:15:30.000Z',
    method: 'POST',
    response_code: 200,
    response_flags: '-',
    response_code_details: 'via_upstream',
    upstream_host: '10.244.2.21:8443',
    upstream_cluster: 'outbound|8443||checkout.shop.svc.cluster.local',
    upstream_local_address: '10.244.1.11:52114',
    downstream_local_address: '10.96.7.20:8443',
    downstream_remote_address: '10.244.1.11:41234',
  };
  const ends = (reading: Reading | undefined) =>
    (flowsOf(reading) as ObservedFlow[]).map(
      ({ source, destination, port, verdict }) => `${source.ip} ${destination.ip} ${port} ${verdict}`,
    );

  it('reads the record of the sidecar of a client, with the Service that it called', () => {
    const [reading] = read('envoy', sidecar);
    assert.deepEqual(ends(reading), ['10.244.1.11 10.244.2.21 8443 allowed']);
    assert.deepEqual((flowsOf(reading)[0] as ObservedFlow).destination.service, {
      namespace: 'shop',
      name: 'checkout',
    });
  });

  it('reads the record of the sidecar of a server', () => {
    const [reading] = read('envoy', {
      ...sidecar,
      upstream_cluster: 'inbound|8443||',
      upstream_host: '127.0.0.1:8443',
      upstream_local_address: '127.0.0.6:40001',
      downstream_local_address: '10.244.2.21:8443',
    });
    assert.deepEqual(ends(reading), ['10.244.1.11 10.244.2.21 8443 allowed']);
  });

  it('reads two flows of a gateway, to it and from it', () => {
    const [reading] = read('envoy', {
      ...sidecar,
      upstream_local_address: '10.244.1.5:52114',
      downstream_local_address: '10.244.1.5:8443',
      downstream_remote_address: '203.0.113.9:55012',
    });
    assert.deepEqual(ends(reading), [
      '10.244.1.5 10.244.2.21 8443 allowed',
      '203.0.113.9 10.244.1.5 8443 allowed',
    ]);
  });

  it('takes what an AuthorizationPolicy refused as denied', () => {
    const [reading] = read('envoy', {
      ...sidecar,
      response_code: 403,
      response_code_details: 'rbac_access_denied_matched_policy[none]',
      upstream_host: null,
      upstream_cluster: 'inbound|8443||',
      downstream_local_address: '10.244.2.21:8443',
    });
    assert.deepEqual(ends(reading), ['10.244.1.11 10.244.2.21 8443 denied']);
  });

  it('skips connections that failed', () => {
    assert.equal(shortOf(read('envoy', { ...sidecar, response_flags: 'UF,URX' })[0]), 'failed');
  });

  it('reads the default text of Istio, with IPv6 and escaped quotes', () => {
    const [reading] = read(
      'envoy',
      String.raw`[2026-11-29T10:15:30.000Z] "GET /a\"b HTTP/1.1" 200 - via_upstream - "-" 0 15 3 2 "-" "curl/8.5" "6f1c" "checkout:8443" "[2001:db8::21]:8443" outbound|8443||checkout.shop.svc.cluster.local [2001:db8::11]:52114 [fd00::20]:8443 [2001:db8::11]:41234 - default`,
    );
    assert.deepEqual(ends(reading), ['2001:db8::11 2001:db8::21 8443 allowed']);
  });

  it("reads Envoy's own default text, which does not name the client", () => {
    const [reading] = read(
      'envoy',
      '[2026-11-29T10:15:30.000Z] "POST /api HTTP/2" 204 - 154 0 226 100 "10.0.35.28" "curl" "cc21" "checkout" "tcp://10.244.2.21:8443"',
    );
    assert.deepEqual(ends(reading), ['undefined 10.244.2.21 8443 allowed']);
  });
});

describe('formats json and csv', () => {
  const expected = {
    time: AT,
    source: { namespace: 'shop', workload: { kind: 'Deployment', name: 'web' } },
    destination: { ip: '198.51.100.20' },
    port: 443,
    protocol: 'TCP',
    verdict: 'denied',
    observedAt: 'unknown',
    reply: 'no',
    count: 12,
  };

  it('read the same flow', () => {
    const [object] = read('json', {
      time: '2026-11-29T10:15:30Z',
      source_namespace: 'shop',
      source_workload: 'Deployment/web',
      destination_ip: '198.51.100.20',
      port: 443,
      verdict: 'denied',
      count: 12,
    });
    const [head, row] = read(
      'csv',
      'time,source_namespace,source_workload,destination_ip,port,protocol,verdict,count,note',
      `${AT / 1000},shop,Deployment/web,198.51.100.20,443,tcp,denied,12,"a ""quoted"", text"`,
    );
    assert.equal(head?.kind, 'header');
    assert.deepEqual([flowsOf(object), flowsOf(row)], [[expected], [expected]]);
  });

  it('refuse a flow without an end, with a port that is none, or with an unknown verdict', () => {
    const flow = { source_ip: '10.0.0.1', destination_ip: '10.0.0.2', port: 80 };
    const readings = read(
      'json',
      flow,
      { ...flow, source_ip: '' },
      { ...flow, port: 70_000 },
      { ...flow, verdict: 'maybe' },
    );
    assert.deepEqual(readings.map(shortOf), ['allowed no', 'malformed', 'malformed', 'malformed']);
  });
});

describe('formats of flow logs', () => {
  it('read anything without throwing', () => {
    const values = [
      '',
      '{}',
      '[]',
      '-',
      'src=',
      '\u0000',
      '{"flow":null}',
      '2 2 2',
      '[2026-01-01T00:00:00Z] "',
    ];
    for (const { reader } of FORMATS) {
      for (const text of values) {
        const json = text.startsWith('{')
          ? (JSON.parse(text) as Readonly<Record<string, unknown>>)
          : undefined;
        assert.ok(['malformed', 'skipped', 'header'].includes(reader()({ text, json }).kind), text);
      }
    }
  });
});
