/** Each kind of a network engine or mesh that the operator may write, by the permissions in config/engines. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { KubeObject } from '../../../src/api/meta.ts';
import { ClusterState } from '../../../src/cluster-state/state.ts';
import {
  type EngineKind,
  EngineObjects,
  SchemaTooOldError,
} from '../../../src/controller/engines/objects.ts';
import { OVERLAY_KINDS } from '../../../src/controller/mesh/overlay.ts';
import { EXTENSION_ENGINES } from '../../../src/engines/extensions/engines.ts';
import { GUARD_CARRIERS } from '../../../src/engines/guards/carriers.ts';
import type { ObjectStep } from '../../../src/engines/object-step.ts';
import { STAGING_ENGINES } from '../../../src/engines/staging/engines.ts';
import type { Request } from '../../../src/kube/http/transport.ts';
import { Resource } from '../../../src/kube/resource.ts';
import type { Schema } from '../../simulation/server/definitions.ts';
import { Server } from '../../simulation/server/server.ts';
import { transportTo } from '../../simulation/server/transport.ts';
import { VirtualClock } from '../../support/clocks/virtual-clock.ts';

const ROOT = join(import.meta.dirname, '../../..');

const GUARD_KINDS = GUARD_CARRIERS.flatMap(
  ({ group, versions: [version = ''], plural, staging, component, since }): EngineKind[] =>
    [plural, ...(staging === undefined ? [] : [staging.plural])].map((each) => ({
      kind: { group, version, plural: each, namespaced: false },
      component,
      since,
    })),
);
const KINDS: readonly EngineKind[] = [
  ...EXTENSION_ENGINES,
  ...STAGING_ENGINES.flatMap((engine) => [engine, engine.extensions]),
  ...GUARD_KINDS,
  ...OVERLAY_KINDS,
];

interface Role {
  readonly kind?: string;
  readonly rules?: readonly {
    readonly apiGroups: readonly string[];
    readonly resources: readonly string[];
    readonly verbs: readonly string[];
  }[];
}

/** The kinds that the roles of config/engines let the operator create. */
function permitted(): string[] {
  const files = globSync('config/engines/*/cluster_role.yaml', { cwd: ROOT });
  const roles = files
    .flatMap((file) => parseAllDocuments(readFileSync(join(ROOT, file), 'utf8')))
    .map((document) => document.toJS() as Role);
  const rules = roles.flatMap((role) => role.rules ?? []).filter(({ verbs }) => verbs.includes('create'));
  const kinds = rules.flatMap(({ apiGroups, resources }) =>
    // Calico authorizes writes by tiers too, under names of resources that nobody writes.
    resources.filter((each) => !each.startsWith('tier.')).map((each) => `${each}.${apiGroups[0]}`),
  );
  return [...new Set(kinds)].sort();
}

const SPEC: Schema = { properties: { written: {} } };

describe('writer of objects of a network engine', () => {
  const stops: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop();
  });

  it('writes each kind that the operator has a permission to create', () => {
    assert.deepEqual(KINDS.map(({ kind }) => `${kind.plural}.${kind.group}`).sort(), permitted());
  });

  for (const each of KINDS) {
    const { kind } = each;
    const { group, version, plural, namespaced } = kind;
    const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
    const definition = `${plural}.${group}`;

    const start = async () => {
      const server = new Server(() => 0);
      const requests: Request[] = [];
      const transport = transportTo(server, (request) => requests.push(request));
      const define = (spec: Schema) => {
        const schema = { openAPIV3Schema: { properties: { spec } } };
        const body = {
          metadata: { name: definition },
          spec: { versions: [{ name: version, served: true, schema }] },
        };
        server.handle({ method: 'PATCH', path: `${definitions}/${definition}`, body }, 'user');
        server.handle({ method: 'POST', path: definitions, body }, 'user');
      };
      define(SPEC);
      server.handle(
        { method: 'POST', path: '/api/v1/namespaces', body: { metadata: { name: 'shop' } } },
        'user',
      );
      const { promise: isListed, resolve: listed } = Promise.withResolvers<void>();
      const objects = new EngineObjects(
        each,
        {
          transport,
          clusterState: new ClusterState([]),
          clock: new VirtualClock(),
          random: () => 0,
          resyncMs: 0,
          onWrite: () => {},
          onWatchError: () => {},
        },
        { onState: listed, onDrift: () => {} },
      );
      await isListed;
      stops.push(() => objects.stop());
      const resource = new Resource<KubeObject>(transport, kind);
      const stored = () =>
        resource.get('p.egress', namespaced ? 'shop' : undefined) as Promise<KubeObject & { spec: object }>;
      const write = (step: ObjectStep) => objects.write(step, new AbortController().signal);
      return { define, write, stored, requests };
    };
    const object = (written: string): KubeObject => ({
      metadata: { name: 'p.egress', ...(namespaced && { namespace: 'shop' }) },
      ...({ spec: { written } } as object),
    });
    const writes = (requests: readonly Request[]) => requests.filter(({ body }) => body !== undefined);

    describe(`of ${definition}`, () => {
      it('has the API server refuse unknown fields', async () => {
        const { write, stored, requests } = await start();
        await write({ verb: 'create', object: object('one') });
        await write({ verb: 'update', object: object('two'), before: await stored() });
        assert.deepEqual((await stored()).spec, { written: 'two' });
        assert.deepEqual(
          writes(requests).map(({ method, query }) => `${method} ${query?.['fieldValidation']}`),
          ['POST Strict', 'PUT Strict'],
        );
      });

      it('leaves what is there if the schema lacks a field', async () => {
        const { define, write, stored } = await start();
        define({ properties: { other: {} } });
        await assert.rejects(write({ verb: 'create', object: object('one') }), SchemaTooOldError);
        await assert.rejects(stored(), /404|not found/i);
      });

      it('takes a new object back that is stored in another form', async () => {
        const { define, write, stored } = await start();
        define({ properties: { written: {}, added: { default: 'by the API server' } } });
        await assert.rejects(write({ verb: 'create', object: object('one') }), SchemaTooOldError);
        await assert.rejects(stored(), /404|not found/i);
      });

      it('takes an update back that is stored in another form', async () => {
        const { define, write, stored } = await start();
        await write({ verb: 'create', object: object('one') });
        const before = await stored();
        define({ properties: { written: {}, added: { default: 'by the API server' } } });
        await assert.rejects(write({ verb: 'update', object: object('two'), before }), SchemaTooOldError);
        assert.deepEqual((await stored()).spec, { written: 'one', added: 'by the API server' });
      });
    });
  }
});
