/** The engines whose own policies the operator writes. */
import { CALICO_EXTENSIONS } from '../calico/extensions.ts';
import { CILIUM_EXTENSIONS } from '../cilium/extensions.ts';
import { GKE_EXTENSIONS } from '../gke/extensions.ts';
import type { ExtensionEngine } from './engine.ts';

export const EXTENSION_ENGINES: readonly ExtensionEngine[] = [
  CILIUM_EXTENSIONS,
  CALICO_EXTENSIONS,
  GKE_EXTENSIONS,
];
