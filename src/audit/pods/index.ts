/** The checks of the family Pods: the Pod Security Standards, images, and operation. */
import type { Check } from '../check.ts';
import { BASELINE } from './baseline/index.ts';
import { IMAGES } from './images/index.ts';
import { imageSignatures } from './images/signatures.ts';
import { belowProfile, namespaceLabels } from './namespace-labels.ts';
import { probes } from './operation/probes.ts';
import { readOnlyRoot } from './operation/read-only-root.ts';
import { resources } from './operation/resources.ts';
import { RESTRICTED } from './restricted/index.ts';

export const PODS: readonly Check[] = [
  namespaceLabels,
  belowProfile,
  ...Object.values(BASELINE),
  ...Object.values(RESTRICTED),
  ...IMAGES,
  imageSignatures,
  resources,
  readOnlyRoot,
  probes,
];
