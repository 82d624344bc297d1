/**
 * Finds objects that a suite leaves on the shared control plane. The operators of later suites would meet them: a profile with
 * a guard, a definition of an engine's kind, a webhook that answers no more.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ControlPlane } from './control-plane.ts';
import { storedKeys } from './stored-keys.ts';

/** Longest wait for deletions that are under way, milliseconds: a CRD goes after its objects, and its APIService later. */
const REMOVAL_MS = 30_000;
const POLL_MS = 100;

/** Objects that the components of the control plane create whenever they like. */
const OF_COMPONENTS: readonly RegExp[] = [
  /^(events|masterleases|peerserverleases|ranges|ipaddresses)\//,
  /^leases\/kube-system\/apiserver-/,
  /^serviceaccounts\/(kube-system\/.*|[^/]+\/default)$/,
  /^configmaps\/([^/]+\/kube-root-ca\.crt|kube-system\/.*)$/,
  /^(services\/endpoints|endpointslices)\/(kube-system\/kube-dns|segmentation-system\/segmentation-operator-metrics)/,
];

/** Objects that operators keep for themselves, and delete some time after they were needed last. */
const OF_OPERATORS: readonly RegExp[] = [
  /^leases\/segmentation-system\/segmentation-operator$/,
  /^networkpolicies\/segmentation-system\/segmentation-admission-probe$/,
  /^validatingadmissionpolicybindings\/probe\.segmentation\.dev$/,
];

/** Objects of config/default, which `installOperator` installs once for each control plane. They stay for later suites. */
const OF_INSTALLATION: readonly RegExp[] = [
  /^namespaces\/segmentation-system$/,
  /^apiextensions\.k8s\.io\/customresourcedefinitions\/segmentationprofiles\.segmentation\.dev$/,
  /^apiregistration\.k8s\.io\/apiservices\/v1alpha1\.segmentation\.dev$/,
  /^clusterrole(binding)?s\/segmentation-operator(-admission|-metrics-auth|-metrics-reader)?$/,
  /^role(binding)?s\/default\/segmentation-operator-events$/,
  /^role(binding)?s\/segmentation-system\/segmentation-operator-leader-election$/,
  /^(serviceaccounts|poddisruptionbudgets)\/segmentation-system\/segmentation-operator$/,
  /^services\/specs\/segmentation-system\/segmentation-operator-metrics$/,
  /^networkpolicies\/segmentation-system\/segmentation-operator-(e|in)gress$/,
  /^validatingadmissionpolic(ie|ybinding)s\/segmentation-operator-(events|network-policies|profiles)$/,
  /^validatingadmissionpolicies\/(no-pod-before-default-deny|probe|protected-policies|tenant-policies)\.segmentation\.dev$/,
];

const isOf = (patterns: readonly RegExp[], key: string) => patterns.some((pattern) => pattern.test(key));

export class Leftovers {
  readonly #plane: ControlPlane;
  /** Objects that must stay: those of the control plane, and of the installation since a suite has installed it. */
  #lasting: ReadonlySet<string>;
  readonly #reported = new Set<string>();

  private constructor(plane: ControlPlane, lasting: ReadonlySet<string>) {
    this.#plane = plane;
    this.#lasting = lasting;
  }

  /** Remembers the objects of a control plane that no suite has used yet. */
  static async since(plane: ControlPlane): Promise<Leftovers> {
    const keys = await storedKeys(plane.directory);
    return new Leftovers(plane, new Set([...keys].filter((key) => !isOf(OF_COMPONENTS, key))));
  }

  /**
   * Lists what suites have left since the last call: objects that they have not deleted, and objects of the control plane or
   * the installation that they have. Waits for deletions that are under way. Namespaces may be terminating.
   *
   * @param waitMs longest wait, in milliseconds
   * @returns the keys of the objects in etcd, those of deleted objects with a prefix; sorted
   */
  async take(waitMs = REMOVAL_MS): Promise<string[]> {
    const deadline = performance.now() + waitMs;
    for (;;) {
      const now = await storedKeys(this.#plane.directory);
      const added = await this.#addedIn(now);
      const deleted = [...this.#lasting].filter((key) => !now.has(key));
      if (added.length + deleted.length === 0 || performance.now() > deadline) {
        for (const key of added) this.#reported.add(key);
        this.#lasting = new Set(
          [...now].filter((key) => this.#lasting.has(key) || isOf(OF_INSTALLATION, key)),
        );
        return [...added, ...deleted.map((key) => `deleted: ${key}`)].sort();
      }
      await sleep(POLL_MS);
    }
  }

  async #addedIn(now: ReadonlySet<string>): Promise<string[]> {
    const mayStay = [OF_COMPONENTS, OF_OPERATORS, OF_INSTALLATION].flat();
    const added = [...now].filter((key) => !this.#lasting.has(key) && !isOf(mayStay, key));
    const namespaces = new Set(added.filter((key) => key.startsWith('namespaces/')));
    const terminating = namespaces.size === 0 ? new Set<string>() : await this.#terminating();
    // A namespace that stays is reported without what it holds.
    return added.filter((key) => {
      const namespace = `namespaces/${key.split('/').at(-2)}`;
      return !this.#reported.has(key) && !namespaces.has(namespace) && !terminating.has(key);
    });
  }

  async #terminating(): Promise<Set<string>> {
    const { items } = (await this.#plane.admin.send('GET', '/api/v1/namespaces')) as {
      readonly items: readonly {
        readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
      }[];
    };
    return new Set(
      items
        .filter(({ metadata }) => metadata.deletionTimestamp !== undefined)
        .map(({ metadata }) => `namespaces/${metadata.name}`),
    );
  }
}
