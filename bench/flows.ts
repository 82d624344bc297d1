/**
 * Measures the reading of flow logs: records of Hubble and of AWS VPC flow logs from a cluster of 1,000 pods, with scans
 * from addresses outside, mapped to workloads and summed up. `records` of each are generated while they are read, so that
 * no file has to be written; the figures include the time to generate them. Prints one JSON object if it is run directly.
 */
import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { readLogs } from '../src/cli/flows/read-logs.ts';
import { Terminal } from '../src/cli/shell/terminal.ts';
import { addressCells } from '../src/flows/address-cells.ts';
import { FlowTable } from '../src/flows/flow-table.ts';
import type { Inventory, InventoryPod } from '../src/flows/inventory.ts';
import { FlowMapper } from '../src/flows/mapper.ts';

const WORKLOADS = 200;
const PODS_EACH = 5;
/** Workloads to which each workload connects. */
const PEERS_EACH = 20;
const RECORDS = Number(process.env['FLOW_RECORDS'] ?? 2_000_000);
const LINES_PER_CHUNK = 64;

export async function run(): Promise<Record<string, number>> {
  const hubble = await measure(hubbleLine);
  const vpc = await measure(vpcLine, VPC_HEADER);
  return {
    records: RECORDS,
    hubblePerSecond: hubble.perSecond,
    vpcPerSecond: vpc.perSecond,
    hubbleGroups: hubble.groups,
    vpcGroups: vpc.groups,
    largestMiB: Math.round(Math.max(hubble.largest, vpc.largest) / 2 ** 20),
  };
}

async function measure(
  line: (index: number) => string,
  header = '',
): Promise<{ perSecond: number; groups: number; largest: number }> {
  const table = new FlowTable({ mapper: new FlowMapper(inventory), cellOf: addressCells([]) });
  let largest = 0;
  async function* chunks(): AsyncGenerator<Buffer> {
    if (header !== '') yield Buffer.from(header);
    for (let index = 0; index < RECORDS; ) {
      let text = '';
      for (const end = index + LINES_PER_CHUNK; index < end; index++) text += line(index);
      if (index % (LINES_PER_CHUNK * 256) === 0) largest = Math.max(largest, process.memoryUsage.rss());
      // A file or a pipe lets the event loop turn, which the garbage collector needs.
      await setImmediate();
      yield Buffer.from(text);
    }
  }
  const { env, stdin, stdout, stderr } = process;
  const terminal = new Terminal({ env, cwd: process.cwd(), stdin, stdout, stderr });
  const start = performance.now();
  const source = { name: 'generated', size: undefined, open: () => Readable.from(chunks()) };
  await readLogs({ sources: [source], format: 'auto', table, terminal });
  const seconds = (performance.now() - start) / 1000;
  return { perSecond: Math.round(RECORDS / seconds), groups: table.groups.length, largest };
}

const pods: readonly InventoryPod[] = Array.from({ length: WORKLOADS * PODS_EACH }, (_, index) => {
  const workload = `app-${index % WORKLOADS}`;
  const suffix = index.toString().padStart(5, '0').replaceAll(/[013]/g, 'b');
  return {
    namespace: `team-${index % 20}`,
    name: `${workload}-6d5f9c7b8d-${suffix}`,
    labels: { app: workload },
    ips: [`10.244.${index >> 8}.${index & 255}`],
    ports: [{ containerPort: 8443 }],
    workload: { kind: 'Deployment', namespace: `team-${index % 20}`, name: workload },
    template: false,
  };
});
const inventory: Inventory = { pods, services: [], nodes: [], clusterRanges: ['10.244.0.0/16'] };

/** The ends of a record: most are between 4,000 pairs of workloads, and one of 50 is from an address outside. */
function ends(index: number): [from: InventoryPod | undefined, to: InventoryPod] {
  const mixed = Math.imul(index, 0x9e3779b1) >>> 0;
  const [source, distance] = [mixed % pods.length, 1 + ((mixed >>> 16) % PEERS_EACH)];
  const to = pods[(source + distance) % pods.length] as InventoryPod;
  return [mixed % 50 === 0 ? undefined : pods[source], to];
}

function addressOf(index: number): string {
  return `${11 + (index % 80)}.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;
}

const TIME = Date.UTC(2026, 10, 29);

function hubbleLine(index: number): string {
  const [from, to] = ends(index);
  const end = (pod: InventoryPod | undefined) =>
    pod === undefined
      ? '{"identity":2,"labels":["reserved:world"]}'
      : `{"ID":${index % 4000},"identity":${20_000 + (index % 4000)},"namespace":"${pod.namespace}","labels":["k8s:app=${pod.workload.name}","k8s:io.cilium.k8s.policy.cluster=default","k8s:io.cilium.k8s.policy.serviceaccount=default","k8s:io.kubernetes.pod.namespace=${pod.namespace}"],"pod_name":"${pod.name}","workloads":[{"name":"${pod.workload.name}","kind":"Deployment"}]}`;
  const time = new Date(TIME + index).toISOString();
  return `{"flow":{"time":"${time}","uuid":"00000000-0000-4000-8000-${index.toString().padStart(12, '0')}","verdict":"FORWARDED","ethernet":{"source":"0a:58:0a:f4:01:0b","destination":"0a:58:0a:f4:02:15"},"IP":{"source":"${from?.ips[0] ?? addressOf(index)}","destination":"${to.ips[0]}","ipVersion":"IPv4"},"l4":{"TCP":{"source_port":${33_000 + (index % 20_000)},"destination_port":8443,"flags":{"SYN":true}}},"source":${end(from)},"destination":${end(to)},"Type":"L3_L4","node_name":"kind/worker-${index % 9}","is_reply":false,"event_type":{"type":4,"sub_type":3},"traffic_direction":"${index % 2 === 0 ? 'EGRESS' : 'INGRESS'}","trace_observation_point":"TO_STACK","Summary":"TCP Flags: SYN"},"node_name":"kind/worker-${index % 9}","time":"${time}"}\n`;
}

const VPC_HEADER =
  'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status tcp-flags pkt-srcaddr pkt-dstaddr flow-direction\n';

function vpcLine(index: number): string {
  const [from, to] = ends(index);
  const time = Math.floor(TIME / 1000) + (index >> 10);
  const source = from?.ips[0] ?? addressOf(index);
  return `5 123456789012 eni-0${index % 97} ${source} ${to.ips[0]} ${33_000 + (index % 20_000)} 8443 6 10 840 ${time} ${time + 60} ACCEPT OK 2 ${source} ${to.ips[0]} ingress\n`;
}

if (import.meta.main) console.log(JSON.stringify(await run()));
