/**
 * Tells which workload made a pod from the pod's name, which follows from how controllers name pods. So flows of pods
 * that were replaced since are mapped too. Pure.
 */
import type { FlowWorkload } from './inventory.ts';

/** The characters of generated names (k8s.io/apimachinery/pkg/util/rand): no vowels, and nothing that looks alike. */
const RANDOM = '[bcdfghjklmnpqrstvwxz2456789]';
/** A generated end of a name, or the `*` by which a log sums up pods. */
const SUFFIX = `(?:${RANDOM}{5}|\\*)`;

const REST_OF: Readonly<Record<string, RegExp>> = {
  Deployment: new RegExp(`^-${RANDOM}{1,10}-${SUFFIX}$`),
  ReplicaSet: new RegExp(`^-${SUFFIX}$`),
  ReplicationController: new RegExp(`^-${SUFFIX}$`),
  DaemonSet: new RegExp(`^-${SUFFIX}$`),
  Job: new RegExp(`^-(?:\\d+-)?${SUFFIX}$`),
  CronJob: new RegExp(`^-\\d{7,11}-(?:\\d+-)?${SUFFIX}$`),
  StatefulSet: /^-(?:\d+|\*)$/,
  Pod: /^$/,
};

/** True if a controller of this kind and name names a pod so. @param pod its name, which may end in `*` */
export function isPodNameOf({ kind, name }: FlowWorkload, pod: string): boolean {
  return pod.startsWith(name) && REST_OF[kind]?.test(pod.slice(name.length)) === true;
}
