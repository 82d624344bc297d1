/** Exceptions in a cluster, for the command `exception`: they are listed, approved and extended in the user's own name. */
import type { SegmentationException } from '../../../api/exception.ts';
import { API_VERSION, EXCEPTION_KIND, EXCEPTION_PLURAL, GROUP, VERSION } from '../../../api/names.ts';
import { loadKubeConfig } from '../../../kube/config/load.ts';
import { isCollectionMissing, isConflict } from '../../../kube/errors.ts';
import { createTransport, type Transport } from '../../../kube/http/transport.ts';
import { preconditionsOf } from '../../../kube/preconditions.ts';
import { Resource } from '../../../kube/resource.ts';
import { errorMessage } from '../../../util/error-message.ts';
import { version } from '../../../util/version.ts';
import type { Call } from '../../shell/command.ts';
import { CliError } from '../../shell/failure.ts';

interface SelfSubjectReview {
  readonly status?: { readonly userInfo?: { readonly username?: string } };
}

/** Tries to write an exception whose status changes meanwhile. */
const ATTEMPTS = 5;

export class ClusterExceptions {
  /** The namespace of the context, if it names one. */
  readonly namespace: string | undefined;
  readonly #transport: Transport;
  readonly #exceptions: Resource<SegmentationException>;

  /** @param namespace the namespace of the context */
  constructor(transport: Transport, namespace: string | undefined) {
    this.namespace = namespace;
    this.#transport = transport;
    const kind = { group: GROUP, version: VERSION, plural: EXCEPTION_PLURAL, namespaced: true };
    this.#exceptions = new Resource(transport, kind);
  }

  /** All exceptions, or those of a namespace. */
  async list(namespace?: string): Promise<readonly SegmentationException[]> {
    const { items } = await this.#exceptions.listAll({ namespace });
    // The items of a list have no apiVersion and kind.
    return items.map((item) => ({ ...item, apiVersion: API_VERSION, kind: EXCEPTION_KIND }));
  }

  read(name: string, namespace: string): Promise<SegmentationException> {
    return this.#exceptions.get(name, namespace);
  }

  /** Changes the spec of an exception as it was read: fails if the spec has changed since. */
  async patch(exception: SegmentationException, spec: object): Promise<SegmentationException> {
    const { name, namespace = '', uid, generation } = exception.metadata;
    for (let current = exception, attempt = 1; ; attempt++) {
      try {
        return await this.#exceptions.patch(name, namespace, { metadata: preconditionsOf(current), spec });
      } catch (error) {
        if (!isConflict(error) || attempt === ATTEMPTS) throw error;
        current = await this.read(name, namespace);
        // The operator writes the status at any time. Nobody approves a spec that they have not seen.
        if (current.metadata.uid !== uid || current.metadata.generation !== generation) throw error;
      }
    }
  }

  /** The user name that the API server knows the user by. */
  async user(): Promise<string> {
    const { status } = await this.#transport.request<SelfSubjectReview>({
      method: 'POST',
      path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
    });
    const name = status?.userInfo?.username;
    if (!name) throw new CliError('the API server does not tell your user name');
    return name;
  }
}

/** Runs `work` on the cluster that the flags choose. @throws CliError */
export async function withExceptions<T>(
  { flags, process: { env } }: Call,
  work: (exceptions: ClusterExceptions) => Promise<T>,
): Promise<T> {
  const options = { kubeconfig: flags.get('kubeconfig'), context: flags.get('context'), env };
  try {
    const config = await loadKubeConfig(options);
    const transport = createTransport(config, { userAgent: `kubectl-segmentation/${version}`, env });
    try {
      return await work(new ClusterExceptions(transport, config.namespace));
    } finally {
      await transport.close();
    }
  } catch (error) {
    if (error instanceof CliError) throw error;
    if (isCollectionMissing(error))
      throw new CliError('the cluster has no SegmentationExceptions: kubectl apply -k config/exceptions');
    throw new CliError(errorMessage(error));
  }
}
