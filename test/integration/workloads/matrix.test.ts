// Each limit of spec.workloads for pods, by each way to write each kind, under each action and for break-glass groups, on a
// real API server. The judge of `action: Audit` is the API server's audit log.
import assert from 'node:assert/strict';
import { eventually } from '../../support/cluster.ts';
import { AuditLog } from './audit-log.ts';
import { TEMPLATE_KINDS, type TemplateKind } from './kinds.ts';
import { GOOD, type Limit, LIMITS, one } from './limit-cases.ts';
import { type Answer, type Limited, WorkloadScene } from './scene.ts';

const ACTIONS = ['Enforce', 'Warn', 'Audit'] as const;
type Action = (typeof ACTIONS)[number];

/** Kinds of which server-side apply is tried; every kind is created and updated. */
const APPLIED = ['Deployment', 'CronJob'];
/** The template of a Job can't be changed. */
const isUpdated = ({ kind }: TemplateKind) => kind !== 'Job';

interface Way {
  readonly what: string;
  /** `pod`: refused under Enforce. `template`: warned of. `scale`: never judged. */
  readonly of: 'pod' | 'template' | 'scale';
  readonly write: (groups?: readonly string[]) => Promise<Answer>;
}

/** An object of the kind that makes no pods. */
function idle(kind: TemplateKind, name: string, podSpec: object): object {
  const object = kind.object(name, podSpec) as { readonly spec: object };
  const pause = kind.isScaled ? { replicas: 0 } : kind.kind === 'DaemonSet' ? {} : { suspend: true };
  return { ...object, spec: { ...object.spec, ...pause } };
}

/** No node has such a label: a DaemonSet makes no pods. */
const nowhere = (podSpec: object) => ({
  ...podSpec,
  nodeSelector: { 'test.segmentation.dev/nowhere': 'true' },
});

/** The verdict of the answer about the limit: refused, warned of, or nothing. */
function effectOf({ status, message, warnings }: Answer, words: string): string {
  if (status === 403) return message.endsWith(`: ${words}`) ? 'refused' : `refused: ${message}`;
  if (status >= 300) return `HTTP ${status}: ${message}`;
  const [warning] = warnings;
  if (warning === undefined) return 'admitted';
  return warnings.length === 1 && warning.endsWith(`: ${words}`)
    ? 'warned of'
    : `warned of: ${warnings.join()}`;
}

