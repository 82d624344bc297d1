/** Models of two controllers of kube-controller-manager: the namespace controller and the garbage collector. */
import type { Dice } from '../../faults/model.ts';
import type { Scheduler } from '../schedule/scheduler.ts';
import { EXCEPTION, KINDS, NAMESPACE, PROFILE } from './kinds.ts';
import { keyOf, pathOf } from './route.ts';
import type { Server } from './server.ts';
import type { Revision } from './storage.ts';

const NAMESPACED = KINDS.filter(({ namespaced }) => namespaced);

export function startControllers(server: Server, scheduler: Scheduler, roll: Dice): void {
  startNamespaceController(server, scheduler, roll);
  startGarbageCollector(server, scheduler, roll);
}

/** Deletes the objects of a terminating namespace, one after the other, and then the namespace. */
function startNamespaceController(server: Server, scheduler: Scheduler, roll: Dice): void {
  const { storage } = server;

  storage.subscribe(({ kind, key, type, object, previous }) => {
    const begins =
      object.metadata.deletionTimestamp !== undefined && previous?.metadata.deletionTimestamp === undefined;
    if (kind === NAMESPACE && type === 'MODIFIED' && begins) emptyLater(key);
  });

  function emptyLater(name: string): void {
    scheduler.after(1 + roll(200), () => {
      const left = NAMESPACED.flatMap((kind) =>
        (storage.snapshot(kind) ?? [])
          .filter(([, { metadata }]) => metadata.namespace === name)
          .map(([, { metadata }]) => pathOf(kind, metadata.namespace, metadata.name)),
      );
      const next = left[roll(Math.max(1, left.length))];
      if (next !== undefined) {
        server.handle({ method: 'DELETE', path: next }, 'namespace-controller');
        emptyLater(name);
      } else {
        const path = `/api/v1/namespaces/${name}/finalize`;
        const body = { metadata: { name }, spec: { finalizers: [] } };
        server.handle({ method: 'PUT', path, body }, 'namespace-controller');
      }
    });
  }
}

/** Deletes an object whose owners are all deleted. */
function startGarbageCollector(server: Server, scheduler: Scheduler, roll: Dice): void {
  const { storage } = server;
  const collecting = new Set<string>();

  storage.subscribe((revision) => {
    const { kind, type, object } = revision;
    if ((kind === PROFILE || kind === EXCEPTION) && type === 'DELETED')
      for (const each of dependents(object.metadata.uid)) collectLater(each);
    if (type !== 'DELETED' && object.metadata.ownerReferences !== undefined)
      collectLater(pathOf(kind, object.metadata.namespace, object.metadata.name));
  });

  function dependents(owner: string | undefined): string[] {
    return KINDS.flatMap((kind) =>
      (storage.snapshot(kind) ?? [])
        .filter(([, { metadata }]) => metadata.ownerReferences?.some(({ uid }) => uid === owner))
        .map(([, { metadata }]) => pathOf(kind, metadata.namespace, metadata.name)),
    );
  }

  function collectLater(path: string): void {
    if (collecting.has(path)) return;
    collecting.add(path);
    scheduler.after(1 + roll(500), () => {
      collecting.delete(path);
      const { status, body } = server.handle({ method: 'GET', path }, 'garbage-collector');
      if (status !== 200) return;
      const { namespace, ownerReferences = [], uid, resourceVersion } = (body as Revision['object']).metadata;
      const alive = ownerReferences.some(({ kind, name, uid: owner }) => {
        const found =
          kind === EXCEPTION.kind
            ? storage.get(EXCEPTION, keyOf(namespace, name))
            : storage.get(PROFILE, name);
        return found?.metadata.uid === owner;
      });
      if (ownerReferences.length === 0 || alive) return;
      const options = { preconditions: { uid, resourceVersion } };
      server.handle({ method: 'DELETE', path, body: options }, 'garbage-collector');
    });
  }
}
