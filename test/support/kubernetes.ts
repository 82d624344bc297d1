/** Tests that need a feature of a version of Kubernetes. */
import { kubernetesVersion } from '../env/tooling/target.ts';

const minorOf = (version: string) => Number(version.split('.')[1]);

/** True if the control plane of the tests is of this minor version, such as 1.36, or later. */
export function isKubernetesSince(version: string): boolean {
  return minorOf(kubernetesVersion()) >= minorOf(version);
}

/** The first version of those tested here whose API server streams lists (its feature WatchList) by default. */
export const STREAMED_LISTS = '1.34';

/** A suite that is skipped on versions of Kubernetes before `version`; its title says so then. */
export function describeSince(version: string, title: string, suite: (this: Mocha.Suite) => void): void {
  if (isKubernetesSince(version)) describe(title, suite);
  else describe.skip(`${title} (skipped: needs Kubernetes ${version})`, suite);
}

/** A test that is skipped on versions of Kubernetes before `version`; its title says so then. */
export function itSince(version: string, title: string, test: Mocha.AsyncFunc): void {
  if (isKubernetesSince(version)) it(title, test);
  else it.skip(`${title} (skipped: needs Kubernetes ${version})`, test);
}
