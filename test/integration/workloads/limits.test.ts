// Each limit of spec.workloads on a real API server: every kind, way to write, and action.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { SegmentationProfile } from '../../../src/api/profile.ts';
import { eventually } from '../../support/cluster.ts';
import { DEPLOYMENT, TEMPLATE_KINDS } from './kinds.ts';
import { type Limited, WorkloadScene } from './scene.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const GOOD = 'registry.example.com/app:1';
const one = (image: string, more: object = {}) => ({ containers: [{ name: 'main', image }], ...more });

interface Limit {
  readonly workloads: object;
  readonly broken: object;
  readonly kept: object;
  readonly says: RegExp;
}

const REGISTRIES = { images: { registries: ['registry.example.com'] } };

const LIMITS: Readonly<Record<string, Limit>> = {
  'images.registries': {
    workloads: REGISTRIES,
    broken: one('registry.example.com.evil/app'),
    kept: one(GOOD),
    says: /image registry\.example\.com\.evil\/app is from none of its workloads\.images\.registries: use an image from registry\.example\.com$/,
  },
  'images.digest': {
    workloads: { images: { digest: 'Required' } },
    broken: one(GOOD),
    kept: one(`${GOOD}@${DIGEST}`),
    says: /has no digest, which its workloads\.images\.digest requires: append @sha256:DIGEST$/,
  },
  'images.tags': {
    workloads: { images: { tags: { deny: ['latest'] }, exempt: ['docker.io/library/pause'] } },
    broken: {
      containers: [
        { name: 'pause', image: 'pause' },
        { name: 'main', image: 'nginx' },
      ],
    },
    kept: {
      containers: [
        { name: 'pause', image: 'pause' },
        { name: 'main', image: 'nginx:1' },
      ],
    },
    says: /image nginx is used by a tag that its workloads\.images\.tags\.deny names/,
  },
};

