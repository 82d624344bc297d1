/**
 * segmentation.dev/v1alpha1 SegmentationException, as the API server hands it out: validated, its defaults filled in. The
 * shape is generated from crds/exceptions.
 */
import type * as generated from './generated/segmentation-exception.ts';
import type { KubeObject } from './meta.ts';
import type { ReadonlyDeep } from './profile.ts';

export type { Notice } from './generated/segmentation-exception.ts';

export type ExceptionSpec = ReadonlyDeep<generated.SegmentationExceptionSpec>;
export type ExceptionStatus = ReadonlyDeep<generated.SegmentationExceptionStatus>;

export interface SegmentationException extends KubeObject {
  readonly spec: ExceptionSpec;
  readonly status?: ExceptionStatus;
}
