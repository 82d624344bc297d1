/** Resolves the names that users give to ends of flows: `deploy/cart`, `shop/svc/cart`, `ns/shop`, `10.0.0.1`. */
import type { Endpoint } from '../../analysis/cluster.ts';
import { formatAddress, parseAddress, parseCidr } from '../../policy/semantics/cidr.ts';
import { selects } from '../../policy/peers/service.ts';
import { matches } from '../../policy/semantics/selector.ts';
import { CliError } from '../shell/failure.ts';
import { type WorkloadPod, workloadKey } from '../../snapshot/pods.ts';
import { unknown } from './select.ts';
import type { SnapshotService } from '../../snapshot/services.ts';
import type { Snapshot } from '../../snapshot/snapshot.ts';
import { shortList } from '../../util/list-text.ts';

/** End of a flow: the pods of one workload, or an address. */
export interface FlowEnd {
  /** Full name, such as `shop-checkout/deploy/cart`, which users can give as well. */
  readonly label: string;
  /** Name without kind and namespace. */
  readonly name: string;
  readonly namespace?: string;
  /** Empty for an address. */
  readonly pods: readonly WorkloadPod[];
  /** The first of the pods, or the address. */
  readonly endpoint: Endpoint;
  /** All addresses, if the end is several that no policy tells apart. */
  readonly addresses?: readonly string[];
}

export interface NamedEnds {
  readonly ends: readonly FlowEnd[];
  /** The Service that was named, if any. */
  readonly service?: SnapshotService;
  /** Notes for the user on how the name was read. */
  readonly notes: readonly string[];
}

const KINDS: Readonly<Record<string, string>> = {
  po: 'Pod',
  pod: 'Pod',
  pods: 'Pod',
  deploy: 'Deployment',
  deployment: 'Deployment',
  deployments: 'Deployment',
  sts: 'StatefulSet',
  statefulset: 'StatefulSet',
  statefulsets: 'StatefulSet',
  ds: 'DaemonSet',
  daemonset: 'DaemonSet',
  daemonsets: 'DaemonSet',
  rs: 'ReplicaSet',
  replicaset: 'ReplicaSet',
  job: 'Job',
  jobs: 'Job',
  cj: 'CronJob',
  cronjob: 'CronJob',
  cronjobs: 'CronJob',
  svc: 'Service',
  service: 'Service',
  services: 'Service',
  ns: 'Namespace',
  namespace: 'Namespace',
  namespaces: 'Namespace',
  no: 'Node',
  node: 'Node',
  nodes: 'Node',
};
const SHORT: Readonly<Record<string, string>> = {
  Deployment: 'deploy',
  StatefulSet: 'sts',
  DaemonSet: 'ds',
  ReplicaSet: 'rs',
  CronJob: 'cj',
};

/** Forms of an end, for messages. */
export const END_FORMS =
  'NAME, KIND/NAME, NAMESPACE/NAME, NAMESPACE/KIND/NAME, ns/NAME, node/NAME or an IP address';

/** @throws CliError if nothing has the name, with similar names */
export function findEnds(text: string, snapshot: Snapshot): NamedEnds {
  if (parseAddress(text) !== undefined) return addressEnd(text, snapshot);
  if (parseCidr(text) !== undefined) throw new CliError(`${text} is a range: name one address of it`);
  const parts = text.split('/');
  if (parts.some((part) => part === '') || parts.length > 3)
    throw new CliError(`"${text}" names no end of a flow: write ${END_FORMS}`);
  const [first = '', second = '', third = ''] = parts;
  if (parts.length === 1)
    return named({ kind: undefined, namespace: snapshot.namespace, name: first }, snapshot);
  if (parts.length === 3)
    return named({ kind: kindOf(second, text), namespace: first, name: third }, snapshot);
  const kind = KINDS[first.toLowerCase()];
  return kind === undefined
    ? named({ kind: undefined, namespace: first, name: second }, snapshot)
    : named({ kind, namespace: snapshot.namespace, name: second }, snapshot);
}

function kindOf(word: string, text: string): string {
  const kind = KINDS[word.toLowerCase()];
  if (kind !== undefined) return kind;
  throw new CliError(
    `"${text}": ${word} is no kind that has pods: write pod, deploy, sts, ds, job, cj or svc`,
  );
}

