/** Waits until the API server serves the profiles' CRD. */
import { setTimeout as sleep } from 'node:timers/promises';

const RESOURCE = 'segmentationprofiles.segmentation.dev';
const CRD = `crd/${RESOURCE}`;
const LONGEST = 30_000; // ms
const POLL = 50; // ms

interface Definition {
  readonly status?: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[] | null;
  };
}

/**
 * Not by `kubectl wait`, which fails on a CRD so new that its conditions are null. And until a list is answered: a CRD
 * that is deleted while its storage is being set up can stay `Terminating` for minutes.
 *
 * @param kubectl resolves what it prints
 */
export async function crdEstablished(kubectl: (args: readonly string[]) => Promise<string>): Promise<void> {
  const deadline = performance.now() + LONGEST;
  for (;;) {
    const { status } = JSON.parse(await kubectl(['get', CRD, '-o', 'json'])) as Definition;
    if (status?.conditions?.some((each) => each.type === 'Established' && each.status === 'True')) break;
    if (performance.now() > deadline) throw new Error(`${CRD} is not established: ${JSON.stringify(status)}`);
    await sleep(POLL);
  }
  // kubectl asks again by itself while the answer is 429, "storage is (re)initializing".
  await kubectl(['get', RESOURCE, `--request-timeout=${LONGEST / 1000}s`]);
}