describe('limits of pods', () => {
  let scene: WorkloadScene;
  const places = new Map<string, Limited>();
  /** Requests under `action: Audit`, by their id in the audit log: the words of the limit, or none within the limit. */
  const audited = new Map<string, { readonly what: string; readonly words: string | undefined }>();
  const placeOf = (what: string, action: Action): Limited =>
    places.get(`${what} ${action}`) ?? assert.fail(what);

  /** Objects that are there before the limits: within the limit, and idle workloads that break it. */
  async function createOld({ namespace }: Limited, { broken, kept }: Limit): Promise<void> {
    const create = (path: string, object: object) => scene.plane.admin.send('POST', path, object);
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'old' }, spec: one(GOOD) };
    await Promise.all([
      create(`/api/v1/namespaces/${namespace}/pods`, pod),
      ...TEMPLATE_KINDS.filter(isUpdated).map((kind) =>
        create(kind.path(namespace), idle(kind, 'old', nowhere(kept))),
      ),
      ...TEMPLATE_KINDS.filter(({ isScaled }) => isScaled).map((kind) =>
        create(kind.path(namespace), idle(kind, 'bad', nowhere(broken))),
      ),
    ]);
  }

  /** Every way to write the pod, as a dry run. */
  function waysOf({ namespace }: Limited, podSpec: object, ephemeral: object | undefined): Way[] {
    const pods = `/api/v1/namespaces/${namespace}/pods`;
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'new' }, spec: podSpec };
    const apply =
      (path: string, object: object): Way['write'] =>
      (groups) =>
        scene.ask(`${path}?fieldManager=test&dryRun=All`, object, {
          method: 'PATCH',
          contentType: 'application/apply-patch+yaml',
          ...(groups && { groups }),
        });
    const send =
      (method: 'POST' | 'PUT', path: string, object: object): Way['write'] =>
      (groups) =>
        scene.ask(`${path}?dryRun=All`, object, { method, ...(groups && { groups }) });
    const patch =
      (path: string, type: string, body: object): Way['write'] =>
      (groups) =>
        scene.ask(`${path}?dryRun=All`, body, {
          method: 'PATCH',
          contentType: `application/${type}+json`,
          ...(groups && { groups }),
        });
    const templates = TEMPLATE_KINDS.flatMap((kind): Way[] => {
      const path = kind.path(namespace);
      const object = kind.object('new', podSpec);
      const { kind: name } = kind;
      return [
        { what: `create ${name}`, of: 'template', write: send('POST', path, object) },
        ...(APPLIED.includes(name)
          ? [{ what: `apply ${name}`, of: 'template', write: apply(`${path}/new`, object) } as const]
          : []),
        ...(isUpdated(kind)
          ? [
              {
                what: `update ${name}`,
                of: 'template',
                write: send('PUT', `${path}/old`, idle(kind, 'old', podSpec)),
              } as const,
            ]
          : []),
      ];
    });
    const add = { spec: { ephemeralContainers: [ephemeral] } };
    return [
      { what: 'create Pod', of: 'pod', write: send('POST', pods, pod) },
      { what: 'apply Pod', of: 'pod', write: apply(`${pods}/new`, pod) },
      ...(ephemeral
        ? [
            {
              what: 'add ephemeral container',
              of: 'pod',
              write: patch(`${pods}/old/ephemeralcontainers`, 'strategic-merge-patch', add),
            } as const,
          ]
        : []),
      ...templates,
    ];
  }

  /** Scaling of the idle workloads that break the limit. */
  function scalings({ namespace }: Limited): Way[] {
    return TEMPLATE_KINDS.filter(({ isScaled }) => isScaled).map((kind) => ({
      what: `scale ${kind.kind}`,
      of: 'scale',
      write: (groups) =>
        scene.ask(
          `${kind.path(namespace)}/bad/scale?dryRun=All`,
          { spec: { replicas: 2 } },
          { method: 'PATCH', contentType: 'application/merge-patch+json', ...(groups && { groups }) },
        ),
    }));
  }

  async function effects(ways: readonly Way[], words: string, groups?: readonly string[]) {
    const answers = await Promise.all(ways.map(async (way) => ({ way, answer: await way.write(groups) })));
    return Object.fromEntries(answers.map(({ way, answer }) => [way.what, effectOf(answer, words)]));
  }

  before(async () => {
    scene = await WorkloadScene.make();
    await Promise.all(
      Object.entries(LIMITS).flatMap(([what, limit]) =>
        ACTIONS.map(async (action) => {
          const [[group, limits] = assert.fail(what)] = Object.entries(limit.workloads) as [string, object][];
          const workloads = { [group]: { ...limits, action }, breakGlassGroups: ['sre'] };
          places.set(`${what} ${action}`, await scene.limited(workloads, (at) => createOld(at, limit)));
        }),
      ),
    );
    await Promise.all(
      Object.entries(LIMITS).flatMap(([what, { broken }]) =>
        (['Enforce', 'Warn'] as const).map((action) =>
          scene.inForce(() => scene.createPod(placeOf(what, action), broken)),
        ),
      ),
    );
  });
  after(() => scene.end());

  for (const [what, limit] of Object.entries(LIMITS)) {
    const { message, ephemeral } = limit;
    const brokenWays = (action: Action) => {
      const at = placeOf(what, action);
      return [...waysOf(at, limit.broken, ephemeral?.broken), ...scalings(at)];
    };

    it(`${what} under Enforce refuse pods, warn of templates, and leave scaling alone`, async () => {
      const ways = brokenWays('Enforce');
      const effect = { pod: 'refused', template: 'warned of', scale: 'admitted' };
      const expected = Object.fromEntries(ways.map((way) => [way.what, effect[way.of]]));
      assert.deepEqual(await effects(ways, message), expected);
      const within = waysOf(placeOf(what, 'Enforce'), limit.kept, ephemeral?.kept);
      const admitted = Object.fromEntries(within.map((way) => [way.what, 'admitted']));
      assert.deepEqual(await effects(within, message), admitted);
    });

    it(`${what} under Enforce are silent for a break-glass group`, async () => {
      const ways = brokenWays('Enforce');
      const admitted = Object.fromEntries(ways.map((way) => [way.what, 'admitted']));
      assert.deepEqual(await effects(ways, message, ['sre']), admitted);
    });

    it(`${what} under Warn warn of pods and templates`, async () => {
      const ways = brokenWays('Warn');
      const effect = { pod: 'warned of', template: 'warned of', scale: 'admitted' };
      const expected = Object.fromEntries(ways.map((way) => [way.what, effect[way.of]]));
      assert.deepEqual(await effects(ways, message), expected);
      const at = placeOf(what, 'Warn');
      assert.equal(effectOf(await scene.createPod(at, limit.kept), message), 'admitted');
    });
  }

  it('under Audit admit everything, and record what breaks them in the audit log', async () => {
    const log = new AuditLog(scene.plane);
    for (const [what, limit] of Object.entries(LIMITS)) {
      const at = placeOf(what, 'Audit');
      const ways = waysOf(at, limit.broken, limit.ephemeral?.broken);
      const silent = [...scalings(at), ...waysOf(at, limit.kept, limit.ephemeral?.kept)];
      const record = async (list: readonly Way[], words: string | undefined, groups?: readonly string[]) => {
        await Promise.all(
          list.map(async (way) => {
            const answer = await way.write(groups);
            assert.equal(effectOf(answer, limit.message), 'admitted', `${what}: ${way.what}`);
            audited.set(answer.auditId, { what: `${what}: ${way.what}`, words });
          }),
        );
      };
      // The bindings of all actions were created together; those of Audit show only in the log.
      await eventually(async () => {
        const { auditId } = await scene.createPod(at, limit.broken);
        const failure = await eventually(() => log.failureOf(auditId));
        assert.ok(failure.endsWith(`: ${limit.message}`), failure);
      }, 60_000);
      await record(ways, limit.message);
      await record(silent, undefined);
      await record(ways.slice(0, 2), undefined, ['sre']);
    }
    await eventually(() => {
      for (const [id, { what, words }] of audited) {
        const failure = log.failureOf(id);
        if (words === undefined) assert.equal(failure, '', what);
        else assert.ok(failure.endsWith(`: ${words}`), `${what}: ${failure}`);
      }
    });
  });

  it('have words that kubectl prints as they are', async () => {
    const objects = Object.entries(LIMITS).flatMap(([what, { broken }]) => {
      const { namespace } = placeOf(what, 'Enforce');
      return [{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'new', namespace }, spec: broken }];
    });
    const stdin = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects });
    const error = await scene.plane.kubectlRun(['create', '--dry-run=server', '-f', '-'], { stdin }).then(
      () => assert.fail('nothing was refused'),
      (reason: unknown) => String(reason),
    );
    const lines = Object.entries(LIMITS).map(([what, { workloads, message }]) => {
      const { profile } = placeOf(what, 'Enforce');
      const group =
        Object.keys(workloads)[0] === 'serviceAccounts' ? 'service-accounts' : Object.keys(workloads)[0];
      const policy = `workload-${group}.segmentation.dev`;
      return (
        `Error from server (Forbidden): error when creating "STDIN": pods "new" is forbidden: ` +
        `ValidatingAdmissionPolicy '${policy}' with binding '${profile}.${policy}' denied request: ` +
        `SegmentationProfile ${profile}: ${message}`
      );
    });
    assert.deepEqual(
      error
        .replace(/^Error: /, '')
        .trim()
        .split('\n'),
      lines,
    );
  });
});
