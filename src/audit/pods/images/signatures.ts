/** Reports namespaces in which nothing verifies the signatures of images. Pure. */
import { WEBHOOK_KINDS } from '../../../policy/image-verification/evidence.ts';
import { VERIFIER_KINDS } from '../../../policy/image-verification/kinds.ts';
import { imageVerifiers, verificationIn } from '../../../policy/image-verification/verification.ts';
import { listText } from '../../../util/list-text.ts';
import type { Check } from '../../check.ts';

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
    ...WEBHOOK_KINDS,
    ...VERIFIER_KINDS.map(({ kind }) => kind),
  ],
  run: (context, report) => {
    const { snapshot } = context;
    // Among manifests, what verifies images is described elsewhere.
    if (!snapshot.isComplete) return;
    const verifiers = imageVerifiers(snapshot);
    for (const { name } of context.namespaces) {
      if (!snapshot.enforced.has(name) || context.podsOf(name).length === 0) continue;
      const verification = verificationIn({ name, labels: context.labelsOf(name) }, verifiers, undefined);
      if (verification.kind !== 'unverified') continue;
      const reasons = verification.reasons.length === 0 ? '' : `: ${verification.reasons.join('; ')}`;
      report({
        object: { kind: 'Namespace', name },
        message: `nothing that is known to verify signatures of images covers its pods${reasons}`,
      });
    }
  },
};
