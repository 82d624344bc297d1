/** The checks of the family Platform: versions of Kubernetes and of this project, and what the API server runs. */
import type { Check } from '../check.ts';
import { admissionPluginMissing } from './admission-plugins.ts';
import { networkPluginMissing } from './network-plugin.ts';
import { crdOutdated, operatorVersion } from './operator-version.ts';
import { removedApi } from './removed-apis.ts';
import { versionSkew } from './version-skew.ts';

export const PLATFORM: readonly Check[] = [
  versionSkew,
  removedApi,
  admissionPluginMissing,
  networkPluginMissing,
  crdOutdated,
  operatorVersion,
];
