/** Waits until the API server serves a custom resource. */
import { setTimeout as sleep } from 'node:timers/promises';

const PROFILES = 'segmentationprofiles.segmentation.dev';
const TIMEOUT_MS = 30_000;
const POLL_MS = 50;

interface Definition {
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[] | null;
  };
}

/**
 * Waits until the CRD is established and a list of its objects is answered: a CRD that is deleted while its storage is
 * being set up can stay `Terminating` for minutes. `kubectl wait` is not used, as it fails while a new CRD's conditions
 * are null.
 *
 * @param kubectl runs kubectl, and resolves with its output
 * @param name the name of the CRD
 */
export async function crdEstablished(
  kubectl: (args: readonly string[]) => Promise<string>,
  name = PROFILES,
): Promise<void> {
  const crd = `crd/${name}`;
  const deadline = performance.now() + TIMEOUT_MS;
  for (;;) {
    const { status } = JSON.parse(await kubectl(['get', crd, '-o', 'json'])) as Definition;
    if (status?.conditions?.some((each) => each.type === 'Established' && each.status === 'True')) break;
    if (performance.now() > deadline) throw new Error(`${crd} is not established: ${JSON.stringify(status)}`);
    await sleep(POLL_MS);
  }
  // kubectl itself retries while the answer is 429, "storage is (re)initializing".
  await kubectl(['get', name, `--request-timeout=${TIMEOUT_MS / 1000}s`]);
}
