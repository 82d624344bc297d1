/** The extensions of profiles without a cluster: what an engine carries by the configuration alone, and its objects. Pure. */
import type { KubeObject } from '../../api/meta.ts';
import { type EngineFacts, type ExtensionPolicy, NO_ENGINE } from '../../policy/extensions.ts';
import type { EngineSetting } from '../engine.ts';
import { EXTENSION_ENGINES } from './engines.ts';
import type { ExtensionEngine } from './engine.ts';
import { planExtensions } from './plan.ts';

/** The engine that the configuration names, if the operator writes its policies. */
export function configuredEngine(setting: EngineSetting): ExtensionEngine | undefined {
  return EXTENSION_ENGINES.find(({ engine }) => engine === setting);
}

/** The peers that the configured engine carries, if all that it needs is installed. */
export function configuredFacts(setting: EngineSetting): EngineFacts {
  const engine = configuredEngine(setting);
  if (engine !== undefined) return { kind: 'available', carries: engine.carries };
  if (setting === 'None') return NO_ENGINE;
  const message =
    setting === 'Auto'
      ? 'which network engine runs is not known here (engine: Auto): name it in the file of --config, as engine: Cilium'
      : `the operator writes no policies of ${setting}'s own kinds`;
  return { kind: 'none', message };
}

/** The objects of the engine's kind that a namespace has; `own`: those of the profile. */
export interface ObservedObjects {
  readonly own: readonly KubeObject[];
  readonly others: readonly KubeObject[];
}

/** The objects for the extensions, as they are once they are written. Without observed ones, they are created. */
export function extensionObjects(
  policies: readonly ExtensionPolicy[],
  engine: ExtensionEngine,
  { own, others }: ObservedObjects = { own: [], others: [] },
): KubeObject[] {
  const { widen, narrow } = planExtensions([...own, ...others], policies, {
    engine,
    ownerOf: (object) => (own.includes(object) ? 'profile' : undefined),
    kept: new Set(),
  });
  const written = new Map(own.map((object) => [object.metadata.name, object]));
  for (const step of [...widen, ...narrow]) {
    if (step.verb === 'delete') written.delete(step.before.metadata.name);
    else written.set(step.object.metadata.name, step.object);
  }
  return [...written.values()];
}
