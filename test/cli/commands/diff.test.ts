/** `diff`: changes as text and as documents, with the exit codes of kubectl diff. */
import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { cli, directoryOf } from '../cli.ts';

const SHOP = 'config/samples/shop';
const FROM = `--from ${SHOP}`;

describe('kubectl segmentation diff', () => {
  const directory = directoryOf({ 'keep/none.txt': '' });

  /** A copy of the sample shop with its profile changed. */
  function changed(name: string, ...changes: readonly [from: string | RegExp, to: string][]): string {
    const path = join(directory, name);
    cpSync(SHOP, path, { recursive: true });
    const file = join(path, 'profile.yaml');
    const before = readFileSync(file, 'utf8');
    const after = changes.reduce((text, [from, to]) => text.replace(from, to), before);
    assert.notEqual(after, before, 'the sample has changed');
    writeFileSync(file, after);
    return path;
  }

  it('prints nothing, and exits with 0, if nothing changes', async () => {
    assert.deepEqual(await cli(`diff ${FROM} -f ${SHOP}`), { code: 0, stdout: '', stderr: '', output: '' });
  });

  it('lists the waves in which the changes of a profile with a rollout come', async () => {
    const rollout =
      'spec:\n  rollout: {waves: [{name: first, namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop-payments}}, soak: 1h}]}';
    const from = changed('waves-from', ['spec:', rollout]);
    const path = changed('waves', ['spec:', rollout], ['sameNamespace: Allow', 'sameNamespace: Deny']);
    const { stdout } = await cli(`diff --from ${from} -f ${path}`);
    assert.match(
      stdout,
      /^Rollout of profile shop\n  WAVE +SOAK +CHANGED NAMESPACES\n  first +1h +1: shop-payments\n  rest +- +2: shop-checkout, shop-storefront$/m,
    );
    const json = JSON.parse(
      (await cli(`diff --from ${from} -f ${path} -o json -n shop-payments`)).stdout,
    ) as object;
    assert.deepEqual((json as { rollouts: object }).rollouts, [
      {
        profile: 'shop',
        atOnce: false,
        waves: [{ wave: 'first', soak: '1h', namespaces: ['shop-payments'] }],
      },
    ]);
  });

  it('ignores a change of spelling', async () => {
    const path = changed('spelling', [
      /- namespaces: \[shop-checkout\]/,
      '- namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [shop-checkout]}]}',
    ]);
    assert.equal((await cli(`diff ${FROM} -f ${path}`)).code, 0);
  });

  it('lists changed rules and closed flows, and equal changes of several namespaces once', async () => {
    const path = changed('strict', ['sameNamespace: Allow', 'sameNamespace: Deny']);
    const { code, stdout } = await cli(`diff ${FROM} -f ${path}`);
    assert.equal(code, 1);
    assert.equal(
      stdout,
      `NetworkPolicies 6 changed
  ~ shop.egress  in 3 namespaces: shop-checkout, shop-payments, shop-storefront
      - to all pods of the namespace on all ports  (baseline.sameNamespace)
  ~ shop.ingress  in 3 namespaces: shop-checkout, shop-payments, shop-storefront
      - from all pods of the namespace on all ports  (baseline.sameNamespace)

Closes 9 flows between workloads
  - shop-checkout/cart       →   shop-checkout/cart       all ports
  - shop-checkout/cart       →   shop-checkout/checkout   all ports
  - shop-checkout/checkout   →   shop-checkout/cart       all ports
  - shop-checkout/checkout   →   shop-checkout/checkout   all ports
  - shop-payments/ledger     →   shop-payments/ledger     all ports
  - shop-payments/ledger     →   shop-payments/payments   all ports
  - shop-payments/payments   →   shop-payments/ledger     all ports
  - shop-payments/payments   →   shop-payments/payments   all ports
  - shop-storefront/web      →   shop-storefront/web      all ports
`,
    );
  });

  it('lists changed rules that open and close no flow', async () => {
    const path = changed('wider', [
      '- namespaces: [shop-checkout]',
      '- namespaces: [shop-checkout, shop-storefront]',
    ]);
    const { code, stdout } = await cli(`diff ${FROM} -f ${path} -n shop-payments`);
    assert.equal(code, 1);
    assert.match(stdout, /^ {2}~ shop-payments\/shop\.ingress\.checkout-to-payments$/m);
    assert.match(
      stdout,
      /^ {6}- from pods app=checkout of shop-checkout on TCP main {2}\(connection checkout-to-payments\)$/m,
    );
    assert.match(stdout, /^ {6}\+ from pods app=checkout of shop-checkout, shop-storefront on TCP main/m);
    assert.match(stdout, /No flow between the pods that there are opens or closes\./);
  });

  it('lists the flows that open without the profile, and summarises many flows by namespace', async () => {
    const { code, stdout } = await cli(`diff ${FROM} -f ${SHOP}/namespaces.yaml -f ${SHOP}/workloads.yaml`);
    assert.equal(code, 1);
    assert.match(stdout, /^ {2}- shop-checkout: no longer selected by profile shop$/m);
    assert.match(stdout, /^NetworkPolicies 13 removed\n {2}- shop\.default-deny {2}in 3 namespaces/m);
    assert.match(stdout, /^Opens 26 flows between workloads$/m);
    assert.match(stdout, /^ {2}\+ ns\/shop-checkout +→ {3}any address +2 flows$/m);
    const wide = await cli(`diff ${FROM} -f ${SHOP}/namespaces.yaml -f ${SHOP}/workloads.yaml -o wide`);
    assert.match(wide.stdout, /^ {2}\+ shop-payments\/ledger +→ {3}any address +all ports$/m);
  });

  it('shows with --as-enforced the effects of a profile under Audit', async () => {
    const path = changed('audit', ['spec:\n', 'spec:\n  mode: Audit\n']);
    const { code, stdout } = await cli(`diff --from ${path} --as-enforced`);
    assert.equal(code, 1);
    assert.match(stdout, /^NetworkPolicies 13 added$/m);
    assert.match(stdout, /^Closes 26 flows between workloads$/m);
  });

  it('prints JSON, YAML and names for programs', async () => {
    const path = changed('json', ['name: checkout-to-payments', 'name: checkout-pays']);
    const json = await cli(`diff ${FROM} -f ${path} -o json -n shop-checkout`);
    const document = JSON.parse(json.stdout) as {
      policies: { name: string; change: string }[];
      flows: object;
    };
    assert.deepEqual(
      document.policies.map(({ change, name }) => `${change} ${name}`),
      ['added shop.egress.checkout-pays', 'removed shop.egress.checkout-to-payments'],
    );
    assert.deepEqual(document.flows, { opened: [], closed: [] });
    assert.deepEqual(parse((await cli(`diff ${FROM} -f ${path} -o yaml -n shop-checkout`)).stdout), document);
    const names = await cli(`diff ${FROM} -f ${path} -o name -n shop-checkout`);
    assert.equal(
      names.stdout,
      'shop-checkout/shop.egress.checkout-pays\nshop-checkout/shop.egress.checkout-to-payments\n',
    );
  });

  const REFUSED: readonly [line: string, answer: RegExp][] = [
    ['', /name what changes: manifests with -f or -k, or --as-enforced/],
    [FROM, /name what to compare with --from: -f or -k/],
    ['--from - -f -', /standard input can be read once: name a file for one of the two/],
    [`${FROM} -f ${SHOP} --cluster`, /--from compares manifests: leave --cluster out/],
  ];
  for (const [line, answer] of REFUSED) {
    it(`refuses "${line}" with exit code 2, and says what to write`, async () => {
      const { code, stderr } = await cli(`diff ${line}`, {
        stdin: readFileSync(`${SHOP}/profile.yaml`, 'utf8'),
      });
      assert.equal(code, 2);
      assert.match(stderr, answer);
    });
  }
});
