/** The admission policies of config/exceptions: which names, ends and changes of exceptions the API server refuses, and to whom. */
import assert from 'node:assert/strict';
import { parse } from 'yaml';
import type { SegmentationException } from '../../../src/api/exception.ts';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { eventually, Sandbox } from '../../support/cluster.ts';
import { page, readRepositoryFile, samples } from '../../docs/pages.ts';
import { describeSince } from '../../support/kubernetes.ts';
import { installOperator } from '../../support/operator.ts';
import {
  APPROVER,
  bind,
  exception,
  fillIn,
  inSeconds,
  install,
  read,
  REQUESTER,
  uninstall,
  User,
} from './scene.ts';

describe('admission of exceptions', () => {
  let plane: ControlPlane;
  let box: Sandbox;
  let namespace: string;
  let count = 0;
  let jane: User;
  let joe: User;
  let mary: User;

  before(async () => {
    plane = await sharedControlPlane();
    await installOperator(plane);
    await install(plane);
    box = new Sandbox(plane, 'people');
    namespace = await box.namespace('shop');
    [jane, joe, mary] = ['jane', 'joe', 'mary'].map((name) => new User(plane, name)) as [User, User, User];
    await bind(plane, namespace, REQUESTER, 'jane', 'joe');
    await bind(plane, namespace, APPROVER, 'jane', 'mary');
    // The API server enforces a new admission policy after a moment.
    await eventually(() =>
      assert.rejects(
        jane.create(exception(namespace, `try-${count++}`, { requestedBy: 'joe' })),
        /requestedBy/,
      ),
    );
  });
  after(async () => {
    await box.remove();
    await uninstall(plane);
  });

  const created = (spec: Partial<SegmentationException['spec']> = {}) =>
    jane.create(exception(namespace, `e${count++}`, spec));

  it('keeps an exception of its creator, with an end in the future', async () => {
    const { spec } = await created();
    assert.equal(spec.requestedBy, 'jane');
  });

  const REFUSED_AT_CREATION: readonly (readonly [
    what: string,
    spec: () => Partial<SegmentationException['spec']>,
    message: RegExp,
  ])[] = [
    [
      'the name of another user',
      () => ({ requestedBy: 'joe' }),
      /requestedBy is the user who creates the exception: write jane/,
    ],
    [
      'an approval by the creator',
      () => ({ approval: { by: 'jane', until: inSeconds(60) } }),
      /neither extended nor approved/,
    ],
    [
      'an approval in the name of another user',
      () => ({ approval: { by: 'mary', until: inSeconds(60) } }),
      /neither extended nor approved/,
    ],
    ['an extension', () => ({ extendedBy: 'jane' }), /neither extended nor approved/],
    [
      'an end in the past',
      () => ({ expires: inSeconds(-1) }),
      /spec.expires is over, as it is now .*: write a later time/,
    ],
    ['no rule', () => ({ egress: [] }), /the exception opens nothing: write at least one rule/],
    ['a reason of blanks', () => ({ reason: '  ' }), /say why: an incident/],
  ];
  for (const [what, spec, message] of REFUSED_AT_CREATION) {
    it(`refuses ${what} at the creation`, () => assert.rejects(created(spec()), message));
  }

  for (const field of ['reason', 'expires', 'requestedBy']) {
    it(`refuses an exception without ${field}`, () =>
      assert.rejects(created({ [field]: undefined }), new RegExp(`\`${field}`)));
  }

  it('refuses a name that is no label value', () =>
    assert.rejects(jane.create(exception(namespace, 'a.b')), /without dots/));

  const CHANGES: readonly (readonly [what: string, patch: object, message: RegExp])[] = [
    ['its creator', { requestedBy: 'joe' }, /only spec.expires, spec.extendedBy and spec.approval/],
    ['its reason', { reason: 'other' }, /only spec.expires/],
    ['its rules', { egress: [{ name: 'to-db', to: [{ podSelector: {} }] }] }, /only spec.expires/],
    ['its profile', { profile: 'other' }, /only spec.expires/],
    [
      'who extended it, without a later end',
      { extendedBy: 'joe' },
      /extendedBy changes only together with a later/,
    ],
    [
      'its end, in no name',
      { expires: inSeconds(7200) },
      /extendedBy is the user who asks for the later end: write joe/,
    ],
    ['its end, in the name of another', { expires: inSeconds(7200), extendedBy: 'jane' }, /: write joe/],
  ];
  for (const [what, patch, message] of CHANGES) {
    it(`refuses a change of ${what}`, async () => {
      const object = await created();
      await assert.rejects(joe.patch(object, { spec: patch }), message);
    });
  }

  it('refuses changes of the spec by server-side apply, by update, and through the status', async () => {
    const object = await created();
    const forged = { ...object, spec: { ...object.spec, requestedBy: 'joe' } };
    const manifest = JSON.stringify({ ...forged, metadata: { name: object.metadata.name, namespace } });
    const apply = ['apply', '--server-side', '--force-conflicts', '-f', '-', '--as=joe'];
    await assert.rejects(plane.kubectlRun(apply, { stdin: manifest }), /only spec.expires/);
    await assert.rejects(
      plane.kubectlRun(['replace', '-f', '-', '--as=joe'], { stdin: JSON.stringify(forged) }),
      /only spec.expires/,
    );
    await assert.rejects(
      joe.patch(object, { spec: { requestedBy: 'joe' } }, '--subresource=status'),
      /forbidden/i,
    );
    // An administrator may write the status, and changes nothing else by it.
    const path = `/apis/segmentation.dev/v1alpha1/namespaces/${namespace}/segmentationexceptions/${object.metadata.name}`;
    await box.patch(`${path}/status`, { spec: { requestedBy: 'joe' }, status: { profile: 'p' } });
    assert.equal((await read(box, object)).spec.requestedBy, 'jane');
  });

  it('admits labels, and an earlier end in no name', async () => {
    const object = await created();
    await joe.patch(object, { metadata: { labels: { a: 'b' } } });
    await joe.patch(object, { spec: { expires: inSeconds(600) } });
  });

  it('admits the approval of a user who may approve, in the own name, until the end', async () => {
    const object = await created();
    await mary.approve(object);
    assert.deepEqual((await read(box, object)).spec.approval, { by: 'mary', until: object.spec.expires });
  });

  const APPROVALS: readonly (readonly [
    what: string,
    by: () => User,
    approval: (object: SegmentationException) => object,
    message: RegExp,
  ])[] = [
    [
      'in the name of another',
      () => mary,
      ({ spec }) => ({ by: 'joe', until: spec.expires }),
      /approval.by is the user who approves: write mary/,
    ],
    [
      'by the creator, who may approve',
      () => jane,
      ({ spec }) => ({ by: 'jane', until: spec.expires }),
      /nobody approves an own request/,
    ],
    [
      'without the verb approve',
      () => joe,
      ({ spec }) => ({ by: 'joe', until: spec.expires }),
      /joe may not approve segmentationexceptions in namespace/,
    ],
    [
      'beyond the end',
      () => mary,
      () => ({ by: 'mary', until: inSeconds(7200) }),
      /approval.until is the end that is approved: write /,
    ],
  ];
  for (const [what, by, approval, message] of APPROVALS) {
    it(`refuses an approval ${what}`, async () => {
      const object = await created();
      await assert.rejects(by().patch(object, { spec: { approval: approval(object) } }), message);
    });
  }

  it('refuses the approval of the user who extended the exception', async () => {
    const object = await created();
    const expires = inSeconds(7200);
    await mary.patch(object, { spec: { expires, extendedBy: 'mary' } });
    await assert.rejects(mary.approve(object, expires), /nobody approves an own request/);
  });

  it('keeps the approval of the earlier end when the exception is extended', async () => {
    const object = await created();
    await mary.approve(object);
    await joe.patch(object, { spec: { expires: inSeconds(7200), extendedBy: 'joe' } });
    assert.deepEqual((await read(box, object)).spec.approval, { by: 'mary', until: object.spec.expires });
    await assert.rejects(
      joe.patch(object, { spec: { approval: { until: inSeconds(7200) } } }),
      /approval.by is the user who approves/,
    );
  });

  it('admits the sample, and the commands of docs/exceptions.md', async () => {
    const [first, second] = [inSeconds(3600), inSeconds(7200)];
    const adapted = (text: string) =>
      text
        .replaceAll('2026-12-01T06:00:00Z', first)
        .replaceAll('2026-12-01T07:00:00Z', second)
        .replaceAll('shop-checkout', namespace);
    const sample = parse(
      adapted(readRepositoryFile('config/samples/exceptions/exception.yaml')),
    ) as SegmentationException;
    await jane.create({ ...sample, metadata: { ...sample.metadata, namespace } });
    const commands = samples(page('docs/exceptions.md'))
      .filter(({ language, text }) => language === 'sh' && text.includes('patch segx'))
      .map(({ text }) => adapted(text).replaceAll('\\\n', ' ').trim());
    assert.equal(commands.length, 2);
    for (const command of commands) {
      const args = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(
        ([, quoted, plain]) => quoted ?? plain ?? '',
      );
      const [, user = ''] = /"(?:by|extendedBy)":"(\w+)"/.exec(command) ?? [];
      await plane.kubectlRun([...args.slice(1), `--as=${user}`]);
    }
    const { spec } = await read(box, { ...sample, metadata: { ...sample.metadata, namespace } });
    assert.deepEqual(
      [spec.expires, spec.extendedBy, spec.approval],
      [second, 'jane', { by: 'mary', until: first }],
    );
  });

  it('holds administrators to their own names', async () => {
    const object = await created();
    const admin = new User(plane, 'root');
    const asMaster = { spec: { approval: { by: 'jane', until: object.spec.expires } } };
    await assert.rejects(admin.patch(object, asMaster, '--as-group=system:masters'), /write root/);
    const approval = { by: 'root', until: object.spec.expires };
    await admin.patch(object, { spec: { approval } }, '--as-group=system:masters');
  });

  it("holds the operator's own token to Events about exceptions, and to their status", async () => {
    const { metadata } = await created();
    const kubeconfig = await installOperator(plane);
    const event = (kind: string) => ({
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { name: `fence-${count++}`, namespace },
      eventTime: '2026-01-01T00:00:00.000000Z',
      type: 'Normal',
      reason: 'InForce',
      action: 'Open',
      reportingController: 'segmentation-operator',
      reportingInstance: 'test',
      regarding: { apiVersion: 'segmentation.dev/v1alpha1', kind, name: 'e', namespace },
    });
    const send = (kind: string) =>
      plane.kubectlRun(
        ['create', '--raw', `/apis/events.k8s.io/v1/namespaces/${namespace}/events`, '-f', '-'],
        { kubeconfig, stdin: JSON.stringify(event(kind)) },
      );
    await send('SegmentationException');
    await assert.rejects(send('Pod'), /here it writes Events about SegmentationExceptions only/);
    const patch = [
      'patch',
      'segx',
      metadata.name,
      '-n',
      namespace,
      '--type=merge',
      '-p',
      '{"spec":{"reason":"x"}}',
    ];
    await assert.rejects(plane.kubectlRun(patch, { kubeconfig }), /cannot patch resource/);
  });

  describe('of a named profile', () => {
    let profile: string;

    before(async () => {
      profile = await box.profile('p', {
        exceptions: { mode: 'Allowed', maxDuration: '2h', peers: ['Pods', 'Service'] },
      });
      await eventually(() => assert.rejects(created({ profile, expires: inSeconds(10_000) }), /2h/));
    });

    it('admits an exception within the grant', async () => {
      await created({ profile });
    });

    it('refuses an end beyond its maxDuration, also by extension', async () => {
      const message = /grants exceptions for 2h from their creation, extensions included: let it expire by /;
      await assert.rejects(created({ profile, expires: inSeconds(2 * 3600 + 60) }), message);
      const object = await created({ profile });
      const later = { expires: inSeconds(2 * 3600 + 60), extendedBy: 'joe' };
      await assert.rejects(joe.patch(object, { spec: later }), message);
    });

    it('refuses peers of kinds that it does not grant, at every place', async () => {
      const outside = [{ ipBlock: { cidr: '203.0.113.0/24' } }];
      const pods = [{ podSelector: {} }];
      const message = /grants exceptions for peers of kind Pods, Service, not IPBlock/;
      await assert.rejects(created({ profile, egress: [{ name: 'out', to: outside }] }), message);
      await assert.rejects(
        created({ profile, ingress: [{ name: 'in', from: [...pods, ...outside] }] }),
        message,
      );
      const names = [{ fqdn: { names: ['api.example.com'] } }];
      await assert.rejects(created({ profile, egress: [{ name: 'out', to: names }] }), /, not FQDN/);
      const connections = [{ name: 'both', from: pods, to: outside }];
      await assert.rejects(created({ profile, egress: undefined, connections }), message);
    });

    it('refuses exceptions of a profile without a grant', async () => {
      const none = await box.profile('none');
      await eventually(() =>
        assert.rejects(created({ profile: none }), /grants no exceptions: ask for exceptions.mode/),
      );
    });
  });
});

