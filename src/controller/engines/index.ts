/** The detection of engines and their extensions, as the composition root loads it. */
export { EXTENSION_ENGINES } from '../../engines/extensions/engines.ts';
export { STAGING_ENGINES } from '../../engines/staging/engines.ts';
export { SIGNATURES } from '../../engines/signatures.ts';
export { EngineDetection } from './detection.ts';
export { EngineExtensions } from './support.ts';
