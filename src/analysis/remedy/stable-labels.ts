/**
 * Tells the labels that say what a pod is from those that change from pod to pod, from run to run, or from release to
 * release. A rule that selects by the latter stops working without notice. Pure.
 */
import type { StringMap } from '../../api/meta.ts';
import { compareText } from '../../util/order.ts';

/** Labels that controllers set anew on each pod, run or revision. */
const VOLATILE_KEYS = new Set([
  'pod-template-hash',
  'rollouts-pod-template-hash',
  'controller-revision-hash',
  'pod-template-generation',
  'job-name',
  'batch.kubernetes.io/job-name',
  'controller-uid',
  'batch.kubernetes.io/controller-uid',
  'batch.kubernetes.io/job-completion-index',
  'statefulset.kubernetes.io/pod-name',
  'apps.kubernetes.io/pod-index',
  'istio.io/rev',
  // The tool that wrote the object, which can be another one tomorrow.
  'app.kubernetes.io/managed-by',
  'heritage',
]);

/** Prefixes of tools that label the pods of one run or revision. */
const VOLATILE_PREFIXES = ['tekton.dev', 'workflows.argoproj.io', 'serving.knative.dev', 'skaffold.dev'];

/** Last words of the keys that Helm, CI systems and build tools write. */
const VOLATILE_WORDS = new Set([
  'build',
  'chart',
  'checksum',
  'commit',
  'date',
  'digest',
  'generation',
  'hash',
  'pipeline',
  'rev',
  'revision',
  'sha',
  'sha1',
  'sha256',
  'tag',
  'timestamp',
  'uid',
  'uuid',
  'version',
]);
/** Two last words, such as `run-id`, of which the second alone says nothing. */
const VOLATILE_PAIRS =
  /^(build|commit|deploy|execution|job|pipeline|release|run|task|trace|workflow)(id|no|num|number|name|time)$/;

/** Values that no person writes: hashes, and times in seconds or milliseconds since 1970 or by ISO 8601. */
const VOLATILE_VALUE = /^([0-9a-f]{32,64}|1\d{9}|1\d{12}|\d{4}-\d\d-\d\dT.*)$/i;

/** True if a label stays the same over pods, runs and releases, so that a policy may select by it. */
export function isStable(key: string, value: string): boolean {
  if (VOLATILE_KEYS.has(key) || VOLATILE_VALUE.test(value)) return false;
  const [prefix, name] = key.includes('/') ? key.split('/', 2) : ['', key];
  if (VOLATILE_PREFIXES.some((each) => prefix === each || prefix?.endsWith(`.${each}`))) return false;
  const words = (name ?? '')
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .split(/[-_.]+/);
  return !VOLATILE_WORDS.has(words.at(-1) ?? '') && !VOLATILE_PAIRS.test(words.slice(-2).join(''));
}

/** The keys that have a stable value on every one of the pods that has them, the most telling first. */
export function stableKeys(pods: readonly { readonly labels: StringMap }[]): string[] {
  const isStableKey = new Map<string, boolean>();
  for (const { labels } of pods) {
    for (const [key, value] of Object.entries(labels)) {
      if (isStableKey.get(key) !== false) isStableKey.set(key, isStable(key, value));
    }
  }
  return [...isStableKey].flatMap(([key, stable]) => (stable ? [key] : [])).sort(byTelling);
}

/** Labels by which people tell workloads apart, the most telling first. */
const TELLING = [
  'app.kubernetes.io/name',
  'app',
  'k8s-app',
  'app.kubernetes.io/component',
  'app.kubernetes.io/instance',
  'component',
  'name',
  'run',
  'tier',
  'role',
];

/** Orders keys of labels: those that say most of a workload first, then by name. */
function byTelling(a: string, b: string): number {
  return rank(a) - rank(b) || compareText(a, b);
}

/** A label that workloads share by its meaning. */
const SHARED = 'app.kubernetes.io/part-of';

function rank(key: string): number {
  if (key === SHARED) return TELLING.length + 1;
  const index = TELLING.indexOf(key);
  return index < 0 ? TELLING.length : index;
}
