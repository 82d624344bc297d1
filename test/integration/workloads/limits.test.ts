// Limits of spec.workloads on a real API server: objects that exist, Deployments, resizes, connections, break-glass, and cost.
import assert from 'node:assert/strict';
import { eventually } from '../../support/cluster.ts';
import { DEPLOYMENT } from './kinds.ts';
import { DIGEST, GOOD, one, REGISTRIES } from './limit-cases.ts';
import { type Answer, type Limited, WorkloadScene } from './scene.ts';

const outcome = ({ status, warnings }: Answer) => [status, warnings];

describe('limits of workloads', () => {
  let scene: WorkloadScene;

  before(async () => {
    scene = await WorkloadScene.make();
  });
  after(() => scene.end());

  describe('of a Pod that runs already', () => {
    const pods = (at: Limited, rest = '') => `/api/v1/namespaces/${at.namespace}/pods/old${rest}`;
    let at: Limited;

    before(async () => {
      const object = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'old' }, spec: one('evil/app') };
      at = await scene.limited(REGISTRIES, ({ namespace }) =>
        scene.plane.admin.send('POST', `/api/v1/namespaces/${namespace}/pods`, object),
      );
      await scene.inForce(() => scene.createPod(at, one('evil/app')));
    });

    const patch = (path: string, body: object) =>
      scene.ask(path, body, { method: 'PATCH', contentType: 'application/strategic-merge-patch+json' });

    it('leave its labels, finalizers and status alone', async () => {
      const labelled = await patch(pods(at), { metadata: { labels: { a: 'b' } } });
      assert.deepEqual(outcome(labelled), [200, []], labelled.message);
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
      at = await scene.limited(REGISTRIES);
      await scene.inForce(() => scene.createPod(at, one('evil/app')));
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
      assert.deepEqual(outcome(await patch('/scale', { spec: { replicas: 2 } })), [200, []]);
      assert.deepEqual(outcome(await patch('', { metadata: { labels: { a: 'b' } } })), [200, []]);
      const changed = await patch('', { spec: { template: { spec: one('evil/other') } } });
      assert.equal(changed.status, 200, changed.message);
      assert.match(changed.warnings.join(), /for pods of this template: image evil\/other is from none/);
    });
  });

  describe('of resources', () => {
    it('take the defaults of a LimitRange into account, which the API server fills in before', async () => {
      const at = await scene.limited({ resources: { requests: ['cpu'], limits: ['memory'] } });
      await scene.inForce(() => scene.createPod(at, one('x')));
      const limits = [{ type: 'Container', default: { memory: '1Gi' }, defaultRequest: { cpu: '100m' } }];
      const range = {
        apiVersion: 'v1',
        kind: 'LimitRange',
        metadata: { name: 'defaults' },
        spec: { limits },
      };
      await scene.plane.admin.send('POST', `/api/v1/namespaces/${at.namespace}/limitranges`, range);
      await eventually(async () => {
        const { status, message } = await scene.createPod(at, one('x'));
        assert.equal(status, 201, message);
      });
    });

    it('judge only the containers that a resize changes', async () => {
      const big = { limits: { cpu: '4' }, requests: { cpu: '1' } };
      const spec = {
        containers: [
          { name: 'old', image: 'x', resources: big },
          { name: 'main', image: 'x', resources: big },
        ],
      };
      const pods = (place: Limited) => `/api/v1/namespaces/${place.namespace}/pods`;
      const at = await scene.limited({ resources: { maxLimits: { cpu: 1 } } }, (place) =>
        scene.ask(pods(place), { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'old' }, spec }),
      );
      const path = pods(at);
      // Only a kubelet that reports resources can resize.
      await eventually(async () => {
        const { status } = (await scene.plane.admin.send('GET', `${path}/old`)) as {
          status: { phase: string; containerStatuses?: object[] };
        };
        assert.equal(status.phase, 'Running');
        const containerStatuses = status.containerStatuses?.map((each) => ({ ...each, resources: {} }));
        await scene.plane.admin.send('PATCH', `${path}/old/status`, { status: { containerStatuses } });
      });
      await scene.inForce(() => scene.createPod(at, spec));
      const resize = (cpu: string) =>
        scene.ask(
          `${path}/old/resize?dryRun=All`,
          { spec: { containers: [{ name: 'main', resources: { limits: { cpu } } }] } },
          { method: 'PATCH', contentType: 'application/strategic-merge-patch+json' },
        );
      assert.match((await resize('3')).message, /container main has a limit for cpu of 3; its workloads/);
      const { status, message } = await resize('1');
      assert.equal(status, 200, message);
    });
  });

  describe('of who may connect to pods and debug them', () => {
    const createOld = ({ namespace }: Limited) =>
      scene.plane.admin.send('POST', `/api/v1/namespaces/${namespace}/pods`, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'old' },
        spec: one('x'),
      });
    const add = (at: Limited, groups: readonly string[] = []) =>
      scene.plane.kubectlRun(
        [
          '-n',
          at.namespace,
          '--as=someone',
          ...['system:masters', ...groups].map((each) => `--as-group=${each}`),
        ].concat(
          'patch',
          'pod',
          'old',
          '--subresource=ephemeralcontainers',
          '--type=strategic',
          '--dry-run=server',
          '-p',
          JSON.stringify({ spec: { ephemeralContainers: [{ name: 'debug', image: 'x' }] } }),
        ),
      );
    const connect = (at: Limited, path: string) =>
      scene.ask(`/api/v1/namespaces/${at.namespace}/pods/old/${path}`, undefined);

    it('admit members of the groups, and nobody else', async () => {
      const privileged = { ephemeralContainers: { groups: ['sre'] }, connect: { groups: [] } };
      const at = await scene.limited({ privileged }, createOld);
      await scene.inForce(() => connect(at, 'exec?command=id&stdout=true'));
      for (const path of ['exec?command=id&stdout=true', 'attach?stdout=true', 'portforward?ports=80']) {
        const { status, message } = await connect(at, path);
        assert.equal(status, 403, path);
        assert.match(
          message,
          /only members of its workloads\.privileged\.connect\.groups exec, attach and forward ports, which are none$/,
        );
      }
      await add(at, ['sre']);
      await assert.rejects(
        add(at),
        /ephemeral containers are added by members of its workloads\.\S+\.groups only: sre/,
      );
    });

    it('let everybody do what no limit is for', async () => {
      const at = await scene.limited(
        {
          privileged: { connect: { groups: ['system:masters'] }, hostPID: 'Deny' },
        },
        createOld,
      );
      await scene.inForce(() => scene.createPod(at, one('x', { hostPID: true })));
      assert.notEqual((await connect(at, 'exec?command=id&stdout=true')).status, 403);
      await add(at);
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