/** A name with its parts told apart. */
interface QualifiedName {
  readonly kind: string | undefined;
  readonly namespace: string;
  readonly name: string;
}

function named(wanted: QualifiedName, snapshot: Snapshot): NamedEnds {
  const { kind, namespace, name } = wanted;
  if (kind === 'Namespace') return namespaceEnd(name, snapshot);
  if (kind === 'Node') return nodeEnd(name, snapshot);
  const service = snapshot.services.find((each) => each.namespace === namespace && each.name === name);
  if (kind === 'Service') {
    if (service !== undefined) return serviceEnd(service, snapshot);
    throw unknown('Service', name, serviceNames(namespace, snapshot), `namespace ${namespace}`);
  }
  const pods = snapshot.pods.filter((pod) => pod.namespace === namespace);
  const found = pods.filter(
    ({ workload }) => workload.name === name && (kind === undefined || workload.kind === kind),
  );
  if (found.length > 0) return { ends: workloadEnds(found), notes: [] };
  const pod = pods.find((each) => each.name === name && !each.template);
  if (pod !== undefined && (kind === undefined || kind === 'Pod')) {
    return {
      ends: workloadEnds([pod]).map((end) => ({ ...end, label: `${namespace}/pod/${name}` })),
      notes: [],
    };
  }
  if (kind === undefined && service !== undefined) return serviceEnd(service, snapshot);
  throw nameNotFound(wanted, pods, snapshot);
}

/** The error for a name that no workload, Pod or Service has: it lists the same name elsewhere, or names nearby. */
function nameNotFound(
  { kind, namespace, name }: QualifiedName,
  pods: readonly WorkloadPod[],
  snapshot: Snapshot,
): CliError {
  const elsewhere = [
    ...new Set(snapshot.pods.filter(({ workload }) => workload.name === name).map((pod) => labelOf(pod))),
  ].sort();
  if (elsewhere.length > 0)
    return new CliError(
      `no ${kind ?? 'workload'} "${name}" in namespace ${namespace}; there is ${shortList(elsewhere, { most: 5 })}`,
    );
  if (!snapshot.namespaces.some((each) => each.name === namespace)) {
    return unknown(
      'namespace',
      namespace,
      snapshot.namespaces.map((each) => each.name),
      snapshot.origin,
    );
  }
  const known =
    kind === 'Pod'
      ? pods.map((pod) => pod.name)
      : pods
          .filter(({ workload }) => kind === undefined || workload.kind === kind)
          .map(({ workload }) => workload.name);
  const services = kind === undefined ? serviceNames(namespace, snapshot) : [];
  return unknown(
    kind ?? 'workload, pod or Service',
    name,
    [...new Set([...known, ...services])],
    `namespace ${namespace}`,
  );
}

function serviceNames(namespace: string, { services }: Snapshot): string[] {
  return services.filter((each) => each.namespace === namespace).map((each) => each.name);
}

function namespaceEnd(name: string, snapshot: Snapshot): NamedEnds {
  if (!snapshot.namespaces.some((each) => each.name === name)) {
    throw unknown(
      'namespace',
      name,
      snapshot.namespaces.map((each) => each.name),
      snapshot.origin,
    );
  }
  const found = snapshot.pods.filter((pod) => pod.namespace === name);
  if (found.length === 0) throw new CliError(`namespace ${name} has no pods: nothing can connect there`);
  return { ends: workloadEnds(found), notes: [] };
}

function nodeEnd(name: string, snapshot: Snapshot): NamedEnds {
  const node = snapshot.nodes.find((each) => each.name === name);
  if (node === undefined)
    throw unknown(
      'Node',
      name,
      snapshot.nodes.map((each) => each.name),
      snapshot.origin,
    );
  const { addresses } = node;
  if (addresses.length === 0) throw new CliError(`Node ${name} has no InternalIP`);
  const labelOfAddress = (ip: string) => (addresses.length > 1 ? `node/${name} (${ip})` : `node/${name}`);
  return { ends: addresses.map((ip) => address(ip, labelOfAddress(ip), name)), notes: [] };
}

