/** The version of Kubernetes whose schemas and validation manifests are read by. */
import type { Context } from 'mocha';
import schemas from '../../../src/manifests/generated/kubernetes.json' with { type: 'json' };
import type { ControlPlane } from '../../env/index.ts';

/** Skips the suite on a control plane of another version, as the matrix of versions has them. */
export async function skipOnOtherVersion(suite: Context, { admin }: ControlPlane): Promise<void> {
  const { major, minor } = (await admin.send('GET', '/version')) as { major: string; minor: string };
  if (`${major}.${minor}` !== schemas.version) suite.skip();
}
