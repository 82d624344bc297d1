/** The detection of engines, as the composition root loads it. */
export { SIGNATURES } from '../../engines/signatures.ts';
export { EngineDetection } from './detection.ts';
