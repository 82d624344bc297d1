/** The CRD on a real API server: what it refuses and in which words, what it fills in, and how kubectl shows it. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import {
  API_VERSION,
  KIND,
  LABEL_PROFILE,
  LABEL_RULE,
  MAX_NAME_LENGTH,
  policyName,
} from '../../../src/api/names.ts';
import type { ProfileSpec } from '../../../src/api/profile.ts';
import { CRD_PATH, readSchema, type SchemaNode } from '../../../scripts/generators/crd.ts';
import type { ControlPlane } from '../../env/index.ts';
import { sharedControlPlane } from '../../env/plane/shared.ts';
import { ADMITTED, largestProfile, REFUSED } from './profile-cases.ts';
import { crdEstablished } from '../../env/plane/crd.ts';

const root = join(import.meta.dirname, '../../..');
const schema = readSchema(join(root, CRD_PATH));

interface Profile {
  readonly metadata: { readonly name: string };
  readonly spec: ProfileSpec;
}

function profile(name: string, spec: object): object {
  return {
    apiVersion: API_VERSION,
    kind: KIND,
    metadata: { name },
    // Selects no namespace that there is, so that no operator has work with it.
    spec: { namespaceSelector: { matchLabels: { 'crd-test': 'none' } }, ...spec },
  };
}

const documents = (objects: readonly object[]) => objects.map((each) => JSON.stringify(each)).join('\n---\n');
const created: string[] = [];

describe('the SegmentationProfile CRD', () => {
  let plane: ControlPlane;

  const kubectl = (args: readonly string[], ...objects: readonly object[]) =>
    plane.kubectlRun(args, { stdin: documents(objects) });
  /** The text that kubectl prints to stderr when the API server refuses. */
  const refusal = async (...objects: readonly object[]): Promise<string> => {
    const outcome = await kubectl(['create', '--dry-run=server', '-f', '-'], ...objects).then(
      () => undefined,
      (error: Error) => error.message,
    );
    assert.notEqual(outcome, undefined, 'it was admitted');
    return outcome ?? '';
  };
  const create = async (name: string, spec: object): Promise<void> => {
    await kubectl(['create', '-f', '-'], profile(name, spec));
    created.push(name);
  };

  before(async () => {
    plane = await sharedControlPlane();
    await kubectl(['apply', '--server-side', '--force-conflicts', '-f', join(root, CRD_PATH)]);
    await crdEstablished(kubectl);
  });
  after(async () => {
    if (created.length > 0) await kubectl(['delete', 'segp', '--ignore-not-found', ...created]);
  });

  describe('refuses', () => {
    let refusals: ReadonlyMap<string, string>;

    before(async () => {
      const printed = await refusal(...REFUSED.map(({ spec }, index) => profile(`case-${index}`, spec)));
      // Before 1.34, the API server prints a duplicate object with its type in Go.
      const answer = printed.replaceAll('map[string]interface {}', '');
      // One line for each; several causes are in brackets, separated by commas.
      refusals = new Map(
        answer.split('\n').map((line) => [/"(case-\d+)" is invalid/.exec(line)?.[1] ?? '', line]),
      );
    });

    REFUSED.forEach(({ what, at, because }, index) => {
      it(what, () => {
        const text = refusals.get(`case-${index}`) ?? '';
        const causes = text.replace(/^.*? is invalid: \[?/, '').split(/, (?=spec|<nil>)/);
        const cause = causes.find((line) => line.startsWith(`${at}: `) && line.includes(because));
        assert.notEqual(cause, undefined, `no cause at ${at} says "${because}" in:\n${text || 'no refusal'}`);
      });
    });

    for (const name of ['team.a', 'a'.repeat(MAX_NAME_LENGTH + 1)]) {
      it(`the profile name ${name}`, async () => {
        const text = await refusal(profile(name, {}));
        assert.match(text, /write at most 63 characters, without dots \(`team-a` rather than `team\.a`\)/);
      });
    }

    it('a profile without spec', async () => {
      const text = await refusal({ apiVersion: API_VERSION, kind: KIND, metadata: { name: 'no-spec' } });
      assert.match(text, /spec: Required value/);
    });

    for (const [what, spec, path] of [
      ['in the spec', { isolate: true }, 'spec.isolate'],
      [
        'in a selector',
        { namespaceSelector: { matchLabel: { team: 'a' } } },
        'spec.namespaceSelector.matchLabel',
      ],
      [
        'in a peer',
        { ingress: [{ name: 'a', from: [{ podSelectors: {}, entity: 'Any' }] }] },
        'spec.ingress[0].from[0].podSelectors',
      ],
    ] as const) {
      it(`an unknown field ${what}, which kubectl has it do`, async () => {
        const text = await refusal(profile('unknown', spec));
        assert.ok(text.includes(`unknown field "${path}"`), text);
      });
    }

    it('a status that claims more failures than are shown', async () => {
      await create('crd-test-status', {});
      const failures = Array.from({ length: 51 }, (_, index) => ({
        namespace: `n${index}`,
        reason: 'R',
        message: 'm',
      }));
      const patch = JSON.stringify({ status: { failures } });
      await assert.rejects(
        kubectl(['patch', 'segp', 'crd-test-status', '--subresource=status', '--type=merge', '-p', patch]),
        /status\.failures: Too many: 51: must have at most 50 items/,
      );
    });
  });

  describe('admits', () => {
    let admitted: ReadonlyMap<string, Profile>;

    before(async () => {
      const profiles = ADMITTED.map(({ spec }, index) => profile(`case-${index}`, spec));
      const list = JSON.parse(
        await kubectl(['apply', '--dry-run=server', '-o', 'json', '-f', '-'], ...profiles),
      );
      admitted = new Map((list as { items: Profile[] }).items.map((each) => [each.metadata.name, each]));
    });

    ADMITTED.forEach(({ what, spec }, index) => {
      it(`${what}, and changes nothing that was written`, () => {
        const stored = admitted.get(`case-${index}`);
        assert.ok(stored, 'it was refused');
        assert.partialDeepStrictEqual(stored.spec, spec);
      });
    });

    it('a profile of the longest name, whose policies and labels are then valid', async () => {
      const name = 'p'.repeat(MAX_NAME_LENGTH);
      const rule = 'r'.repeat(MAX_NAME_LENGTH);
      await kubectl(['create', '--dry-run=server', '-f', '-'], profile(name, {}), {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: {
          name: policyName(name, 'ingress', rule),
          namespace: 'default',
          labels: { [LABEL_PROFILE]: name, [LABEL_RULE]: rule },
        },
        spec: { podSelector: {} },
      });
    });

    it('a profile as large as etcd takes, within the cost budget of its rules', async () => {
      const large = profile('crd-test-large', largestProfile());
      assert.ok(JSON.stringify(large).length > 1_000_000, 'it is not large');
      await kubectl(['create', '--dry-run=server', '-f', '-'], large);
    });
  });

  describe('fills in', () => {
    let stored: Profile;

    before(async () => {
      await create('crd-test-defaults', {
        baseline: { sameNamespace: 'Allow' },
        ingress: [{ name: 'a', from: [{ entity: 'Any' }], ports: [{ port: 80 }] }],
      });
      stored = JSON.parse(await kubectl(['get', 'segp', 'crd-test-defaults', '-o', 'json'])) as Profile;
    });

    it('mode, isolation and deletionPolicy', () => {
      const { mode, isolation, deletionPolicy } = stored.spec;
      assert.deepEqual(
        { mode, isolation, deletionPolicy },
        { mode: 'Enforce', isolation: ['Ingress', 'Egress'], deletionPolicy: 'Delete' },
      );
    });

    it('each entry of the baseline that is not written', () => {
      assert.deepEqual(stored.spec.baseline, {
        dns: 'Allow',
        admissionWebhooks: 'Allow',
        sameNamespace: 'Allow',
        kubeAPIServer: 'Deny',
        ingressControllers: 'Deny',
        monitoring: 'Deny',
        mesh: 'Deny',
      });
    });

    it('TCP as the protocol of a port', () => {
      assert.deepEqual(stored.spec.ingress?.[0]?.ports, [{ protocol: 'TCP', port: 80 }]);
    });

    it('no default into an isolation that is written later by server-side apply', async () => {
      const apply = (spec: object) =>
        kubectl(['apply', '--server-side', '-o', 'json', '-f', '-'], profile('crd-test-applied', spec));
      created.push('crd-test-applied');
      await apply({});
      const later = JSON.parse(await apply({ isolation: ['Ingress'] })) as Profile;
      assert.deepEqual(later.spec.isolation, ['Ingress']);
    });
  });

  describe('shows', () => {
    it('mode, namespaces, policies, readiness and age in a line', async () => {
      await create('crd-test-columns', { mode: 'Audit' });
      const status = {
        observedGeneration: 1,
        namespaces: { matched: 12, enforced: 11, pending: 1, failed: 0, summary: '11/12' },
        policies: { desired: 36, applied: 33 },
        conditions: [
          {
            type: 'Ready',
            status: 'False',
            reason: 'Progressing',
            message: 'one namespace is left',
            lastTransitionTime: '2030-01-01T00:00:00Z',
          },
        ],
      };
      const patch = JSON.stringify({ status });
      await kubectl([
        'patch',
        'segp',
        'crd-test-columns',
        '--subresource=status',
        '--type=merge',
        '-p',
        patch,
      ]);
      const [header, line] = (await kubectl(['get', 'segp', 'crd-test-columns'])).trim().split('\n');
      assert.match(header ?? '', /^NAME +MODE +NAMESPACES +POLICIES +READY +REASON +AGE$/);
      assert.match(line ?? '', /^crd-test-columns +Audit +11\/12 +33 +False +Progressing +\d+s$/);
      assert.match(
        await kubectl(['get', 'segp', 'crd-test-columns', '-o', 'wide']),
        /MESSAGE\n.*one namespace is left/,
      );
    });

    it('what each field does, by kubectl explain', async () => {
      const text = (await kubectl(['explain', 'segp.spec.ingress.from'])).replaceAll(/\s+/g, ' ');
      assert.match(text, /FIELD: from <\[\]Object>/);
      assert.match(text, /Who may connect: at least one peer\./);
      for (const field of Object.keys(
        schema.properties?.spec?.properties?.ingress?.items?.properties?.from?.items?.properties ?? {},
      )) {
        assert.match(text, new RegExp(` ${field} <\\S+> (enum: .*)?[A-Z]`));
      }
    });
  });
});

