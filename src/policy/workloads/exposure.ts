/**
 * Judges how a workload is exposed by `spec.workloads.exposure`, as config/workloads/exposure.yaml does for new objects:
 * pods, Services, Ingresses, and routes of the Gateway API. Pure.
 */
import type { ProfileSpec } from '../../api/profile.ts';
import type { Ingress, PodSpec, Route, Service } from './objects.ts';

export type ExposureLimits = NonNullable<NonNullable<ProfileSpec['workloads']>['exposure']>;

/** The host of an Ingress or route that is for every host. */
const EVERY_HOST = '';
/** Hosts of an object times hosts of the profile: the cost of the policy's expressions is limited. */
const MAX_COMPARISONS = 20_000;

export function podExposureViolations(
  { hostPort }: ExposureLimits,
  { containers, initContainers = [] }: PodSpec,
): string[] {
  if (hostPort !== 'Deny') return [];
  const [found] = [...containers, ...initContainers].flatMap(({ name, ports = [] }) =>
    ports
      .filter((port) => (port.hostPort ?? 0) > 0)
      .map((port) => `container ${name} has the host port ${port.hostPort}`),
  );
  return found === undefined
    ? []
    : [
        `${found}, which its workloads.exposure.hostPort denies: remove hostPort, and hostNetwork, which implies it`,
      ];
}

export function serviceExposureViolations(limits: ExposureLimits, { spec }: Service): string[] {
  const { nodePort, externalIPs, loadBalancer = {} } = limits;
  const [ip] = spec.externalIPs ?? [];
  return [
    ...(nodePort === 'Deny' && hasNodePorts(spec)
      ? [
          'the Service opens ports of every node, which its workloads.exposure.nodePort denies: write type: ClusterIP or, for a load balancer, allocateLoadBalancerNodePorts: false',
        ]
      : []),
    ...(externalIPs === 'Deny' && ip !== undefined
      ? [
          `the Service takes the traffic of the external IP ${ip}, which its workloads.exposure.externalIPs denies: remove externalIPs`,
        ]
      : []),
    ...(spec.type === 'LoadBalancer' ? loadBalancerViolations(loadBalancer, spec) : []),
  ];
}

export function ingressExposureViolations(limits: ExposureLimits, { spec }: Ingress): string[] {
  const hosts = (spec.rules ?? []).map(({ host = EVERY_HOST }) => host);
  return hostViolations(limits, [...hosts, ...(spec.defaultBackend === undefined ? [] : [EVERY_HOST])]);
}

export function routeExposureViolations(limits: ExposureLimits, { spec }: Route): string[] {
  const { hostnames = [] } = spec ?? {};
  return hostViolations(limits, hostnames.length === 0 ? [EVERY_HOST] : hostnames);
}

/** A load balancer opens ports of every node too, unless the Service says that it does without. */
function hasNodePorts({ type, allocateLoadBalancerNodePorts = true }: Service['spec']): boolean {
  return type === 'NodePort' || (type === 'LoadBalancer' && allocateLoadBalancerNodePorts);
}

function loadBalancerViolations(
  { sourceRanges, classes }: Partial<NonNullable<ExposureLimits['loadBalancer']>>,
  { loadBalancerSourceRanges: ranges = [], loadBalancerClass = '' }: Service['spec'],
): string[] {
  const isOpen = ranges.length === 0 || ranges.some((range) => range.endsWith('/0'));
  const isForeign = classes !== undefined && !classes.includes(loadBalancerClass);
  return [
    ...(sourceRanges === 'Required' && isOpen
      ? [
          'the load balancer of the Service is open to every address, which its workloads.exposure.loadBalancer.sourceRanges denies: list the addresses of its clients as loadBalancerSourceRanges',
        ]
      : []),
    ...(isForeign
      ? [
          `the load balancer of the Service is of ${loadBalancerClass === '' ? 'no class' : `class ${loadBalancerClass}`}, which is none of its workloads.exposure.loadBalancer.classes: ${classes.length === 0 ? 'use no load balancer' : `use ${classes.join(', ')}`}`,
        ]
      : []),
  ];
}

function hostViolations({ hosts: allowed = [] }: ExposureLimits, hosts: readonly string[]): string[] {
  if (allowed.length === 0) return [];
  if (hosts.length * allowed.length > MAX_COMPARISONS) {
    const most = Math.floor(MAX_COMPARISONS / allowed.length);
    return [
      `there are more than the ${most} hosts that its workloads.exposure.hosts can judge: split the object`,
    ];
  }
  const foreign = hosts.find((host) => host === EVERY_HOST || !allowed.some((each) => covers(each, host)));
  if (foreign === undefined) return [];
  const what = foreign === EVERY_HOST ? 'the object is for every host' : `the host ${foreign} is none`;
  return [`${what} of its workloads.exposure.hosts: use ${allowed.join(', ')}`];
}

/** `*.example.com` covers every name below example.com. */
function covers(allowed: string, host: string): boolean {
  return allowed === host || (allowed.startsWith('*.') && host.endsWith(allowed.slice(1)));
}
