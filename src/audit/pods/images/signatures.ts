/** Looks for what verifies signatures of images in a cluster, and for the namespaces that it covers. Pure. */
import type { KubeObject, StringMap } from '../../../api/meta.ts';
import { matches } from '../../../policy/semantics/selector.ts';
import { listText } from '../../../util/list-text.ts';
import type { Check } from '../../check.ts';
import type { AuditContext } from '../../context.ts';
import { listOf, type Raw, recordOf, selectorOf, textOf, textsOf } from '../../raw.ts';
import type { AuditSnapshot, KindName } from '../../snapshot.ts';

/** True for a namespace whose images something verifies. */
type Coverage = (namespace: string, labels: StringMap) => boolean;

const rawSpec = (object: KubeObject): Raw => recordOf((object as KubeObject & Raw)['spec']);

/** The namespaces that a webhook of such a name is called for. */
function webhooksNamed(name: RegExp, { objects }: AuditSnapshot): Coverage[] {
  const configurations = [
    ...objects('ValidatingWebhookConfiguration'),
    ...objects('MutatingWebhookConfiguration'),
  ];
  return configurations
    .flatMap((each) => listOf((each as KubeObject & Raw)['webhooks']))
    .map(recordOf)
    .filter((webhook) => name.test(textOf(webhook['name'])))
    .map(
      ({ namespaceSelector }) =>
        (_, labels) =>
          matches(selectorOf(namespaceSelector), labels),
    );
}

/** Sigstore's policy-controller calls its webhook for namespaces that ask for it by a label. */
function sigstore(snapshot: AuditSnapshot): Coverage[] {
  const hasPolicies = snapshot.objects('ClusterImagePolicy').length > 0;
  return hasPolicies ? webhooksNamed(/policy\.sigstore\.dev$/, snapshot) : [];
}

function connaisseur(snapshot: AuditSnapshot): Coverage[] {
  return webhooksNamed(/connaisseur/, snapshot);
}

/** Ratify verifies for Gatekeeper, whose webhook is called for the namespaces. */
function ratify(snapshot: AuditSnapshot): Coverage[] {
  const hasVerifiers = snapshot.objects('RatifyVerifier').length > 0;
  return hasVerifiers ? webhooksNamed(/^validation\.gatekeeper\.sh$/, snapshot) : [];
}

/** A name, in which `*` stands for any text and `?` for one character. */
function isLike(pattern: string, name: string): boolean {
  const escaped = pattern.replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`);
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`).test(name);
}

/** True if a `match` or `exclude` of a Kyverno rule has an entry for the namespace. Entries for other kinds don't count. */
function kyvernoMatches(value: unknown, namespace: string, labels: StringMap): boolean {
  const block = recordOf(value);
  const entries = [block, ...listOf(block['any']), ...listOf(block['all'])]
    .map((each) => recordOf(recordOf(each)['resources']))
    .filter((resources) => Object.keys(resources).length > 0);
  return entries.some(({ kinds, namespaces, namespaceSelector }) => {
    const isOfPods = textsOf(kinds).some((kind) => /(?:^|\/)(?:Pod|\*)$/.test(kind));
    const patterns = textsOf(namespaces);
    return (
      isOfPods &&
      (patterns.length === 0 || patterns.some((pattern) => isLike(pattern, namespace))) &&
      matches(selectorOf(namespaceSelector), labels)
    );
  });
}

function kyverno({ objects }: AuditSnapshot): Coverage[] {
  const rules = [...objects('KyvernoClusterPolicy'), ...objects('KyvernoPolicy')].flatMap((policy) =>
    listOf(rawSpec(policy)['rules'])
      .map(recordOf)
      .filter((rule) => listOf(rule['verifyImages']).length > 0)
      .map((rule): Coverage => {
        const own = policy.metadata.namespace;
        return (namespace, labels) =>
          (own === undefined || own === namespace) &&
          kyvernoMatches(rule['match'], namespace, labels) &&
          !kyvernoMatches(rule['exclude'], namespace, labels);
      }),
  );
  const policies = objects('ImageValidatingPolicy').map((policy): Coverage => {
    const selector = selectorOf(recordOf(rawSpec(policy)['matchConstraints'])['namespaceSelector']);
    return (_, labels) => matches(selector, labels);
  });
  return [...rules, ...policies];
}

const VERIFIERS = [sigstore, kyverno, ratify, connaisseur];

/** Kinds of which a verifier needs objects. */
const KINDS: readonly KindName[] = [
  'ClusterImagePolicy',
  'ImageValidatingPolicy',
  'KyvernoClusterPolicy',
  'KyvernoPolicy',
  'RatifyVerifier',
];

function isCovered(namespace: string, coverage: readonly Coverage[], context: AuditContext): boolean {
  return coverage.some((covers) => covers(namespace, context.labelsOf(namespace)));
}

export const imageSignatures: Check = {
  id: 'image-signature-unverified',
  title: 'Something verifies the signatures of images in every namespace of a profile',
  severity: 'info',
  category: 'Pods',
  controls: ['C-0236', 'C-0237', 'NSA/CISA image provenance'],
  why: 'A network policy trusts a pod by its labels. Nobody knows who built an image that is not signed, or whose signature nobody verifies.',
  remedy: `Verify images by ${listText(["sigstore's policy-controller", 'Kyverno', 'Ratify'])}, for this namespace as well.`,
  needs: [
    'Namespace',
    'Pod',
    'SegmentationProfile',
    'ValidatingWebhookConfiguration',
    'MutatingWebhookConfiguration',
    ...KINDS,
  ],
  run: (context, report) => {
    const { snapshot } = context;
    // Among manifests, what verifies images is described elsewhere.
    if (!snapshot.isComplete) return;
    const coverage = VERIFIERS.flatMap((verifier) => verifier(snapshot));
    for (const { name } of context.namespaces) {
      if (!snapshot.enforced.has(name) || context.podsOf(name).length === 0) continue;
      if (isCovered(name, coverage, context)) continue;
      report({
        object: { kind: 'Namespace', name },
        message: 'nothing that is known to verify signatures of images covers its pods',
      });
    }
  },
};
