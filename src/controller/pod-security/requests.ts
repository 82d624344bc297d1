/** The requests for Pod Security labels of a Namespace: it is read, inspected by dry runs, and its labels are applied. */
import type { KubeObject, StringMap } from '../../api/meta.ts';
import { POD_SECURITY_MANAGER } from '../../api/names.ts';
import { ApiError } from '../../kube/errors.ts';
import { preconditionsOf } from '../../kube/preconditions.ts';
import type { Resource } from '../../kube/resource.ts';
import {
  type Inspection,
  inspectionLabels,
  PLUGIN_PROBE,
  readInspection,
} from '../../policy/pod-security/inspection.ts';
import type { VersionedLevel } from '../../policy/pod-security/levels.ts';

export class LabelRequests {
  readonly #namespaces: Resource<KubeObject>;

  constructor(namespaces: Resource<KubeObject>) {
    this.#namespaces = namespaces;
  }

  /** @throws ApiError */
  read(name: string, signal: AbortSignal): Promise<KubeObject> {
    return this.#namespaces.get(name, undefined, { signal });
  }

  /**
   * Asks the API server which running pods violate a level.
   *
   * @param asked the level of `enforce`; undefined if only another mode is asked for
   * @throws ApiError
   */
  async inspect(
    { metadata }: KubeObject,
    asked: VersionedLevel | undefined,
    signal: AbortSignal,
  ): Promise<Inspection> {
    let told: readonly string[] = [];
    const labels = inspectionLabels(metadata.labels ?? {}, asked);
    await this.#dryRun(metadata.name, labels, signal, (warnings) => {
      told = warnings;
    });
    return readInspection(told);
  }

  /** True if the API server runs the admission plugin PodSecurity: it refuses a label without meaning. @throws ApiError */
  async isPluginEnabled(name: string, signal: AbortSignal): Promise<boolean> {
    try {
      await this.#dryRun(name, PLUGIN_PROBE, signal);
      return false;
    } catch (error) {
      const [key = ''] = Object.keys(PLUGIN_PROBE).slice(-1);
      if (error instanceof ApiError && error.status === 422 && error.message.includes(key)) return true;
      throw error;
    }
  }

  /**
   * Makes these the Pod Security labels that the operator owns on the Namespace.
   *
   * @throws ApiError, for example a write conflict if the Namespace was changed since it was read
   */
  apply(namespace: KubeObject, labels: StringMap, signal: AbortSignal): Promise<KubeObject> {
    const metadata = { name: namespace.metadata.name, ...preconditionsOf(namespace), labels };
    const object = { apiVersion: 'v1', kind: 'Namespace', metadata };
    return this.#namespaces.apply(object, { fieldManager: POD_SECURITY_MANAGER, signal });
  }

  #dryRun(
    name: string,
    labels: StringMap,
    signal: AbortSignal,
    onWarnings?: (warnings: readonly string[]) => void,
  ): Promise<KubeObject> {
    const patch = { metadata: { labels } };
    return this.#namespaces.patch(name, undefined, patch, { signal, isDryRun: true, onWarnings });
  }
}