describe('the schema of the CRD', () => {
  const nodes = [...walk(schema, '')];

  it('describes every field', () => {
    const bare = nodes.filter(([path, node]) => path !== '.metadata' && !node.description?.trim());
    assert.deepEqual(
      bare.map(([path]) => path),
      [],
    );
    assert.ok(nodes.length > 100);
  });

  it('has a message for every rule', () => {
    const rules = nodes.flatMap(([, node]) => node['x-kubernetes-validations'] ?? []);
    assert.deepEqual(
      rules.filter(({ message }) => !message),
      [],
    );
    assert.ok(rules.length > 20);
  });

  it('bounds every list and every map, so that no profile is too large to judge', () => {
    const unbounded = nodes.filter(
      ([, node]) =>
        (node.items !== undefined && node.maxItems === undefined) ||
        (node.additionalProperties !== undefined && node.maxProperties === undefined),
    );
    assert.deepEqual(
      unbounded.map(([path]) => path),
      [],
    );
  });
});

/** Every node with its path. */
function* walk(node: SchemaNode, path: string): Generator<readonly [path: string, node: SchemaNode]> {
  yield [path, node];
  for (const [name, child] of Object.entries(node.properties ?? {})) yield* walk(child, `${path}.${name}`);
  if (node.items) yield* walk(node.items, `${path}[]`);
  if (node.additionalProperties) yield* walk(node.additionalProperties, `${path}.*`);
}
