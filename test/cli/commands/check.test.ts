/** `check`: expectations compared with manifests, and reports for CI systems. */
import assert from 'node:assert/strict';
import { parse } from 'yaml';
import { cli, directoryOf } from '../cli.ts';

const SHOP = '-f config/samples/shop';

const GOOD = `checks:
  - name: orders are paid
    from: shop-checkout/checkout
    to: shop-payments/svc/payments
    port: 8443
    expect: allow
  - from: ns/shop-storefront
    to: [shop-payments/payments, shop-payments/ledger]
    expect: deny
`;
const BAD = `${GOOD}
  - name: carts are "paid" <too> & fast
    from: shop-checkout/cart
    to: shop-payments/svc/payments
    expect: allow
  - from: shop-checkout/checkout
    to: shop-payments/payments
    port: [main, 8444]
    expect: deny
`;
const MISSING = `- {from: shop-checkout/chekout, to: shop-payments/payments, expect: allow}\n`;

describe('kubectl segmentation check', () => {
  const directory = directoryOf({ 'good.yaml': GOOD, 'bad.yaml': BAD, 'missing.yaml': MISSING });
  const file = (name: string) => `${directory}/${name}.yaml`;

  it('passes if every flow is as expected', async () => {
    const { code, stdout } = await cli(`check ${file('good')} ${SHOP}`);
    assert.equal(code, 0);
    assert.equal(
      stdout,
      '✓ orders are paid\n✓ ns/shop-storefront does not reach shop-payments/payments, shop-payments/ledger\n\n2 passed\n',
    );
  });

  it('fails with exit code 1, the flow and the reason if a flow is not as expected', async () => {
    const { code, stdout } = await cli(`check ${file('bad')} ${SHOP}`);
    assert.equal(code, 1);
    assert.match(
      stdout,
      /^✗ carts are "paid" <too> & fast\n {4}shop-checkout\/deploy\/cart → shop-payments\/deploy\/payments on TCP 8443 \(main\) is denied: neither an egress nor an ingress rule of profile shop allows it$/m,
    );
    assert.match(
      stdout,
      /^✗ shop-checkout\/checkout does not reach shop-payments\/payments on main, 8444\n.* is allowed: by connection checkout-to-payments of profile shop$/m,
    );
    assert.match(stdout, /^2 passed, 2 failed$/m);
  });

  it('exits with 2 if an end of a check does not exist', async () => {
    const { code, stdout } = await cli(`check ${file('good')} ${file('missing')} ${SHOP}`);
    assert.equal(code, 2);
    assert.match(
      stdout,
      /^! shop-checkout\/chekout reaches shop-payments\/payments\n {4}no workload, pod or Service "chekout" in namespace shop-checkout \(did you mean "checkout"\?\)$/m,
    );
    assert.match(stdout, /^2 passed, 1 could not be judged$/m);
  });

  it('checks every port, not only declared ones, if a denial names no port', async () => {
    const policy = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: hole, namespace: a}
spec: {podSelector: {}, ingress: [{ports: [{port: 9999}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: a}
spec: {containers: [{name: a, image: a, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: other, namespace: b}
spec: {containers: [{name: a, image: a}]}
`;
    const manifests = directoryOf({ 'policy.yaml': policy });
    const { code, stdout } = await cli(`check - -f ${manifests}`, {
      stdin: '- {from: b/other, to: a/web, expect: deny}',
    });
    assert.equal(code, 1);
    assert.match(stdout, /b\/pod\/other → a\/pod\/web on TCP 9999 is allowed: by NetworkPolicy a\/hole/);
    assert.equal(
      (
        await cli(`check - -f ${manifests}`, {
          stdin: '- {from: b/other, to: a/web, port: 80, expect: deny}',
        })
      ).code,
      0,
    );
  });

  /** A running pod of a Deployment. */
  const running = (namespace: string, workload: string, name: string, version: string, ...ips: string[]) => `
---
apiVersion: v1
kind: Pod
metadata:
  name: ${name}
  namespace: ${namespace}
  labels: {app: ${workload}, version: "${version}"}
  ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: ${workload}, uid: u, controller: true}]
spec: {containers: [{name: a, image: a}]}
status: {phase: Running, podIPs: [${ips.map((ip) => `{ip: "${ip}"}`).join(', ')}]}
`;

  it('fails a denial that only some pods of a workload keep, on a port that only others may use', async () => {
    const policy = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: a}
spec: {podSelector: {}, policyTypes: [Egress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: hole, namespace: a}
spec: {podSelector: {matchLabels: {version: "2"}}, policyTypes: [Egress], egress: [{ports: [{port: 9999}]}]}
`;
    const pods = [
      running('a', 'web', 'web-0', '1', '10.0.0.1'),
      running('a', 'web', 'web-1', '2', '10.0.0.2'),
      running('b', 'db', 'db-0', '1', '10.0.0.3'),
    ];
    const manifests = directoryOf({ 'all.yaml': policy + pods.join('') });
    const { code, stdout } = await cli(`check - -f ${manifests}`, {
      stdin: '- {from: a/web, to: b/db, expect: deny}',
    });
    assert.equal(code, 1, stdout);
    assert.match(stdout, /a\/web-1 → b\/sts\/db on TCP 9999 is allowed: by NetworkPolicy a\/hole/);
  });

  it('fails a denial that dual-stack pods keep in one address family only', async () => {
    const policy = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: six, namespace: b}
spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: "::/0"}}]}]}
`;
    const pods = [
      running('a', 'web', 'web-0', '1', '10.0.0.1', 'fd00::1'),
      running('b', 'db', 'db-0', '1', '10.0.0.3', 'fd00::3'),
    ];
    const manifests = directoryOf({ 'all.yaml': policy + pods.join('') });
    const { code, stdout } = await cli(`check - -f ${manifests}`, {
      stdin:
        '- {from: a/web, to: b/db, port: 80, expect: deny}\n- {from: a/web, to: b/db, port: 80, expect: allow}',
    });
    assert.equal(code, 1, stdout);
    assert.match(stdout, /a\/sts\/web → b\/sts\/db on TCP 80 over IPv6 is allowed: by NetworkPolicy b\/six/);
    assert.match(stdout, /a\/sts\/web → b\/sts\/db on TCP 80 over IPv4 is denied/);
    const explained = await cli(`explain a/web b/db -p 80 -f ${manifests} -o json`);
    const { flows } = JSON.parse(explained.stdout) as { flows: { family: string; allowed: boolean }[] };
    assert.deepEqual(
      flows.map(({ family, allowed }) => [family, allowed]),
      [
        ['IPv4', false],
        ['IPv6', true],
      ],
    );
  });

  it('notes that pods of manifests have no addresses, which an ipBlock of a policy may match in a cluster', async () => {
    const policy = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: block, namespace: shop-payments}
spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}
`;
    const { code, stderr } = await cli(`check ${file('good')} ${SHOP} -f -`, { stdin: policy });
    assert.equal(code, 0);
    assert.match(
      stderr,
      /note: pods of manifests have no addresses yet, so a rule with an ipBlock matches none/,
    );
    assert.doesNotMatch((await cli(`check ${file('good')} ${SHOP}`)).stderr, /no addresses/);
  });

  it('writes JUnit XML for CI', async () => {
    const { code, stdout } = await cli(`check ${file('bad')} ${file('missing')} ${SHOP} -o junit`);
    assert.equal(code, 2);
    assert.match(
      stdout,
      /^<\?xml version="1\.0" encoding="UTF-8"\?>\n<testsuites name="kubectl segmentation check" tests="5" failures="2" errors="1">\n/,
    );
    assert.match(
      stdout,
      /<testcase name="carts are &quot;paid&quot; &lt;too&gt; &amp; fast" classname="[^"]+" file="[^"]+" line="11">\n +<failure message="/,
    );
    assert.match(stdout, /<testcase name="orders are paid" [^>]+ line="2"\/>/);
    assert.match(stdout, /<error message="no workload, pod or Service &quot;chekout&quot;/);
    assert.equal(stdout.split('<testcase').length - 1, 5);
    assert.equal(stdout.split('</testcase>').length - 1, 3);
  });

  it('writes SARIF for code scanning, with the line of each check', async () => {
    const { stdout } = await cli(`check ${file('bad')} ${file('missing')} ${SHOP} -o sarif`);
    interface Sarif {
      version: string;
      runs: {
        tool: { driver: { rules: { id: string }[] } };
        results: {
          ruleId: string;
          message: { text: string };
          locations: {
            physicalLocation: { artifactLocation: { uri: string }; region: { startLine: number } };
          }[];
        }[];
      }[];
    }
    const { version, runs } = JSON.parse(stdout) as Sarif;
    assert.equal(version, '2.1.0');
    const results = runs[0]?.results ?? [];
    assert.deepEqual(
      results.map(({ ruleId, locations }) => [ruleId, locations[0]?.physicalLocation.region.startLine]),
      [
        ['flow-denied', 11],
        ['flow-allowed', 15],
        ['flow-unknown', 1],
      ],
    );
    assert.equal(results[0]?.locations[0]?.physicalLocation.artifactLocation.uri, `file://${file('bad')}`);
    const rules = new Set(runs[0]?.tool.driver.rules.map(({ id }) => id));
    assert.ok(results.every(({ ruleId }) => rules.has(ruleId)));
  });

  it('prints JSON, YAML, names and the wide table', async () => {
    const json = await cli(`check ${file('bad')} ${SHOP} -o json`);
    const { checks } = JSON.parse(json.stdout) as {
      checks: { name: string; outcome: string; flows: number }[];
    };
    assert.deepEqual(
      checks.map(({ outcome }) => outcome),
      ['passed', 'passed', 'failed', 'failed'],
    );
    assert.deepEqual(parse((await cli(`check ${file('bad')} ${SHOP} -o yaml`)).stdout), { checks });
    const names = (await cli(`check ${file('bad')} ${SHOP} -o name`)).stdout;
    assert.equal(
      names,
      'carts are "paid" <too> & fast\nshop-checkout/checkout does not reach shop-payments/payments on main, 8444\n',
    );
    assert.match(
      (await cli(`check ${file('good')} ${SHOP} -o wide`)).stdout,
      /^✓ orders are paid {2}.*good\.yaml:2, 1 flow$/m,
    );
  });

  const REFUSED: readonly [what: string, text: string, answer: RegExp][] = [
    ['nothing in it', '', /standard input: no checks in it|standard input: no list of checks/],
    ['no list of checks', 'checks: 3', /standard input: no list of checks; write checks: \[\{from:/],
    [
      'an unknown key beside the list',
      'checks: []\ncheck: []\n',
      /standard input: unknown key check; write the list under checks/,
    ],
    [
      'a check without an end',
      '- {from: a/b, expect: allow}',
      /standard input:1: to is missing; write an end, such as shop\/deploy\/web/,
    ],
    [
      'a check without a verdict',
      '- {from: a/b, to: c/d}',
      /standard input:1: expect is missing; write allow or deny/,
    ],
    [
      'an unknown verdict',
      '\n- {from: a/b, to: c/d, expect: allowed}',
      /standard input:2: \.expect: "allowed" is not one of allow, deny|standard input:2: expect: "allowed" is not one of allow, deny/,
    ],
    [
      'an unknown key',
      '- {from: a/b, to: c/d, expect: allow, prot: 3}',
      /standard input:1: prot: unknown key \(did you mean "port"\?\)/,
    ],
    [
      'an empty list of sources',
      '- {from: [], to: c/d, expect: allow}',
      /standard input:1: from is empty: no flow would be checked; write an end, such as shop\/deploy\/web/,
    ],
    [
      'an empty list of destinations',
      '- {from: a/b, to: [], expect: deny}',
      /standard input:1: to is empty: no flow would be checked; write an end/,
    ],
    [
      'an end that is null',
      '- from:\n  to: c/d\n  expect: deny',
      /standard input:1: from is empty: no flow would be checked; write an end/,
    ],
    [
      'a null among its ends',
      '- {from: [a/b, null], to: c/d, expect: deny}',
      /standard input:1: from\[1\]: null is not a text/,
    ],
    [
      'a verdict that is null',
      '- from: a/b\n  to: c/d\n  expect:',
      /standard input:1: expect is empty; write allow or deny/,
    ],
    [
      'an empty list of ports',
      '- {from: a/b, to: c/d, port: [], expect: allow}',
      /standard input:1: port is empty; write a port, such as 8443, or leave port out for every port/,
    ],
    ['a check that is null', '-', /standard input:1: null is no check; write \{from: shop\/web/],
    ['invalid YAML', '- {', /standard input:\d+: not valid YAML/],
  ];
  for (const [what, stdin, answer] of REFUSED) {
    it(`refuses a file with ${what}`, async () => {
      const { code, stderr } = await cli(`check - ${SHOP}`, { stdin });
      assert.equal(code, 2);
      assert.match(stderr, answer);
    });
  }

  it('refuses a file that does not exist, and a directory', async () => {
    assert.match((await cli(`check none.yaml ${SHOP}`)).stderr, /none\.yaml: no such file/);
    assert.match((await cli(`check ${directory} ${SHOP}`)).stderr, /is a directory; name the files/);
  });
});
