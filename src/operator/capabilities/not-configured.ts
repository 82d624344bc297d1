/** Stands for a capability that the operator's configuration does not name. */
import type { SegmentationProfile } from '../../api/profile.ts';
import type { Capability } from '../../controller/capability.ts';

export interface NotConfiguredOptions {
  /** The type of the condition. */
  readonly type: string;
  readonly message: string;
  /** True for a profile that asks for the capability. */
  readonly isAsked: (profile: SegmentationProfile) => boolean;
}

/** Tells profiles that ask for a capability why they have none. */
export function notConfigured({ type, message, isAsked }: NotConfiguredOptions): Capability {
  return {
    lead: () => {},
    stop: () => Promise.resolve(),
    isJudged: () => true,
    isReleased: () => true,
    report: (profile) =>
      isAsked(profile)
        ? { condition: { type, status: 'False', reason: 'NotConfigured', message }, isStalled: true }
        : undefined,
  };
}
