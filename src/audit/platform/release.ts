/** Versions of Kubernetes and of its components. Pure. */
import { parseImage } from '../pods/images/reference.ts';
import { containersOf } from '../pod-spec.ts';
import type { AuditPod } from '../snapshot.ts';

/** The minor version in a text such as `v1.36.3` or `v1.33.1-eks-1234567`; undefined if it names none of Kubernetes 1. */
export function minorOf(version: string): number | undefined {
  const [, minor] = /^v?1\.(\d+)(?:[.+-]|$)/.exec(version) ?? [];
  return minor === undefined ? undefined : Number(minor);
}

/** The minor version of the component's image in a pod of kube-system; undefined if the pod has none. */
export function componentMinor(pod: AuditPod, component: string): number | undefined {
  if (pod.namespace !== 'kube-system') return undefined;
  for (const { container } of containersOf(pod.spec)) {
    const { repository, tag = '' } = parseImage(container.image ?? '');
    if (repository.split('/').at(-1) === component) return minorOf(tag);
  }
  return undefined;
}

/** The minor versions of the API servers that pods or the server itself tell, from the oldest; empty if nothing does. */
export function apiServerMinors(pods: readonly AuditPod[], serverVersion: string | undefined): number[] {
  const told = serverVersion === undefined ? undefined : minorOf(serverVersion);
  const seen = pods.flatMap((pod) => componentMinor(pod, 'kube-apiserver') ?? []);
  return [...new Set([...seen, ...(told === undefined ? [] : [told])])].toSorted((a, b) => a - b);
}
