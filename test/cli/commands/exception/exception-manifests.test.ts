/** Manifests of SegmentationExceptions, as the commands of the plugin read them. */
import assert from 'node:assert/strict';
import { cli, directoryOf } from '../../cli.ts';

/** In ten hours, so that `maxDuration: 8h` is too short for it. */
const LATE = new Date(Date.now() + 36_000_000).toISOString();
const SOON = new Date(Date.now() + 3_600_000).toISOString().replace(/\.\d{3}Z$/, 'Z');
const LATER = new Date(Date.now() + 7_200_000).toISOString().replace(/\.\d{3}Z$/, 'Z');
const PEER = '{podSelector: {matchLabels: {app: db}}}';

const CLUSTER = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
${['web', 'db']
  .map(
    (app) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${app}, namespace: shop}
spec:
  selector: {matchLabels: {app: ${app}}}
  template:
    metadata: {labels: {app: ${app}}}
    spec: {containers: [{name: main, image: example.com/${app}, ports: [{containerPort: 5432}]}]}
`,
  )
  .join('---')}`;

const profile = (mode: string) => `
apiVersion: segmentation.dev/v1alpha1
kind: SegmentationProfile
metadata: {name: p}
spec:
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}
  isolation: [Egress]
  exceptions: {mode: ${mode}, maxDuration: 8h}
`;

const exception = (fields: string, peer = PEER) => `
apiVersion: segmentation.dev/v1alpha1
kind: SegmentationException
metadata: {name: debug, namespace: shop}
spec:
  reason: INC-4711
  ${fields}
  egress: [{name: to-db, podSelector: {matchLabels: {app: web}}, to: [${peer}], ports: [{port: 5432}]}]
`;
const ASKED = `expires: "${SOON}"\n  requestedBy: jane`;

describe('a manifest of an exception', () => {
  const checks = 'checks: [{name: db is closed, from: shop/web, to: shop/db, expect: deny}]';
  const cwd = directoryOf({ 'cluster.yaml': CLUSTER, 'checks.yaml': checks });
  const run = (command: string, mode: string, manifest: string) =>
    cli(`${command} -f cluster.yaml -f -`, { cwd, stdin: [profile(mode), manifest].join('---') });

  it('is rendered to the policies that the operator writes, which need no owner', async () => {
    const { stdout, stderr, code } = await run('render -o yaml', 'Allowed', exception(ASKED));
    assert.equal(code, 0, stderr);
    assert.match(stdout, /name: p\.exception\.debug\.egress\.to-db\n/);
    assert.match(stdout, new RegExp(`"until":"${SOON}","description":"INC-4711"`));
    assert.doesNotMatch(stdout, /ownerReferences/);
  });

  it('opens its flow, which explain names with reason and end', async () => {
    const { stdout, code } = await run('explain shop/web shop/db --port 5432', 'Allowed', exception(ASKED));
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`rule to-db of exception shop/debug until ${SOON}`));
    const other = await run('explain shop/db shop/web --port 5432', 'Allowed', exception(ASKED));
    assert.equal(other.code, 1);
  });

  it('counts as approved where the profile asks for an approval, and a note says so', async () => {
    const { stderr, code } = await run(
      'explain shop/web shop/db --port 5432',
      'ApprovalRequired',
      exception(ASKED),
    );
    assert.equal(code, 0);
    assert.match(stderr, /note: exception shop\/debug is taken as approved: it waits for an approval/);
  });

  it('may leave its requestedBy to the API server, and a note says when that fills it in', async () => {
    const { stderr, code } = await run('render', 'Allowed', exception(`expires: "${SOON}"`));
    assert.equal(code, 0, stderr);
    assert.match(stderr, /exception shop\/debug has no requestedBy: with config\/exceptions\/fill-in/);
  });

  const OPENS_NOTHING: readonly (readonly [what: string, mode: string, manifest: string, why: RegExp])[] = [
    ['no profile grants it', 'Disabled', exception(ASKED), /p grants no exceptions/],
    [
      'it ends too late for the grant',
      'Allowed',
      exception(`expires: "${LATE}"\n  requestedBy: jane`),
      /p grants exceptions for 8h from their creation/,
    ],
    [
      'its kind of peer is not granted',
      'Allowed',
      exception(ASKED, '{ipBlock: {cidr: 203.0.113.0/24}}'),
      /rule to-db has a peer of kind IPBlock/,
    ],
    [
      'its end is over',
      'Allowed',
      exception('expires: "2026-01-01T00:00:00Z"\n  requestedBy: jane'),
      /it expired at 2026-01-01T00:00:00Z, and the API server refuses to create it/,
    ],
  ];
  for (const [what, mode, manifest, why] of OPENS_NOTHING)
    it(`opens nothing if ${what}, and a warning says so`, async () => {
      const { stderr, code } = await run('explain shop/web shop/db --port 5432', mode, manifest);
      assert.equal(code, 1);
      assert.match(stderr, /warning: exception shop\/debug opens nothing: /);
      assert.match(stderr, why);
    });

  it('is refused as the API server refuses it, with its line', async () => {
    const { stderr, code } = await run('render', 'Allowed', exception('requestedBy: jane'));
    assert.equal(code, 2);
    assert.match(
      stderr,
      /standard input:\d+: SegmentationException shop\/debug is not valid:\n.*say until when, in UTC/,
    );
  });

  it('is part of what check judges', async () => {
    const checked = await run('check checks.yaml', 'Allowed', exception(ASKED));
    assert.equal(checked.code, 1, checked.output);
    assert.match(checked.stdout, /exception shop\/debug/);
  });

  describe('in diff', () => {
    const asked = (end: string) => exception(`expires: "${end}"\n  requestedBy: jane`);
    const profiles = { with: profile('Allowed'), without: profile('Disabled') };
    const files = (manifest: string, mode: keyof typeof profiles = 'with') =>
      directoryOf({ 'all.yaml': [CLUSTER, profiles[mode], manifest].join('---') });
    const NONE = files('');
    const ONE = files(asked(SOON));
    const MOVED = files(asked(LATER));

    it('is shown with its end and the flow that it opens, also as documents', async () => {
      const { stdout, code } = await cli(`diff --from ${NONE} -f ${ONE}`);
      assert.equal(code, 1);
      assert.match(stdout, /\+ shop\/p\.exception\.debug\.egress\.to-db\n/);
      assert.match(stdout, /Opens 1 flow .*\n +\+ shop\/web +→ +shop\/db +TCP 5432/);
      assert.match(stdout, new RegExp(`Exceptions\n  \\+ shop/debug: until ${SOON}\n`));
      const json = await cli(`diff --from ${NONE} -f ${ONE} -o json`);
      assert.deepEqual((JSON.parse(json.stdout) as { exceptions: object }).exceptions, [
        { change: 'opened', namespace: 'shop', name: 'debug', after: SOON },
      ]);
      const elsewhere = await cli(`diff --from ${NONE} -f ${ONE} -n other`);
      assert.deepEqual([elsewhere.code, elsewhere.stdout], [0, '']);
    });

    it('is shown with the flow that it closes if it is withdrawn', async () => {
      const { stdout, code } = await cli(`diff --from ${ONE} -f ${NONE}`);
      assert.equal(code, 1);
      assert.match(stdout, /Closes 1 flow .*\n +- shop\/web +→ +shop\/db +TCP 5432/);
      assert.match(stdout, new RegExp(`Exceptions\n  - shop/debug: until ${SOON}\n`));
    });

    it('is a difference if it is prolonged, though no flow changes', async () => {
      const { stdout, code } = await cli(`diff --from ${ONE} -f ${MOVED}`);
      assert.equal(code, 1);
      assert.equal(stdout, `Exceptions\n  ~ shop/debug: until ${LATER}, and not until ${SOON}\n`);
      assert.equal((await cli(`diff --from ${ONE} -f ${ONE}`)).code, 0);
    });

    it('is no difference if no profile grants it, and a warning says so', async () => {
      const { stderr, code } = await cli(
        `diff --from ${files('', 'without')} -f ${files(asked(SOON), 'without')}`,
      );
      assert.equal(code, 0);
      assert.match(stderr, /warning: exception shop\/debug opens nothing: /);
    });
  });

  describe('in audit', () => {
    const findings = async (manifest: string) => {
      const granting = profile('Allowed').replace(
        'maxDuration: 8h',
        'maxDuration: 8h, peers: [Pods, Entity]',
      );
      const { stdout, stderr } = await cli('audit -o json -f cluster.yaml -f -', {
        cwd,
        stdin: [granting, manifest].join('---'),
      });
      const { findings: all } = JSON.parse(stdout) as {
        findings: { check: string; object: { kind: string; name: string }; field?: string }[];
      };
      return { all, stderr };
    };

    it('is named by the finding that it opens too much, and not its profile', async () => {
      const { all } = await findings(exception(ASKED, '{entity: Any}'));
      const open = all.filter(({ check }) => check === 'egress-to-everywhere');
      assert.deepEqual(
        open.map(({ object, field }) => ({ ...object, field })),
        [{ kind: 'SegmentationException', namespace: 'shop', name: 'debug', field: 'spec.egress[to-db]' }],
      );
    });

    it('causes no finding if it opens the flow of one workload to another', async () => {
      const without = await findings('');
      const { all, stderr } = await findings(exception(ASKED));
      assert.equal(stderr, '');
      assert.deepEqual(all, without.all);
    });

    it('is a finding if it opens again and again what others opened before', async () => {
      const past = (days: number) =>
        exception(`expires: "${new Date(Date.now() - days * 86_400_000).toISOString()}"\n  requestedBy: jane`)
          .replace('name: debug', `name: debug-${days}`)
          .replace(
            'namespace: shop}',
            `namespace: shop, creationTimestamp: "${new Date(Date.now() - (days + 0.1) * 86_400_000).toISOString()}"}`,
          );
      const { all } = await findings([exception(ASKED), ...[1, 2, 3, 4, 5].map(past)].join('---'));
      assert.ok(
        all.some(({ check }) => check === 'exception-renewed'),
        JSON.stringify(all),
      );
    });
  });
});
