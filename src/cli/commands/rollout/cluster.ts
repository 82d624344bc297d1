/** Reads and changes a profile, its recorded revisions and the namespaces in a cluster, with the permissions of the user. */
import type { KubeObject } from '../../../api/meta.ts';
import { GROUP, PLURAL, VERSION } from '../../../api/names.ts';
import type { SegmentationProfile } from '../../../api/profile.ts';
import { loadKubeConfig } from '../../../kube/config/load.ts';
import { ApiError } from '../../../kube/errors.ts';
import { createTransport, type Transport } from '../../../kube/http/transport.ts';
import { preconditionsOf } from '../../../kube/preconditions.ts';
import { Resource } from '../../../kube/resource.ts';
import {
  CONTROLLER_REVISIONS,
  type ControllerRevision,
  recordedRevision,
} from '../../../rollout/recorded.ts';
import type { Revision } from '../../../rollout/revision.ts';
import { errorMessage } from '../../../util/error-message.ts';
import { version } from '../../../util/version.ts';
import type { Call } from '../../shell/command.ts';
import { CliError } from '../../shell/failure.ts';

/** A recorded revision, with the time at which it was recorded. */
export interface DatedRevision extends Revision {
  readonly recorded: string;
}

export class RolloutCluster {
  readonly #transport: Transport;
  readonly #operatorNamespace: string;
  readonly #profiles: Resource<SegmentationProfile>;

  private constructor(transport: Transport, operatorNamespace: string) {
    this.#transport = transport;
    this.#operatorNamespace = operatorNamespace;
    this.#profiles = new Resource(transport, {
      group: GROUP,
      version: VERSION,
      plural: PLURAL,
      namespaced: false,
    });
  }

  /** Runs `use` with the cluster that the flags choose. @throws CliError */
  static async with<T>({ flags, process }: Call, use: (cluster: RolloutCluster) => Promise<T>): Promise<T> {
    const { env } = process;
    let transport: Transport | undefined;
    try {
      const config = await loadKubeConfig({
        kubeconfig: flags.get('kubeconfig'),
        context: flags.get('context'),
        env,
      });
      const userAgent = `kubectl-segmentation/${version}`;
      transport = createTransport(config, { userAgent, env });
      return await use(
        new RolloutCluster(transport, flags.get('operator-namespace') ?? 'segmentation-system'),
      );
    } catch (error) {
      throw error instanceof CliError ? error : new CliError(explained(error));
    } finally {
      await transport?.close();
    }
  }

  /** @throws CliError if the profile has no rollout */
  async profile(name: string): Promise<SegmentationProfile> {
    const profile = await this.#profiles.get(name);
    if (profile.spec.rollout === undefined)
      throw new CliError(`profile ${name} has no spec.rollout: its changes reach all namespaces at once`);
    return profile;
  }

  /** The recorded revisions, by number. */
  async revisions({ metadata: { uid } }: SegmentationProfile): Promise<ReadonlyMap<number, DatedRevision>> {
    const resource = new Resource<ControllerRevision>(this.#transport, CONTROLLER_REVISIONS);
    const namespace = this.#operatorNamespace;
    // By its owner, as somebody may have removed the labels of one.
    const { items } = await resource.listAll({ namespace });
    const own = items.flatMap((item): DatedRevision[] => {
      const { profile, revision } = recordedRevision(item) ?? {};
      const recorded = item.metadata.creationTimestamp ?? '';
      return profile === uid && revision !== undefined ? [{ ...revision, recorded }] : [];
    });
    return new Map(own.sort((a, b) => a.number - b.number).map((each) => [each.number, each]));
  }

  async namespaces(): Promise<readonly KubeObject[]> {
    const resource = new Resource(this.#transport, {
      group: '',
      version: 'v1',
      plural: 'namespaces',
      namespaced: false,
    });
    return (await resource.listAll()).items;
  }

  get operatorNamespace(): string {
    return this.#operatorNamespace;
  }

  /** Merges `patch` into the profile, unless somebody has changed it since it was read. */
  async change(
    profile: SegmentationProfile,
    patch: { readonly metadata?: object; readonly spec?: object },
  ): Promise<void> {
    const metadata = { ...preconditionsOf(profile), ...patch.metadata };
    await this.#profiles.patch(profile.metadata.name, undefined, { ...patch, metadata });
  }
}

function explained(error: unknown): string {
  if (!(error instanceof ApiError)) return errorMessage(error);
  if (error.status === 409)
    return 'somebody else has changed the profile at the same moment: look at it, and repeat the command';
  return error.message;
}
