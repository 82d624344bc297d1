/** Judges the resources of a pod by `spec.workloads.resources`, as config/workloads/resources.yaml does for new pods. Pure. */
import type { ProfileSpec } from '../../api/profile.ts';
import type { Container, PodSpec, Quantities } from './objects.ts';
import { isMore } from './quantity.ts';

export type ResourceLimits = NonNullable<NonNullable<ProfileSpec['workloads']>['resources']>;

const NAMES = ['cpu', 'memory', 'ephemeral-storage'];

/** The violations of the pod, in words: one for each limit that is broken, naming the first container that breaks it. */
export function resourceViolations(limits: ResourceLimits, spec: PodSpec): string[] {
  const { requests = [], limits: needed = [], maxLimits = {} } = limits;
  const [unrequested] = requests.flatMap((name) => withoutRequest(name, spec));
  const [unlimited] = needed.flatMap((name) => withoutLimit(name, spec));
  const most = NAMES.flatMap((name) => (name in maxLimits ? [[name, `${maxLimits[name]}`] as const] : []));
  const [above] = most.flatMap(([name, value]) => aboveLimit(name, value, spec));
  return [
    ...(unrequested
      ? [
          `${unrequested}, which its workloads.resources.requests requires: write it, or have a LimitRange of the namespace set it`,
        ]
      : []),
    ...(unlimited
      ? [
          `${unlimited}, which its workloads.resources.limits requires: write it, or have a LimitRange of the namespace set it`,
        ]
      : []),
    ...(above
      ? [
          `${above}; its workloads.resources.maxLimits admits limits up to ${most.map((each) => each.join(' ')).join(', ')}`,
        ]
      : []),
  ];
}

/** Ephemeral containers can't have resources. */
function containersOf({ containers, initContainers = [] }: PodSpec): Container[] {
  return [...containers, ...initContainers];
}

function limitsOf({ resources }: Container | PodSpec): Quantities {
  return resources?.limits ?? {};
}

function requestsOf({ resources }: Container | PodSpec): Quantities {
  return resources?.requests ?? {};
}

/** Resources of the whole pod are for all of its containers. A limit stands for the request that is missing. */
function withoutRequest(name: string, spec: PodSpec): string[] {
  if (name in requestsOf(spec) || name in limitsOf(spec)) return [];
  return containersOf(spec)
    .filter((each) => !(name in requestsOf(each)) && !(name in limitsOf(each)))
    .map((each) => `container ${each.name} has no request for ${name}`);
}

function withoutLimit(name: string, spec: PodSpec): string[] {
  if (name in limitsOf(spec)) return [];
  return containersOf(spec)
    .filter((each) => !(name in limitsOf(each)))
    .map((each) => `container ${each.name} has no limit for ${name}`);
}

function aboveLimit(name: string, most: string, spec: PodSpec): string[] {
  const ofPod = limitsOf(spec)[name];
  const ofPodAbove = ofPod !== undefined && isMore(`${ofPod}`, most);
  return [
    ...(ofPodAbove ? [`the pod has a limit for ${name} of ${ofPod}`] : withoutLimit(name, spec)),
    ...containersOf(spec).flatMap((each) => {
      const limit = limitsOf(each)[name];
      return limit !== undefined && isMore(`${limit}`, most)
        ? [`container ${each.name} has a limit for ${name} of ${limit}`]
        : [];
    }),
  ];
}