function serviceEnd(service: SnapshotService, snapshot: Snapshot): NamedEnds {
  const { namespace, name } = service;
  const label = `${namespace}/svc/${name}`;
  if (service.type === 'ExternalName') {
    throw new CliError(
      `Service ${namespace}/${name} is a DNS alias (ExternalName): policies see addresses, so name the address that it leads to`,
    );
  }
  if (selects(service)) {
    const found = snapshot.pods.filter(
      (pod) => pod.namespace === namespace && matches({ matchLabels: service.selector }, pod.labels),
    );
    if (found.length === 0)
      throw new CliError(
        `Service ${namespace}/${name} has no pods: its selector matches none in ${namespace}`,
      );
    return { ends: workloadEnds(found), service, notes: [] };
  }
  const addresses = [
    ...new Set(snapshot.facts.endpoints(namespace, name).flatMap((slice) => slice.addresses)),
  ];
  if (addresses.length === 0)
    throw new CliError(
      `Service ${namespace}/${name} has neither a selector nor EndpointSlices with addresses`,
    );
  return { ends: addresses.map((ip) => address(ip, `${label} (${ip})`)), service, notes: [] };
}

/** The pod, Service or node that has the address: policies see these, not the address. */
function addressEnd(ip: string, snapshot: Snapshot): NamedEnds {
  const isSame = sameAddressAs(ip);
  const pod = snapshot.pods.find((each) => each.hostNetwork !== true && each.ips.some(isSame));
  if (pod !== undefined)
    return { ends: workloadEnds([pod]), notes: [`${ip} is the address of pod ${pod.namespace}/${pod.name}`] };
  const service = serviceOfAddress(ip, snapshot);
  if (service !== undefined) return service;
  const node = snapshot.nodes.find(({ addresses }) => addresses.some(isSame));
  if (node !== undefined)
    return {
      ends: [address(ip, `node/${node.name}`, node.name)],
      notes: [`${ip} is the address of node ${node.name}`],
    };
  return { ends: [address(ip, ip)], notes: [] };
}

/** The pods behind the Service that has the address as a cluster IP, an external IP or that of its load balancer. */
function serviceOfAddress(ip: string, snapshot: Snapshot): NamedEnds | undefined {
  const isSame = sameAddressAs(ip);
  for (const service of snapshot.services) {
    const name = `Service ${service.namespace}/${service.name}`;
    if (service.clusterIPs.some(isSame)) {
      return withNotes(serviceEnd(service, snapshot), `${ip} is ${name}: policies see the pods behind it`);
    }
    const external = service.external.find((each) => isSame(each.ip));
    if (external === undefined) continue;
    const behind = `${ip} is an external address of ${name}: policies see the pods behind it`;
    const proxied = `the load balancer at ${ip} is a proxy (ipMode: Proxy): traffic to it leaves the cluster first, so egress policies of the source see ${ip}`;
    return withNotes(serviceEnd(service, snapshot), behind, ...(external.isProxied ? [proxied] : []));
  }
  return undefined;
}

function withNotes(ends: NamedEnds, ...notes: readonly string[]): NamedEnds {
  return { ...ends, notes: [...ends.notes, ...notes] };
}

/** Returns a function that is true for every spelling of the address. */
function sameAddressAs(ip: string): (other: string) => boolean {
  const wanted = canonical(ip);
  return (other) => canonical(other) === wanted;
}

function canonical(ip: string): string {
  const parsed = parseAddress(ip);
  return parsed === undefined ? ip : formatAddress(parsed);
}

function address(ip: string, label: string, node?: string): FlowEnd {
  return {
    label,
    name: label.replace(/^.*\//, ''),
    pods: [],
    endpoint: { kind: 'external', ip, ...(node !== undefined && { node }) },
  };
}

/** The ends that pods belong to: an end for each workload. */
export function workloadEnds(pods: readonly WorkloadPod[]): FlowEnd[] {
  return [...Map.groupBy(pods, ({ workload }) => workloadKey(workload)).values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    return [
      {
        label: labelOf(first),
        name: first.workload.name,
        namespace: first.namespace,
        pods: group,
        endpoint: { kind: 'pod' as const, pod: first },
      },
    ];
  });
}

export function labelOf({ workload }: WorkloadPod): string {
  return `${workload.namespace}/${SHORT[workload.kind] ?? workload.kind.toLowerCase()}/${workload.name}`;
}
