/** Namespaces in which something verifies the signatures of images, by objects of the shapes that verifiers' own pages show. */
import assert from 'node:assert/strict';
import type { KubeObject } from '../../../src/api/meta.ts';
import type { EvidenceKind } from '../../../src/policy/image-verification/evidence.ts';
import { imageVerifiers, verificationIn } from '../../../src/policy/image-verification/verification.ts';

const SHOP = { name: 'shop', labels: { 'kubernetes.io/metadata.name': 'shop', team: 'shop' } };
const ALL_KINDS = [
  { apiGroups: ['*'], apiVersions: ['*'], operations: ['CREATE', 'UPDATE'], resources: ['*'] },
];
const PODS = [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'] }];
const DEPLOYMENTS = [
  { apiGroups: ['apps'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['deployments'] },
];

const object = (kind: EvidenceKind, spec: object, namespace?: string): KubeObject =>
  ({ kind, metadata: { name: 'signed', ...(namespace && { namespace }) }, spec }) as KubeObject;
const webhook = (name: string, more: object = {}): KubeObject =>
  ({
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name },
    webhooks: [{ name, rules: ALL_KINDS, ...more }],
  }) as KubeObject;
const labelled = (value: string) => ({ namespaceSelector: { matchLabels: { team: value } } });

const SIGSTORE = webhook('policy.sigstore.dev', labelled('shop'));
const cip = (spec: object) =>
  object('ClusterImagePolicy', { images: [{ glob: '**' }], authorities: [{ keyless: {} }], ...spec });
const KYVERNO = webhook('ivpol.validate.kyverno.svc-fail-finegrained-signed');
const verifying = 'images.containers.map(image, verifyImageSignatures(image, [attestors.key])).all(n, n > 0)';
const ivp = (spec: object, kind: EvidenceKind = 'ImageValidatingPolicy', namespace?: string) =>
  object(
    kind,
    {
      matchConstraints: { resourceRules: PODS },
      matchImageReferences: [{ glob: '*' }],
      validations: [{ expression: verifying }],
      ...spec,
    },
    namespace,
  );
const attested = { attestors: [{ entries: [{ keys: {} }] }] };
const older = (
  { match = {}, verify = {}, rule = {}, spec = {} }: Readonly<Record<string, object>> = {},
  namespace?: string,
) =>
  object(
    namespace === undefined ? 'KyvernoClusterPolicy' : 'KyvernoPolicy',
    {
      validationFailureAction: 'Enforce',
      rules: [
        {
          name: 'check',
          match: { any: [{ resources: { kinds: ['Pod'], ...match } }] },
          verifyImages: [{ imageReferences: ['*'], ...attested, ...verify }],
          ...rule,
        },
      ],
      ...spec,
    },
    namespace,
  );
const GATEKEEPER = webhook('validation.gatekeeper.sh', {
  namespaceSelector: {
    matchExpressions: [{ key: 'admission.gatekeeper.sh/ignore', operator: 'DoesNotExist' }],
  },
});
const ratify = (match: object, more: object = {}) =>
  object('RatifyVerification', {
    enforcementAction: 'deny',
    match: { kinds: [{ apiGroups: [''], kinds: ['Pod'] }], ...match },
    ...more,
  });

type Row = readonly [
  expected: string | RegExp,
  objects: readonly KubeObject[],
  registries?: readonly string[],
];

const CASES: Readonly<Record<string, Row>> = {
  'a cluster without a verifier': ['unverified', []],

  'policy-controller, for a labelled namespace': ['verified ClusterImagePolicy signed', [SIGSTORE, cip({})]],
  'policy-controller, for another namespace': [
    /^unverified ClusterImagePolicy signed: no webhook .* label it policy\.sigstore\.dev\/include: "true"$/,
    [webhook('policy.sigstore.dev', labelled('bank')), cip({})],
  ],
  'policy-controller without a policy': ['unverified', [SIGSTORE]],
  'policy-controller that warns': [
    'unverified ClusterImagePolicy signed: it only warns',
    [SIGSTORE, cip({ mode: 'warn' })],
  ],
  'policy-controller that passes by an authority': [
    'unverified ClusterImagePolicy signed: an authority passes every image',
    [SIGSTORE, cip({ authorities: [{ keyless: {} }, { static: { action: 'pass' } }] })],
  ],
  'policy-controller that refuses by an authority': [
    'verified ClusterImagePolicy signed',
    [SIGSTORE, cip({ authorities: [{ static: { action: 'fail' } }] })],
  ],
  'policy-controller, for one registry': [
    'undetermined ClusterImagePolicy signed: it is for images ghcr.io/shop/** only',
    [SIGSTORE, cip({ images: [{ glob: 'ghcr.io/shop/**' }] })],
  ],
  'policy-controller, for the registries that the profile allows': [
    'verified ClusterImagePolicy signed',
    [SIGSTORE, cip({ images: [{ glob: 'registry.example.com/**' }, { glob: 'ghcr.io/shop**' }] })],
    ['registry.example.com', 'registry.example.com/team', 'ghcr.io/shop'],
  ],
  'policy-controller, for images right below an allowed registry': [
    /^undetermined/,
    [SIGSTORE, cip({ images: [{ glob: 'registry.example.com/*' }] })],
    ['registry.example.com'],
  ],
  'policy-controller, for images below an allowed path, which may be an image': [
    /^undetermined/,
    [SIGSTORE, cip({ images: [{ glob: 'ghcr.io/shop/**' }] })],
    ['ghcr.io/shop'],
  ],
  'policy-controller, for Deployments': [
    'unverified',
    [SIGSTORE, cip({ match: [{ group: 'apps', version: 'v1', resource: 'deployments' }] })],
  ],
  'policy-controller, for some pods': [
    'undetermined ClusterImagePolicy signed: its match is not for every pod',
    [SIGSTORE, cip({ match: [{ version: 'v1', resource: 'pods', selector: { matchLabels: { a: 'b' } } }] })],
  ],
  'a webhook with conditions': [
    /^undetermined ClusterImagePolicy signed: the webhook of policy-controller is not called for every pod/,
    [webhook('policy.sigstore.dev', { matchConditions: [{ name: 'x', expression: 'true' }] }), cip({})],
  ],

  'a validating policy of Kyverno': ['verified ImageValidatingPolicy signed', [KYVERNO, ivp({})]],
  'a validating policy without the webhook': [
    'unverified ImageValidatingPolicy signed: no webhook of Kyverno is called for the namespace',
    [webhook('validate-policy.kyverno.svc'), ivp({})],
  ],
  'a validating policy in the background': [
    'unverified ImageValidatingPolicy signed: it does not judge at admission',
    [KYVERNO, ivp({ evaluation: { admission: { enabled: false }, background: { enabled: true } } })],
  ],
  'a validating policy that audits': [
    'unverified ImageValidatingPolicy signed: its validationActions are Audit',
    [KYVERNO, ivp({ validationActions: ['Audit'] })],
  ],
  'a validating policy that verifies nothing': [
    'unverified ImageValidatingPolicy signed: none of its validations verifies a signature',
    [KYVERNO, ivp({ validations: [{ expression: 'true' }] })],
  ],
  'a validating policy with conditions': [
    /^undetermined/,
    [
      KYVERNO,
      ivp({ matchConditions: [{ name: 'prod', expression: 'object.metadata.namespace == "prod"' }] }),
    ],
  ],
  'a validating policy for Deployments': [
    'unverified',
    [KYVERNO, ivp({ matchConstraints: { resourceRules: DEPLOYMENTS } })],
  ],
  'a validating policy for other namespaces': [
    'unverified',
    [KYVERNO, ivp({ matchConstraints: { resourceRules: PODS, ...labelled('bank') } })],
  ],
  'a validating policy for images of an expression': [
    /^undetermined/,
    [KYVERNO, ivp({ matchImageReferences: [{ expression: "image.registry == 'ghcr.io'" }] })],
  ],
  'a validating policy for an allowed registry': [
    'verified ImageValidatingPolicy signed',
    [KYVERNO, ivp({ matchImageReferences: [{ glob: 'ghcr.io/*' }] })],
    ['ghcr.io', 'ghcr.io/shop'],
  ],
  'a validating policy for documents': ['unverified', [KYVERNO, ivp({ evaluation: { mode: 'JSON' } })]],
  'a validating policy of the namespace': [
    'verified NamespacedImageValidatingPolicy shop/signed',
    [KYVERNO, ivp({}, 'NamespacedImageValidatingPolicy', 'shop')],
  ],
  'a validating policy of another namespace': [
    'unverified',
    [KYVERNO, ivp({}, 'NamespacedImageValidatingPolicy', 'bank')],
  ],

  'a rule of an older policy': [
    'verified rule check of ClusterPolicy signed',
    [webhook('mutate.kyverno.svc-fail'), older({ match: { namespaces: ['sh*'] } })],
  ],
  'a rule for other namespaces': ['unverified', [KYVERNO, older({ match: { namespaces: ['prod-*'] } })]],
  'a rule for another kind': ['unverified', [KYVERNO, older({ match: { kinds: ['Cache'] } })]],
  'a rule for some pods': [/^undetermined/, [KYVERNO, older({ match: { selector: {} } })]],
  'a rule without an action, which audits': [
    'unverified rule check of ClusterPolicy signed: its failure action is Audit',
    [KYVERNO, older({ spec: { validationFailureAction: undefined as never } })],
  ],
  'a rule with an action of its own': [
    'verified rule check of ClusterPolicy signed',
    [
      KYVERNO,
      older({
        spec: { validationFailureAction: 'audit' as never },
        verify: { failureAction: 'Enforce' as never },
      }),
    ],
  ],
  'a rule without attestors': [
    'unverified rule check of ClusterPolicy signed: it has no attestors',
    [KYVERNO, older({ verify: { attestors: undefined as never } })],
  ],
  'a rule that excludes the namespace': [
    'unverified',
    [KYVERNO, older({ rule: { exclude: { any: [{ resources: { namespaces: ['shop'] } }] } } })],
  ],
  'a rule that excludes requesters': [
    /^undetermined/,
    [KYVERNO, older({ rule: { exclude: { any: [{ subjects: [{ kind: 'User', name: 'x' }] }] } } })],
  ],
  'a rule with preconditions': [/^undetermined/, [KYVERNO, older({ rule: { preconditions: {} } })]],
  'a rule that skips images': [
    /^undetermined/,
    [KYVERNO, older({ verify: { skipImageReferences: ['ghcr.io/shop/*'] } })],
  ],
  'a rule that asks for all of its filters': [
    'unverified',
    [
      KYVERNO,
      older({
        rule: {
          match: {
            all: [{ resources: { kinds: ['Pod'] } }, { resources: { kinds: ['Pod'], namespaces: ['bank'] } }],
          },
        },
      }),
    ],
  ],
  'a policy of another namespace': ['unverified', [KYVERNO, older({}, 'bank')]],

  'Ratify, for all namespaces': [
    'verified RatifyVerification signed',
    [GATEKEEPER, ratify({ namespaces: ['*'] })],
  ],
  'Ratify, for other namespaces': ['unverified', [GATEKEEPER, ratify({ namespaces: ['default', 'bank-*'] })]],
  'Ratify, for all namespaces but this one': [
    'unverified',
    [GATEKEEPER, ratify({ excludedNamespaces: ['*op'] })],
  ],
  'Ratify in a dry run': [
    'unverified RatifyVerification signed: its enforcementAction is dryrun',
    [GATEKEEPER, ratify({}, { enforcementAction: 'dryrun' })],
  ],
  'Ratify without an action, which denies': [
    'verified RatifyVerification signed',
    [GATEKEEPER, ratify({}, { enforcementAction: undefined })],
  ],
  'Ratify with actions by enforcement point': [
    /^undetermined/,
    [GATEKEEPER, ratify({}, { enforcementAction: 'scoped' })],
  ],
  'Ratify, for labelled pods': [
    /^undetermined/,
    [GATEKEEPER, ratify({ labelSelector: { matchLabels: { a: 'b' } } })],
  ],
  'Ratify, for Deployments': [
    'unverified',
    [GATEKEEPER, ratify({ kinds: [{ apiGroups: ['apps'], kinds: ['Deployment'] }] })],
  ],
  'Ratify, without the webhook of Gatekeeper': [
    'unverified RatifyVerification signed: no webhook of Gatekeeper is called for the namespace',
    [webhook('validation.gatekeeper.sh', { rules: DEPLOYMENTS }), ratify({})],
  ],
  'Ratify, by a constraint of an unknown kind': [
    /^undetermined Verifier signed of Ratify/,
    [GATEKEEPER, object('RatifyVerifier', {})],
  ],

  'Connaisseur, whose configuration no API serves': [
    'undetermined Connaisseur: its configuration is not known here',
    [webhook('connaisseur-svc.connaisseur.svc')],
  ],
  'two verifiers, of which one only warns': [
    'verified RatifyVerification signed',
    [SIGSTORE, cip({ mode: 'warn' }), GATEKEEPER, ratify({})],
  ],
};

describe('verification of images in a namespace,', () => {
  for (const [what, [expected, objects, registries]] of Object.entries(CASES)) {
    it(`with ${what}`, () => {
      const evidence = { objects: (kind: EvidenceKind) => objects.filter((each) => each.kind === kind) };
      const limits = registries && { action: 'Enforce' as const, registries: [...registries] };
      const verification = verificationIn(SHOP, imageVerifiers(evidence), limits as never);
      const words = verification.kind === 'verified' ? verification.by : verification.reasons;
      const text = [verification.kind, ...words].join(' ');
      if (typeof expected === 'string') assert.equal(text, expected);
      else assert.match(text, expected);
    });
  }

  it('asks for images that are exempt from the limits of the profile too', () => {
    const objects = [KYVERNO, ivp({ matchImageReferences: [{ glob: 'ghcr.io/*' }] })];
    const evidence = { objects: (kind: EvidenceKind) => objects.filter((each) => each.kind === kind) };
    const limits = {
      action: 'Enforce',
      registries: ['ghcr.io'],
      exempt: ['docker.io/library/pause'],
    } as const;
    const verification = verificationIn(SHOP, imageVerifiers(evidence), limits as never);
    assert.equal(verification.kind, 'undetermined');
  });
});