describe('limits of workloads', () => {
  let scene: WorkloadScene;
  const places = new Map<string, Limited>();
  const place = (what: string): Limited => {
    const found = places.get(what);
    assert.ok(found);
    return found;
  };

  before(async () => {
    scene = await WorkloadScene.make();
    for (const [what, { workloads }] of Object.entries(LIMITS))
      places.set(what, await scene.limited(workloads));
    await Promise.all(
      Object.entries(LIMITS).map(([what, { broken }]) =>
        scene.inForce(() => scene.createPod(place(what), broken)),
      ),
    );
  });
  after(() => scene.end());

  for (const [what, { broken, kept, says }] of Object.entries(LIMITS)) {
    it(`${what}: a Pod is refused, created or applied, and one within the limit is admitted`, async () => {
      const at = place(what);
      const refused = await scene.createPod(at, broken);
      assert.equal(refused.status, 403, refused.message);
      assert.match(refused.message, says);
      assert.match(refused.message, new RegExp(`SegmentationProfile ${at.profile}: `));
      const admitted = await scene.createPod(at, kept);
      assert.deepEqual([admitted.status, admitted.warnings], [201, []], admitted.message);
      const apply = (spec: object) =>
        scene.ask(
          `/api/v1/namespaces/${at.namespace}/pods/applied?fieldManager=test&dryRun=All`,
          { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'applied' }, spec },
          { method: 'PATCH', contentType: 'application/apply-patch+yaml' },
        );
      assert.match((await apply(broken)).message, says);
      assert.equal((await apply(kept)).status, 201);
    });

    it(`${what}: each kind with a template is admitted with a warning, and without one within the limit`, async () => {
      const at = place(what);
      for (const { kind, path, object } of TEMPLATE_KINDS) {
        const create = (spec: object) => scene.ask(`${path(at.namespace)}?dryRun=All`, object('x', spec));
        const warned = await create(broken);
        assert.equal(warned.status, 201, `${kind}: ${warned.message}`);
        assert.equal(warned.warnings.length, 1, `${kind}: ${warned.warnings.join('\n')}`);
        assert.match(warned.warnings[0] ?? '', says, kind);
        assert.match(warned.warnings[0] ?? '', /, for pods of this template: /);
        assert.deepEqual(await create(kept), { status: 201, message: '', warnings: [] }, kind);
      }
    });
  }

  describe('of a group with action', () => {
    it('Warn admit a Pod with a warning; Audit admits it and records it in the audit log', async () => {
      const broken = one('evil/app');
      const warning = await scene.limited({ images: { ...REGISTRIES.images, action: 'Warn' } });
      const auditing = await scene.limited({ images: { ...REGISTRIES.images, action: 'Audit' } });
      await scene.inForce(() => scene.createPod(warning, broken));
      const warned = await scene.createPod(warning, broken);
      assert.equal(warned.status, 201);
      assert.match(
        warned.warnings.join(),
        /image evil\/app is from none of its workloads\.images\.registries/,
      );
      const audited = await scene.createPod(auditing, broken);
      assert.deepEqual([audited.status, audited.warnings], [201, []]);
      const log = scene.plane.auditLog ?? '';
      await eventually(() => {
        const line = readFileSync(log, 'utf8')
          .split('\n')
          .find(
            (each) => each.includes(`/namespaces/${auditing.namespace}/pods`) && each.includes('evil/app'),
          );
        assert.match(line ?? '', /validation\.policy\.admission\.k8s\.io\/validation_failure/);
      });
    });
  });

  describe('of a Pod that runs already', () => {
    const pods = (at: Limited, rest = '') => `/api/v1/namespaces/${at.namespace}/pods/old${rest}`;
    let at: Limited;

    before(async () => {
      at = await scene.limited(REGISTRIES);
      const object = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'old' }, spec: one('evil/app') };
      // As a member of no group that is exempt, before the API server has taken up the bindings.
      assert.equal((await scene.ask(`/api/v1/namespaces/${at.namespace}/pods`, object)).status, 201);
      await scene.inForce(() => scene.createPod(at, one('evil/app')));
    });

    const patch = (path: string, body: object) =>
      scene.ask(path, body, { method: 'PATCH', contentType: 'application/strategic-merge-patch+json' });

    it('leave its labels, finalizers and status alone', async () => {
      const labelled = await patch(pods(at), { metadata: { labels: { a: 'b' } } });
      assert.deepEqual(labelled, { status: 200, message: '', warnings: [] });
      assert.equal((await patch(pods(at, '/status'), { status: { message: 'x' } })).status, 200);
    });

    it('judge an image only when it changes', async () => {
      const image = (name: string) => ({ spec: { containers: [{ name: 'main', image: name }] } });
      const deadline = await patch(`${pods(at)}?dryRun=All`, { spec: { activeDeadlineSeconds: 9 } });
      assert.equal(deadline.status, 200, deadline.message);
      assert.match((await patch(pods(at), image('evil/other'))).message, /image evil\/other is from none/);
      const changed = await patch(`${pods(at)}?dryRun=All`, image(GOOD));
      assert.equal(changed.status, 200, changed.message);
    });

    it('judge an ephemeral container that is added', async () => {
      const add = (image: string) =>
        patch(`${pods(at, '/ephemeralcontainers')}?dryRun=All`, {
          spec: { ephemeralContainers: [{ name: 'debug', image }] },
        });
      assert.match((await add('evil/debug')).message, /image evil\/debug is from none/);
      const added = await add(GOOD);
      assert.equal(added.status, 200, added.message);
    });

    it('let it be deleted', async () => {
      const deleted = await scene.ask(`${pods(at)}?gracePeriodSeconds=0`, undefined, { method: 'DELETE' });
      assert.equal(deleted.status, 200, deleted.message);
    });
  });

  describe('of a Deployment', () => {
    let at: Limited;
    let path: string;
    const patch = (rest: string, body: object) =>
      scene.ask(`${path}${rest}`, body, { method: 'PATCH', contentType: 'application/merge-patch+json' });

    before(async () => {
      at = place('images.registries');
      path = `${DEPLOYMENT.path(at.namespace)}/web`;
      const object = DEPLOYMENT.object('web', one('evil/app'));
      assert.equal((await scene.ask(DEPLOYMENT.path(at.namespace), object)).status, 201);
    });

    it('refuse its pods, with the same words in an Event', async () => {
      await eventually(async () => {
        const { items } = (await scene.plane.admin.send(
          'GET',
          `/api/v1/namespaces/${at.namespace}/events?fieldSelector=reason=FailedCreate`,
        )) as { items: { message: string }[] };
        assert.match(items[0]?.message ?? '', /image evil\/app is from none/);
      });
    });

    it('leave scaling and labels alone, and warn when its template changes', async () => {
      const quiet = { status: 200, message: '', warnings: [] };
      assert.deepEqual(await patch('/scale', { spec: { replicas: 2 } }), quiet);
      assert.deepEqual(await patch('', { metadata: { labels: { a: 'b' } } }), quiet);
      const changed = await patch('', { spec: { template: { spec: one('evil/other') } } });
      assert.equal(changed.status, 200, changed.message);
      assert.match(changed.warnings.join(), /for pods of this template: image evil\/other is from none/);
    });
  });

  it('exempt members of breakGlassGroups', async () => {
    const at = await scene.limited({ ...REGISTRIES, breakGlassGroups: ['sre'] });
    await scene.inForce(() => scene.createPod(at, one('evil/app')));
    const stdin = JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'x', namespace: at.namespace },
      spec: one('evil/app'),
    });
    const create = (group: string) =>
      scene.plane.kubectlRun(
        [
          '--as=someone',
          '--as-group=system:masters',
          `--as-group=${group}`,
          'create',
          '--dry-run=server',
          '-f',
          '-',
        ],
        { stdin },
      );
    await create('sre');
    // kubectl translates the API server's answer, and keeps its words.
    await assert.rejects(
      create('dev'),
      /^Error: .*: SegmentationProfile \S+: image evil\/app is from none of its/,
    );
  });

  it('refuse nothing once the profile is gone, although a binding is left', async () => {
    const at = await scene.limited(REGISTRIES);
    await scene.inForce(() => scene.createPod(at, one('evil/app')));
    const profiles = '/apis/segmentation.dev/v1alpha1/segmentationprofiles';
    await scene.orphanBindings(at);
    await scene.plane.admin.send('DELETE', `${profiles}/${at.profile}`);
    await eventually(async () => assert.equal((await scene.createPod(at, one('evil/app'))).status, 201));
  });

  it('have expressions that the API server finds no fault with', async () => {
    await eventually(async () => {
      const { items } = (await scene.plane.admin.send(
        'GET',
        '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies',
      )) as {
        items: (SegmentationProfile & { status?: { typeChecking?: { expressionWarnings?: object[] } } })[];
      };
      for (const { metadata, status } of items.filter(({ metadata: { name } }) =>
        name.startsWith('workload-'),
      )) {
        assert.ok(status?.typeChecking, metadata.name);
        assert.deepEqual(status.typeChecking.expressionWarnings ?? [], [], metadata.name);
      }
    });
  });

  it('judge 1,000 containers by the longest limits within the budget of the API server, and refuse more', async () => {
    const many = (count: number, each: (index: number) => string) =>
      Array.from({ length: count }, (_, index) => each(index));
    const at = await scene.limited({
      images: {
        registries: many(32, (index) => `r${index}.registry.example.com/team-${index}/${'x'.repeat(40)}`),
        digest: 'Required',
        tags: { deny: many(16, (index) => `t${index}`) },
        exempt: many(32, (index) => `e${index}.registry.example.com/exempt-${index}`),
      },
    });
    await scene.inForce(() => scene.createPod(at, one('evil/app')));
    const image = `r31.registry.example.com/team-31/${'x'.repeat(40)}/app@${DIGEST}`;
    const containers = many(1001, (index) => `c${index}`).map((name) => ({ name, image }));
    const largest = await scene.createPod(at, { containers: containers.slice(1) });
    assert.equal(largest.status, 201, largest.message);
    const evil = { containers: [...containers.slice(2), { name: 'evil', image: `evil/app@${DIGEST}` }] };
    assert.match((await scene.createPod(at, evil)).message, /image evil\/app@sha256:.* is from none of/);
    assert.match((await scene.createPod(at, { containers })).message, /more than the 1000 images/);
  });
});
