/** The signatures of all engines. Each engine has a folder of its own, which nothing else knows. */
import { CALICO } from './calico/signature.ts';
import { CILIUM } from './cilium/signature.ts';
import type { EngineSignature } from './detection/signature.ts';
import { GKE } from './gke/signature.ts';

export const SIGNATURES: readonly EngineSignature[] = [CILIUM, CALICO, GKE];
