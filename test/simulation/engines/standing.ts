/** The facts of the network engine that the operator should have in a converged cluster, by the model. */
import type { Engine, EngineSetting } from '../../../src/engines/engine.ts';
import { SIGNATURES } from '../../../src/engines/signatures.ts';
import type { EngineFacts } from '../../../src/policy/extensions.ts';
import { definitionName, schemaOf } from '../server/definitions.ts';
import { DAEMON_SET, DEFINITION, ENGINE_KINDS, type Kind } from '../server/kinds.ts';
import type { Server } from '../server/server.ts';
import { engineNamed, engineOf } from './references.ts';
import { EXTENSION_KIND } from './users.ts';

/** The state of the definition of a kind. */
export type Served = 'gone' | 'changed' | 'current';

export function servedAs({ storage }: Server, kind: Kind): Served {
  const definition = storage.get(DEFINITION, definitionName(kind));
  if (schemaOf(kind, definition) === undefined) return 'gone';
  const { form } = (definition?.metadata.labels ?? {}) as { readonly form?: string };
  return form === 'current' || form === 'later' ? 'current' : 'changed';
}

/** True if the API server takes all that the operator writes of the kind. */
export function isWritable(server: Server, kind: Kind): boolean {
  return !server.forbidden.has(definitionName(kind)) && servedAs(server, kind) === 'current';
}

/** The engine that should be in force; undefined if the evidence is unclear, and what was found before stays in force. */
export function engineInForce(server: Server, setting: EngineSetting): Engine | 'None' | undefined {
  if (setting === 'None') return 'None';
  if (setting !== 'Auto') return setting;
  if (server.forbidden.has('daemonsets.apps')) return undefined;
  const isServed = (group: string) =>
    ENGINE_KINDS.some((kind) => kind.group === group && servedAs(server, kind) !== 'gone');
  const found = SIGNATURES.map(({ engine, agents, groups }) => {
    const present = agents.flatMap(
      ({ namespace, name }) => server.storage.get(DAEMON_SET, `${namespace}/${name}`) ?? [],
    );
    const isReady = present.some(
      ({ status }) => ((status ?? {}) as { readonly numberReady?: number }).numberReady,
    );
    return { engine, isPresent: present.length > 0, isRunning: isReady && groups.some(isServed) };
  });
  const running = found.filter(({ isRunning }) => isRunning);
  if (running.length > 0) return running.length === 1 ? running[0]?.engine : undefined;
  return found.some(({ isPresent }) => isPresent) ? undefined : 'None';
}

/** Describes facts of the leader that are not those of the cluster; undefined if they are right. */
export function wrongFacts(
  server: Server,
  setting: EngineSetting,
  facts: EngineFacts | undefined,
): string | undefined {
  if (facts === undefined) return 'the network engine is not known';
  const engine = engineInForce(server, setting) ?? engineOf(facts)?.engine;
  if (engine === undefined) return undefined;
  if (engine === 'None')
    return facts.kind === 'none' ? undefined : `no network engine runs, and the facts are ${facts.kind}`;
  const kind = EXTENSION_KIND[engine];
  const served = servedAs(server, kind);
  const isForbidden = server.forbidden.has(definitionName(kind));
  if (isForbidden || served === 'gone')
    return facts.kind === 'missing'
      ? undefined
      : `${kind.plural} can't be written, and the facts are ${facts.kind}`;
  if (served === 'changed') return undefined;
  return engineOf(facts) === engineNamed(engine)
    ? undefined
    : `${engine} is in force, and the facts are ${facts.kind}`;
}