describeSince('1.36', 'requester of exceptions, filled in by the API server', () => {
  let plane: ControlPlane;
  let box: Sandbox;
  let namespace: string;
  let count = 0;

  before(async () => {
    plane = await sharedControlPlane();
    await installOperator(plane);
    await install(plane);
    await fillIn(plane, 'apply');
    box = new Sandbox(plane, 'fill-in');
    namespace = await box.namespace('shop');
    await bind(plane, namespace, REQUESTER, 'jane', 'joe');
    const [jane] = users();
    await eventually(() => jane.create(anonymous()));
  });
  after(async () => {
    await box.remove();
    await fillIn(plane, 'delete');
    await uninstall(plane);
  });

  const users = () => [new User(plane, 'jane'), new User(plane, 'joe')] as const;
  /** An exception that does not say who asks. */
  const anonymous = (): SegmentationException => {
    const made = exception(namespace, `e${count++}`);
    const { requestedBy: _, ...spec } = made.spec;
    return { ...made, spec: spec as SegmentationException['spec'] };
  };

  it('is the user who creates the exception, and then the user who extends it', async () => {
    const [jane, joe] = users();
    const object = await jane.create(anonymous());
    assert.equal(object.spec.requestedBy, 'jane');
    await joe.patch(object, { spec: { expires: inSeconds(7200) } });
    const { spec } = await read(box, object);
    assert.deepEqual([spec.requestedBy, spec.extendedBy], ['jane', 'joe']);
  });

  it('is not replaced where somebody writes another name, which is refused', async () => {
    const [jane] = users();
    await eventually(() =>
      assert.rejects(jane.create(exception(namespace, `e${count++}`, { requestedBy: 'joe' })), /write jane/),
    );
  });
});
