/** The staged policies of profiles in Audit without a cluster: by the configured engine, and as they are created. Pure. */
import type { KubeObject } from '../../api/meta.ts';
import type { SegmentationProfile } from '../../api/profile.ts';
import type { Compiled } from '../../policy/compile.ts';
import { asStaged } from '../../policy/staged.ts';
import type { EngineSetting } from '../engine.ts';
import { extensionObjects } from '../extensions/objects.ts';
import type { StagingEngine } from './engine.ts';
import { STAGING_ENGINES } from './engines.ts';

/** The engine that the configuration names, if it stages policies. */
export function configuredStaging(setting: EngineSetting): StagingEngine | undefined {
  return STAGING_ENGINES.find(({ engine }) => engine === setting);
}

export function stagedObjects(
  { policies, extensions }: Pick<Compiled, 'policies' | 'extensions'>,
  profile: SegmentationProfile,
  engine: StagingEngine,
): KubeObject[] {
  return [
    ...asStaged(policies, profile).map((policy) => engine.stage(policy)),
    ...extensionObjects(asStaged(extensions, profile), engine.extensions),
  ];
}
